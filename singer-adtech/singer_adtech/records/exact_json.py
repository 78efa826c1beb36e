"""JSON with exact numbers: no value passes through a float."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import msgspec

from singer_adtech.errors import DataError
from singer_adtech.http.bodies import quote_long_integers


def exact_json(body: bytes) -> Any:
    """Decode JSON without rounding numbers.

    Args:
        body: UTF-8 JSON.

    Returns:
        Numbers with a point or an exponent are `decimal.Decimal`, integers are `int`. Integers with more digits than
        Python accepts become strings and do not fit a number column.

    Raises:
        msgspec.DecodeError: The body is not valid JSON, or is cut off.
        UnicodeDecodeError: It is not UTF-8.
        DataError: It is nested too deeply, or memory is exhausted.
    """
    try:
        return _decode(body)
    except msgspec.ValidationError:
        # The only validation: integers that are too long.
        return _decode(quote_long_integers(body))
    except RecursionError:
        raise DataError("the response is nested too deep to be read", "report this to the vendor") from None
    except MemoryError:
        raise DataError(
            f"there is not enough memory to read a response of {len(body) / 1e6:,.0f} MB",
            "request less at a time: lower `page_size` or the length of windows",
        ) from None


_decode = msgspec.json.Decoder(float_hook=Decimal).decode
