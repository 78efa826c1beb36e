"""What `make sync-all` takes for a vendor that is set up, half set up, or not used."""

from __future__ import annotations

import importlib
from typing import Any

import pytest
from sync_all import ALWAYS, CREDENTIALS, lacking


@pytest.mark.parametrize(
    ("tap", "settings", "missing"),
    [
        ("tap-adspect", {"api_key": "k", "start_date": "2024-01-01"}, ("", False)),
        ("tap-adspect", {"api_key": "", "start_date": "2024-01-01"}, ("api_key", False)),
        ("tap-adspect", {"api_key": None, "start_date": None}, ("api_key, start_date", False)),
        ("tap-adspect", {"api_key": "k", "start_date": ""}, ("start_date", True)),
        ("tap-ispot", {"client_id": "a", "start_date": "2024-01-01"}, ("client_secret", True)),
        ("tap-springserve", {"start_date": "2024-01-01"}, ("email, password (or auth_token)", False)),
        ("tap-springserve", {"auth_token": "t", "start_date": "2024-01-01"}, ("", False)),
        ("tap-springserve", {"email": "e", "auth_token": "t", "start_date": "2024-01-01"}, ("", False)),
        ("tap-springserve", {"email": "e", "start_date": "2024-01-01"}, ("password", True)),
        ("tap-of-somebody", {}, ("", False)),
    ],
)
def test_what_a_tap_lacks(tap: str, settings: dict[str, Any], missing: tuple[str, bool]) -> None:
    assert lacking(tap, settings) == missing


@pytest.mark.parametrize("tap", CREDENTIALS)
def test_credentials_are_those_of_the_taps(tap: str) -> None:
    # given what a tap itself calls required and secret
    module = importlib.import_module(f"{tap.replace('-', '_')}.tap")
    (tap_class,) = [value for name, value in vars(module).items() if getattr(value, "name", None) == tap]
    schema = tap_class.config_jsonschema
    # then the first group and what is always needed are what is required, and there is a secret in each group
    assert {*ALWAYS} <= {*schema["required"]} <= {*ALWAYS, *CREDENTIALS[tap][0]}
    for group in CREDENTIALS[tap]:
        assert any(schema["properties"][name].get("secret") for name in group)
