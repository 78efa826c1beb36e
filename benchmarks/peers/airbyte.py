"""Airbyte's low-code CDK: a declarative manifest; its RECORD messages have the nested rows as sent."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from airbyte_cdk.entrypoint import launch
from airbyte_cdk.sources.declarative.concurrent_declarative_source import ConcurrentDeclarativeSource


def manifest(config: dict[str, Any]) -> dict[str, Any]:
    """Return the connector's manifest."""
    requester = {
        "type": "HttpRequester",
        "url_base": config["api_url"],
        "path": "/metrics/audience/airings",
        "http_method": "GET",
        "authenticator": {
            "type": "OAuthAuthenticator",
            "token_refresh_endpoint": f"{config['api_url']}/oauth2/token",
            "client_id": config["login"]["client_id"],
            "client_secret": config["login"]["client_secret"],
            "grant_type": "client_credentials",
        },
        "request_parameters": {
            "filter[start_date]": config["start_date"],
            "filter[end_date]": config["end_date"],
        },
    }
    paginator = {
        "type": "DefaultPaginator",
        "page_token_option": {
            "type": "RequestOption",
            "inject_into": "request_parameter",
            "field_name": "page[number]",
        },
        "page_size_option": {"type": "RequestOption", "inject_into": "request_parameter", "field_name": "page[size]"},
        "pagination_strategy": {
            "type": "PageIncrement",
            "page_size": config["page_size"],
            "start_from_page": 1,
            "inject_on_first_request": True,
        },
    }
    stream = {
        "type": "DeclarativeStream",
        "name": "audience_airings",
        "primary_key": ["airing"],
        "schema_loader": {"type": "InlineSchemaLoader", "schema": {"type": "object", "properties": {}}},
        "retriever": {
            "type": "SimpleRetriever",
            "requester": requester,
            "record_selector": {
                "type": "RecordSelector",
                "extractor": {"type": "DpathExtractor", "field_path": ["data"]},
            },
            "paginator": paginator,
        },
    }
    return {
        "version": "6.0.0",
        "type": "DeclarativeSource",
        "check": {"type": "CheckStream", "stream_names": ["audience_airings"]},
        "streams": [stream],
        "spec": {
            "type": "Spec",
            "connection_specification": {"type": "object", "properties": {}, "additionalProperties": True},
        },
    }


def main(config: dict[str, Any]) -> None:
    """Read the stream."""
    folder = Path(config["folder"])
    catalog = {
        "streams": [
            {
                "stream": {
                    "name": "audience_airings",
                    "json_schema": {},
                    "supported_sync_modes": ["full_refresh"],
                },
                "sync_mode": "full_refresh",
                "destination_sync_mode": "overwrite",
            }
        ]
    }
    (folder / "catalog.json").write_text(json.dumps(catalog))
    (folder / "airbyte.json").write_text("{}")
    source = ConcurrentDeclarativeSource(catalog=None, config={}, state=None, source_config=manifest(config))
    launch(
        source,
        ["read", "--config", str(folder / "airbyte.json"), "--catalog", str(folder / "catalog.json")],
    )


if __name__ == "__main__":
    main(json.loads(Path(sys.argv[1]).read_text()))
