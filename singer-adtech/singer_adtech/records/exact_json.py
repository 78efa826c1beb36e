"""JSON with exact numbers: no value passes through a float."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import msgspec

from singer_adtech.errors import DataError
from singer_adtech.http.bodies import quote_long_integers


def exact_json(body: bytes) -> Any:
    """Decode JSON with numbers as the vendor wrote them.

    Args:
        body: UTF-8 JSON.

    Returns:
        Numbers with a point or an exponent are `decimal.Decimal`, integers are `int`; those of more digits than Python
        reads are texts, which fit no number column.

    Raises:
        msgspec.DecodeError: The body is not JSON, or breaks off.
        UnicodeDecodeError: It is not in UTF-8.
        DataError: It cannot be held: it is nested too deep, or there is not enough memory.
    """
    try:
        return _decode(body)
    except msgspec.ValidationError:
        # Nothing else is validated here: any type is welcome.
        return _decode(quote_long_integers(body))
    except RecursionError:
        raise DataError("the response is nested too deep to be read", "report this to the vendor") from None
    except MemoryError:
        raise DataError(
            f"there is not enough memory to read a response of {len(body) / 1e6:,.0f} MB",
            "request less at a time: lower `page_size` or the length of windows",
        ) from None


_decode = msgspec.json.Decoder(float_hook=Decimal).decode
