"""Read tags, lists with their members, and a report with the vendor's client, and print them as JSON.

The client is the package `springserve`, version 0.8.14. It needs modified modules to run on current versions of Python,
so this is a separate program. Arguments: the API's address (v0), the e-mail, the password, and the report as JSON.
"""

from __future__ import annotations

import json
import sys
import time
from types import SimpleNamespace
from typing import Any
from xml.etree import ElementTree as ET

# Its helper `link` imports a module that Python 3.9 removed.
sys.modules["xml.etree.cElementTree"] = ET

import springserve  # type: ignore[import-untyped]  # noqa: E402 - without types; not before the line above
import springserve._reporting as reporting  # type: ignore[import-untyped]  # noqa: E402 - as above

LISTS = (
    *("domain_lists", "app_bundles", "app_names", "advertiser_domain_lists", "ip_lists", "segment_lists"),
    *("channel_id_lists", "deal_id_lists", "placement_id_lists", "publisher_id_lists", "parameter_lists"),
)
COLLECTIONS = (
    *(*LISTS, "connected_demand", "connected_supply", "direct_connections", "programmatic_guaranteed"),
    *("spotx_connects", "accounts", "users"),
)


def joined(frames: list[list[Any]], **_: Any) -> list[Any]:
    """Join pages as `pandas.concat` would."""
    return [row for frame in frames for row in frame]


def main() -> None:
    """Read, and print."""
    url, email, password, report = sys.argv[1:]
    # Pages of a report are pandas data frames; lists are sufficient here.
    reporting.pandas = SimpleNamespace(DataFrame=list, concat=joined)
    # It waits a second between two polls.
    reporting.sleep = lambda _: time.sleep(0.01)
    springserve.set_credentials(email, password, url)
    springserve.set_v1_credentials(email, password, url.replace("v0", "v1"))
    lists = {name: list(getattr(springserve, name).get()) for name in COLLECTIONS}
    members = {name: [row.raw for one in lists[name] for row in one.get_list()] for name in LISTS}
    keys = [key.raw for tag in springserve.demand_tags.get() for key in tag.get_key_value_targeting_keys()]
    # For v1, it iterates over the envelope instead of the rows.
    deals = springserve.clearline_deals.get_raw().json["results"]
    tags = [tag.raw for tag in springserve.supply_tags.get()]
    answer = springserve.reports.run(**json.loads(report))
    pages = answer.raw["total_pages"]
    answer.get_all_pages()
    sys.stdout.write(
        json.dumps(
            {
                "tags": tags,
                "pages": pages,
                "rows": answer.dataframe,
                "lists": {name: [one.id for one in rows] for name, rows in lists.items()},
                "deals": [one["id"] for one in deals],
                "members": {**members, "demand_tag_keys": keys},
            }
        )
        + "\n"
    )


if __name__ == "__main__":
    main()
