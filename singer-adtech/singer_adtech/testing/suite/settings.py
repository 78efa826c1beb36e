"""Tests of each setting, with values derived from its JSON schema."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from singer_adtech.testing.runs import TapRunner, tap_runner
from singer_adtech.testing.suite.base import SuiteBase

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

WRONG_TYPES: Mapping[str, Any] = {
    "string": ["wrong"],
    "boolean": "perhaps",
    "integer": "many",
    "number": "many",
    "array": "wrong",
    "object": "wrong",
}
BAD_ADDRESSES = {
    "ftp://api.vendor.example": "https",
    "https://me:secret-word@api.vendor.example": "user information",
    "https://api.vendor.example/?key=secret-word": "query",
    "http://api.vendor.example": "unencrypted",
}


def json_type(declared: Mapping[str, Any]) -> str:
    """Return the JSON type of a setting, apart from null."""
    types = declared["type"]
    return next(one for one in ([types] if isinstance(types, str) else types) if one != "null")


def bad_values(name: str, declared: Mapping[str, Any], *, required: bool) -> list[tuple[Any, list[str]]]:
    """Return values that a setting must refuse, each with text that the error must contain."""
    kind = json_type(declared)
    cases: list[tuple[Any, list[str]]] = [(WRONG_TYPES[kind], [])]
    limits = [str(declared[one]) for one in ("minimum", "maximum") if one in declared]
    if "minimum" in declared:
        cases.append((declared["minimum"] - 1, limits))
    if "maximum" in declared:
        cases.append((declared["maximum"] + 1, limits))
    if "enum" in declared:
        cases.append(("no-such-choice", [str(one) for one in declared["enum"]]))
    # An optional setting without a value is left out.
    if declared.get("minLength") == 1 and required:
        cases.append(("", []))
    if name in {"start_date", "end_date"}:
        cases += [("soon", ["'soon'"]), ("2024-13-01", ["'2024-13-01'"]), ("2025-02-30", ["'2025-02-30'"])]
    if name == "time_zone":
        cases.append(("Mars/Base", ["'Mars/Base' is not a time zone", "`Europe/Berlin`"]))
    if name == "api_url":
        cases += [(address, [words]) for address, words in BAD_ADDRESSES.items()]
    return cases


class SettingTests(SuiteBase):
    """Tests that run once for each setting of the tap."""

    @pytest.fixture
    def run_tap(self, monkeypatch: pytest.MonkeyPatch) -> Iterator[TapRunner]:
        """Run the tap in this process."""
        with tap_runner(self.tap_class, self.now, monkeypatch) as runner:
            yield runner

    def test_a_bad_value_is_refused_in_one_line_before_the_first_request(
        self, run_tap: TapRunner, simulate: Callable[[Any], Any], setting: str
    ) -> None:
        # given
        vendor = simulate(self.vendor())
        declared = self.own_settings()[setting]
        for value, words in bad_values(
            setting, declared, required=setting in self.tap_class.config_jsonschema["required"]
        ):
            # when
            run = run_tap({**vendor.settings(), setting: value}, fails=True)
            # then
            assert f"setting `{setting}" in run.error
            assert "is not a" in run.error
            assert [one for one in words if one not in run.error] == []
            assert "\n" not in run.error
            assert run.output == ""
            if declared.get("secret"):
                assert "wrong" not in run.error
            assert "secret-word" not in run.error
        assert len(vendor.journal) == 0

    def test_a_required_setting_is_named_if_it_is_missing(
        self, run_tap: TapRunner, simulate: Callable[[Any], Any]
    ) -> None:
        vendor = simulate(self.vendor())
        for name in self.tap_class.config_jsonschema["required"]:
            config = {key: value for key, value in vendor.settings().items() if key != name}
            variable = f"{self.tap_class.name}_{name}".replace("-", "_").upper()
            remedy = f"set it, with Meltano as `{variable}` in .env"
            assert run_tap(config, fails=True).error == f"setting `{name}` is missing: {remedy}"
        assert len(vendor.journal) == 0

    def test_several_bad_values_are_all_named(self, run_tap: TapRunner, simulate: Callable[[Any], Any]) -> None:
        vendor = simulate(self.vendor())
        run = run_tap({**vendor.settings(), "parallel_requests": 0, "request_timeout": 0}, fails=True)
        assert sorted(one.partition(":")[0] for one in run.error.split("; ")) == [
            "setting `parallel_requests`",
            "setting `request_timeout`",
        ]

    def test_a_last_day_before_the_first_is_refused(self, run_tap: TapRunner, simulate: Callable[[Any], Any]) -> None:
        vendor = simulate(self.vendor())
        run = run_tap({**vendor.settings(), "start_date": "2024-03-08", "end_date": "2024-03-07"}, fails=True)
        assert run.error.startswith("setting `end_date`: '2024-03-07' is before `start_date` '2024-03-08': ")
        assert len(vendor.journal) == 0

    def test_limits_and_null_are_allowed(self, simulate: Callable[[Any], Any], setting: str) -> None:
        # given
        settings = simulate(self.vendor()).settings()
        declared = self.own_settings()[setting]
        # then
        for limit in ("minimum", "maximum"):
            if limit in declared:
                tap = self.tap_class(config={**settings, setting: declared[limit]})
                assert tap.config[setting] == declared[limit]
        if setting not in settings:
            tap = self.tap_class(config={**settings, setting: None})
            assert tap.config.get(setting) == declared.get("default")

    def test_a_setting_is_described(self, setting: str) -> None:
        declared = self.own_settings()[setting]
        assert len(declared["description"]) > 10
        assert "default" not in declared or setting not in self.tap_class.config_jsonschema["required"]

    def test_credentials_are_secret(self) -> None:
        assert {name for name in self.wrong_credentials if self.own_settings()[name].get("secret")} == set(
            self.wrong_credentials
        )

    def test_a_slash_at_the_end_of_the_address_is_dropped(
        self, run_tap: TapRunner, simulate: Callable[[Any], Any]
    ) -> None:
        vendor = simulate(self.vendor())
        run_tap({**vendor.settings(), "api_url": f"{vendor.api_url}/"}, test=True)
        assert [request.target for request in vendor.journal if "//" in request.path] == []
        assert len(vendor.journal) > 0
