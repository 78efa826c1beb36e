"""Settings as text: what a variable means, what is refused, and which names are warned of."""

from __future__ import annotations

from typing import Any

import pytest
from singer_adtech import settings
from singer_adtech.errors import SettingError
from singer_adtech.runs.environment import (
    read_environment,
    read_file_texts,
    read_text,
    unknown_lines,
    unknown_variables,
)
from singer_sdk import typing as th

SCHEMA: dict[str, Any] = th.PropertiesList(
    th.Property("api_key", th.StringType(min_length=1), required=True, secret=True),
    settings.start_date("UTC"),
    settings.end_date("UTC"),
    settings.page_size(100, 1000, "a list"),
    th.Property("types", th.ArrayType(th.StringType(allowed_values=["N", "R"]))),
    th.Property("ids", th.ArrayType(th.IntegerType)),
    th.Property("factor", th.NumberType(minimum=0)),
    th.Property("national_only", th.BooleanType, default=True),
    th.Property("maps", th.CustomType({"type": ["object"]})),
).to_dict()


def read(name: str, text: str) -> dict[str, Any]:
    return read_environment(SCHEMA, "TAP_X_", {f"TAP_X_{name.upper()}": text})


@pytest.mark.parametrize("text", ["true", "TRUE", "1", "yes", "On", " true "])
def test_a_boolean_is_true_in_several_words(text: str) -> None:
    assert read("national_only", text) == {"national_only": True}


@pytest.mark.parametrize("text", ["false", "False", "0", "no", "OFF"])
def test_a_boolean_is_false_in_several_words(text: str) -> None:
    assert read("national_only", text) == {"national_only": False}


@pytest.mark.parametrize("text", ["t", "f", "y", "n", "tru", "2", "-1", "none", "null", "perhaps"])
def test_a_boolean_that_cannot_be_read_is_refused_and_not_false(text: str) -> None:
    with pytest.raises(SettingError) as caught:
        read("national_only", text)
    assert str(caught.value) == f"setting `national_only`: {text!r} is not allowed: a boolean, true or false"


@pytest.mark.parametrize("name", sorted(SCHEMA["properties"]))
@pytest.mark.parametrize("text", ["", " "])
def test_an_empty_variable_is_no_setting(name: str, text: str) -> None:
    assert read(name, text) == {}


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("page_size", " 12 ", 12),
        ("types", '["N", "R"]', ["N", "R"]),
        ("types", "N, R", ["N", "R"]),
        ("types", "[]", []),
        ("ids", "[1, 2]", [1, 2]),
        ("factor", "0.25", 0.25),
        ("factor", "1e2", 100.0),
        ("maps", '{"a": 1}', {"a": 1}),
        ("start_date", " 2024-03-01", " 2024-03-01"),
    ],
)
def test_a_variable_has_the_type_of_its_setting(name: str, text: str, value: Any) -> None:
    assert read(name, text) == {name: value}


@pytest.mark.parametrize(
    ("name", "text", "allowed"),
    [
        ("page_size", "many", "an integer from 1 to 1000"),
        ("page_size", "1_000", "an integer from 1 to 1000"),
        ("page_size", "1.5", "an integer from 1 to 1000"),
        ("page_size", "9" * 5000, "an integer from 1 to 1000"),
        ("factor", "nan", "a number of at least 0"),
        ("factor", "inf", "a number of at least 0"),
        ("factor", "1e999", "a number of at least 0"),
        ("types", "[N", "a list, each item one of N, R, as JSON"),
        ("ids", "1,2", "a list, each item an integer, as JSON"),
        ("maps", "[" * 100_000, "an object, as JSON"),
    ],
)
def test_a_text_that_is_not_of_the_settings_type_is_refused(name: str, text: str, allowed: str) -> None:
    with pytest.raises(SettingError) as caught:
        read(name, text)
    shown = repr(text) if len(text) < len("9" * 80) else f"'{text[:78]}…"
    assert str(caught.value) == f"setting `{name}`: {shown} is not allowed: {allowed}"


def test_a_setting_that_may_be_empty_is_not_unset_by_an_empty_text() -> None:
    schema = {"properties": {"sort": {"type": ["string"], "minLength": 0}, "other": {"type": ["string"]}}}
    assert read_environment(schema, "TAP_X_", {"TAP_X_SORT": "", "TAP_X_OTHER": ""}) == {"sort": ""}
    config = {"sort": "", "other": ""}
    assert (read_file_texts(config, schema), config) == ([], {"sort": ""})


def test_a_secret_is_not_shown() -> None:
    with pytest.raises(SettingError, match="setting `pin`: the value is not allowed: an integer"):
        read_text("pin", "s3cret", {"type": ["integer"], "secret": True})


def test_texts_of_a_file_get_the_type_of_their_setting() -> None:
    # given: as Meltano gives settings of kind `string`, and those that are empty in `.env`
    config = {"api_key": "", "national_only": "no", "page_size": "12", "end_date": "", "types": None, "factor": "x"}
    # when
    problems = read_file_texts(config, SCHEMA)
    # then: of what is required, an empty text stays, so that it is refused as one
    assert config == {"api_key": "", "national_only": False, "page_size": 12}
    assert problems == ["setting `factor`: 'x' is not allowed: a number of at least 0"]


# What `meltano run` gives a tap (Meltano 4.4, `PluginInvoker.env`) in addition to the settings.
MELTANO = (
    *("TAP_X__SELECT", "TAP_X__CATALOG", "TAP_X__LOAD_SCHEMA", "TAP_X__STATE", "TAP_X__METADATA", "TAP_X__SCHEMA"),
    *("TAP_X__SELECT_FILTER", "TAP_X__USE_CACHED_CATALOG", "TAP_X_LOGLEVEL", "TAP_X_MAPS_AIRINGS___ELSE__"),
    *("TAP_X_MAPS_AIRINGS_TITLE", "MELTANO_EXTRACT_NATIONL_ONLY", "MELTANO_EXTRACTOR_NAME", "TAP_XY_PAGE_SIZ"),
    # Of a plugin `tap-x-eu` that inherits from this one.
    *("TAP_X_EU_API_KEY", "TAP_X_EU_START_DATE", "TAP_X_EU__SELECT", "TAP_X_EU_LOGLEVEL"),
)


def test_variables_of_meltano_and_singer_sdk_are_not_warned_of() -> None:
    environ = dict.fromkeys((*MELTANO, *(f"TAP_X_{name.upper()}" for name in SCHEMA["properties"])), "x")
    assert unknown_variables(SCHEMA, "TAP_X_", environ) == []


def test_an_unknown_setting_is_warned_of_with_the_nearest_name_and_without_its_value() -> None:
    # given
    config = {"api_key": "k", "national_onli": "s3cret", "zzz": 1, "batch_config": {}}
    environ = {
        "TAP_X_PAGE_SIZ": "s3cret",
        "TAP_X_QQQQQQ": "",
        # Meltano gives an undeclared setting in both ways, and its members too.
        "TAP_X_NATIONAL_ONLI": "x",
        "TAP_X_ZZZ": "1",
        "TAP_X_ZZZ_A": "1",
    }
    # then
    assert list(unknown_lines(SCHEMA, "TAP_X_", config, environ)) == [
        "setting `national_onli` is unknown and ignored: did you mean `national_only`?",
        "setting `zzz` is unknown and ignored: see `--about` for the settings",
        "variable `TAP_X_PAGE_SIZ` does not belong to a setting and is ignored: did you mean `TAP_X_PAGE_SIZE`?",
        "variable `TAP_X_QQQQQQ` does not belong to a setting and is ignored: see `--about` for the settings",
    ]
