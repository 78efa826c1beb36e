"""dlt with its rest_api source, as its documentation shows it; nested rows become columns of one table."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import dlt
import requests
from dlt.sources.rest_api import rest_api_source

if TYPE_CHECKING:
    from dlt.sources.rest_api.typing import RESTAPIConfig


def main(config: dict[str, Any]) -> None:
    """Load all pages."""
    url = config["api_url"]
    token = requests.post(f"{url}/oauth2/token", data=config["login"], timeout=300).json()["access_token"]
    source: RESTAPIConfig = {
        "client": {
            "base_url": url,
            "auth": {"type": "bearer", "token": token},
            "paginator": {
                "type": "page_number",
                "base_page": 1,
                "page_param": "page[number]",
                "total_path": "meta.pagination.total_pages",
            },
        },
        "resources": [
            {
                "name": "audience_airings",
                "primary_key": "airing__data__id",
                "endpoint": {
                    "path": "metrics/audience/airings",
                    "data_selector": "data",
                    "params": {
                        "filter[start_date]": config["start_date"],
                        "filter[end_date]": config["end_date"],
                        "page[size]": config["page_size"],
                    },
                },
            }
        ],
    }
    pipeline = dlt.pipeline(
        "benchmark",
        pipelines_dir=config["folder"],
        dataset_name="airings",
        destination=dlt.destinations.filesystem(config["destination"]),
    )
    pipeline.run(rest_api_source(source), loader_file_format="jsonl").raise_on_failed_jobs()


if __name__ == "__main__":
    main(json.loads(Path(sys.argv[1]).read_text()))
