"""Random messages, schemas and settings: each input loads or ends with one line, never with a traceback or a crash.

The seed of case n is n, so every run has the same cases. `FUZZ_CASES=5000` runs that many instead of 300.
`python test_target_duckdb_arrow_fuzz.py 17 1` runs only case 17 and prints its result. Cases run in separate
processes, so that a segmentation fault is attributed to its case.
"""

from __future__ import annotations

import contextlib
import io
import json
import logging
import os
import random
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

import duckdb
import pytest
from target_duckdb_arrow.sdk import ConfigInput
from target_duckdb_arrow.target import TargetDuckDBArrow

if TYPE_CHECKING:
    from collections.abc import Callable

CASES = int(os.environ.get("FUZZ_CASES", "300"))
PROCESSES = 2

NUMBERS = [
    *("0", "-0", "1", "-1", "1.5", "-0.0", "1e3", "1E-7", "0.1", "123456789012345678901234567890", "9" * 38, "9" * 39),
    *(str(2**63), str(-(2**127)), str(2**127), "9" * 5000, "0." + "9" * 40, "1." + "0" * 60, "0e999999999"),
    *("1e-999999999", "1e999999999", "1e99999999999999999999", "-1e-99999999999999999999", "8.37e-70", "5e-324"),
    *("1e308", "1.7976931348623157e308", "1e309", "1e38", "1e-38", "1e-39", "NaN", "Infinity", "-", "01", "1.", ".5"),
]
STRINGS = [
    *("", " ", "a", "null", "true", "5", "1e5", "2024-01-01", "2024-02-30", "2024-01-01T00:00:00Z", "0000-01-01", "é"),
    *(
        "2024-01-01T00:00:00.123456789+14:00",
        "9999-12-31T23:59:60Z",
        "1e-999999999",
        "\x00",
        "😀",
        "x" * 70_000,
        "'; --",
    ),
]
ESCAPED = [r'"\ud83d"', r'"\udc00\ud800"', r'"\u0000"', r'"\q"', '"\xff"', '"unfinished', '"\t"']
TYPES = ["string", "integer", "number", "boolean", "object", "array", "null", "", "decimal", "any"]
FORMATS = ["date-time", "date", "time", "uri", "singer.decimal", "x-singer.decimal", "", "?"]
NAMES = [
    "id",
    "x",
    "ID",
    "_sdc_deleted_at",
    "_sdc_table_version",
    "a b",
    'q"',
    "",
    "rowid",
    "c0",
    "é",
    "x" * 300,
    "a__b",
]
STREAMS = [
    "s",
    "t",
    "S",
    "a-b",
    "main-s",
    "",
    "-",
    "information_schema-s",
    "x" * 300,
    "s__target_duckdb_arrow_new",
    "a\x00",
]
MESSAGES = ["SCHEMA", "RECORD", "STATE", "ACTIVATE_VERSION", "BATCH", "", "schema", "SPAM"]
SETTINGS: dict[str, list[object]] = {
    "load_method": ["upsert", "append-only", "overwrite", "replace", 5],
    "default_target_schema": ["main", "x", "", "pg_catalog", "a.b", 'q"', "\x00", 5],
    "add_record_metadata": [True, False, "yes"],
    "hard_delete": [True, False],
    "batch_size_rows": [1, 2, 3, 0, -1, "7", 2**70, None],
    "max_batch_bytes": [1, 1000, 0, 1.5],
    "lock_timeout": [1, 2, -1, "x"],
    "validate_records": [True, False, None],
    "process_activate_version_messages": [True, False],
    "overwrite_without_state": [True, False],
    "flattening_enabled": [True, False, 1],
    "flattening_max_depth": [1, 2, 0, -1, 10**6, "x"],
    "flattening_separator": ["__", ".", "", 5],
    "flattening_max_key_length": [255, 20, 0, 1],
    "stream_maps": [
        *(
            {"s": {"y": "int(id)"}},
            {"s": {"__alias__": "t"}},
            {},
            None,
            5,
            {"s": None},
            {"s": {"x": None}},
            {"s": {"y": "id + 1"}},
            {"s": {"y": "int(id)"}},
            {"*": {}},
        ),
        *(
            {"s": {"__alias__": "t"}},
            {"s": {"__filter__": "x > 1"}},
            {"s": {"__key_properties__": ["x"]}},
            {"s": "__NULL__"},
        ),
        *(
            {"__else__": None},
            {"__else__": "x"},
            {"t": {"__source__": "s"}},
            {"s": {"y": "x[0]["}},
            {"s": {"y": "1 / 0"}},
        ),
        *({"s": {"y": "'a' * 10"}}, {"s": {"x": "str(x)"}}, {"s": {"id": "float('nan')"}}, {"s": {"__else__": None}}),
    ],
    "stream_map_config": [{}, {"a": 1}, 5],
    "faker_config": [{}, {"seed": 1}, 5],
    "unknown": [1],
}


class Cases:
    """Generates the case of a seed: settings, and the bytes of an input."""

    def __init__(self, seed: int) -> None:
        self._chance = random.Random(seed)  # noqa: S311 - no secret
        # Some inputs are valid except for a detail, others are wild.
        self._wild = self._chance.choice([0.0, 0.0, 0.002, 0.01, 0.1])
        self._properties: dict[str, str] = {}

    def _odd(self) -> bool:
        return self._chance.random() < self._wild

    def settings(self) -> dict[str, object]:
        """Draw some settings."""
        names = [name for name in SETTINGS if self._chance.random() < 0.12]
        wrong = self._chance.random() < 0.15
        drawn = {name: self._chance.choice(SETTINGS[name] if wrong else SETTINGS[name][:2]) for name in names}
        return drawn if wrong or not drawn.get("flattening_enabled") else {"flattening_max_depth": 1, **drawn}

    def text(self) -> bytes:
        """Write the lines of an input."""
        lines = [] if self._odd() else [self._schema("s")]
        lines += [self._message() for _ in range(self._chance.randrange(1, 25))]
        ending = "\r\n" if self._odd() else "\n"
        data = (ending.join(lines) + ending).encode("latin-1", "replace") if self._odd() else None
        data = data or (ending.join(lines) + ending).encode()
        return self._damage(data) if self._chance.random() < self._wild * 2 else data

    def _damage(self, data: bytes) -> bytes:
        for _ in range(self._chance.randrange(1, 4)):
            at = self._chance.randrange(len(data) + 1)
            length = self._chance.randrange(1, 40)
            junk = self._chance.choice(
                [b"", b"\xff", b"\x00", b"\xef\xbb\xbf", b"{", b"]", b'"', b"\n", b"1e9", os.linesep.encode()]
            )
            data = data[:at] + junk * self._chance.choice([1, 1, 3]) + data[at + self._chance.choice([0, 1, length]) :]
        return data

    def _message(self) -> str:
        kind = (
            self._chance.choice(MESSAGES)
            if self._odd()
            else self._chance.choice(["RECORD"] * 12 + ["STATE", "STATE", "SCHEMA"])
        )
        stream = self._chance.choice(STREAMS) if self._odd() else "s"
        if self._chance.random() < 0.05:
            kind = "ACTIVATE_VERSION"
        if kind == "SCHEMA":
            return self._schema(stream)
        fields = {"type": json.dumps(kind), "stream": json.dumps(stream)}
        if kind == "RECORD":
            fields["record"] = self._value(2) if self._odd() else self._record()
        if kind == "STATE":
            fields["value"] = self._value(2) if self._odd() else self._state()
        if kind == "ACTIVATE_VERSION" or self._chance.random() < 0.2:
            fields["version"] = self._chance.choice(NUMBERS) if self._odd() else str(self._chance.randrange(5))
        if self._odd():
            fields.pop(self._chance.choice(sorted(fields)))
        if self._odd():
            fields[self._chance.choice(["type", "stream", "record", "value", "extra", "time_extracted"])] = self._value(
                1
            )
        return "{" + ", ".join(f'"{name}": {value}' for name, value in fields.items()) + "}"

    def _state(self) -> str:
        return self._chance.choice(
            [
                "{}",
                '{"n": 1}',
                '{"bookmarks": {"s": {"replication_key_value": 5}}}',
                '{"bookmarks": {"s": {}}, "currently_syncing": null}',
                '{"bookmarks": [1]}',
                '{"bookmarks": {"s": {"partitions": [{"replication_key_value": 1}, 5]}}}',
            ]
        )

    def _schema(self, stream: str) -> str:
        names = ["id", *self._chance.sample(NAMES if self._odd() else NAMES[1:2] + NAMES[3:6], 2)]
        self._properties = {name: self._definition(3) for name in dict.fromkeys(names)}
        if not self._odd():
            self._properties["id"] = '{"type": "integer"}'
        properties = ", ".join(f"{json.dumps(name)}: {one}" for name, one in self._properties.items())
        keys = (
            '["id"]'
            if not self._odd()
            else self._chance.choice(["[]", "null", '["none"]', '[""]', "5", '["x", "x"]', "[5]"])
        )
        schema = f'{{"type": "object", "properties": {{{properties}}}}}'
        if self._odd():
            schema = self._value(2)
        return f'{{"type": "SCHEMA", "stream": {json.dumps(stream)}, "schema": {schema}, "key_properties": {keys}}}'

    def _definition(self, depth: int) -> str:
        if self._odd():
            return self._value(1)
        parts = {}
        kind = self._chance.random()
        if kind < 0.15 and depth:
            branches = ", ".join(self._definition(depth - 1) for _ in range(self._chance.randrange(3)))
            parts[self._chance.choice(["anyOf", "oneOf", "allOf"])] = f"[{branches}]"
        if kind > 0.1:
            count = self._chance.choice([1, 1, 2, 3])
            types = [self._chance.choice(TYPES if self._odd() else TYPES[:7]) for _ in range(count)]
            parts["type"] = json.dumps(types if count > 1 or self._chance.random() < 0.3 else types[0])
            if self._odd():
                parts["type"] = self._chance.choice(
                    ['[{"type": "integer"}]', "5", "[]", "null", "{}", "[null]", "[[]]"]
                )
        if self._chance.random() < 0.3:
            parts["format"] = json.dumps(self._chance.choice(FORMATS)) if not self._odd() else self._value(1)
        if depth and self._chance.random() < 0.3:
            parts["items"] = self._definition(depth - 1)
        if depth and self._chance.random() < 0.3:
            names = self._chance.sample(NAMES, 2)
            inner = ", ".join(f"{json.dumps(name)}: {self._definition(depth - 1)}" for name in names)
            parts["properties"] = f"{{{inner}}}"
        if self._odd():
            rule = self._chance.choice(
                ["multipleOf", "maximum", "minLength", "enum", "default", "$ref", "pattern", "required"]
            )
            parts[rule] = self._chance.choice([self._value(1), *NUMBERS])
        return "{" + ", ".join(f'"{name}": {value}' for name, value in parts.items()) + "}"

    def _record(self) -> str:
        fields = {"id": str(self._chance.randrange(6)) if not self._odd() else self._value(1)}
        for name, definition in self._properties.items():
            if name != "id" and self._chance.random() < 0.8:
                fields[name] = self._value(2) if self._odd() else self._fitting(definition)
        if self._odd():
            fields[self._chance.choice(NAMES)] = self._value(2)
        return "{" + ", ".join(f"{json.dumps(name)}: {value}" for name, value in fields.items()) + "}"

    def _fitting(self, definition: str) -> str:
        """Write a value that probably matches a definition."""
        kinds = [kind for kind in TYPES[:6] if f'"{kind}"' in definition]
        kind = self._chance.choice(kinds) if len(kinds) == 1 else "any"
        if "date" in definition:
            return self._chance.choice(['"2024-01-01"', "null", '"2024-01-01T00:00:00Z"'])
        if "decimal" in definition:
            return self._chance.choice(['"1.5"', "null", "2.50", '"1e-70"'])
        return {
            "string": json.dumps(self._chance.choice(STRINGS)),
            "integer": self._chance.choice(["5", "null", str(2**70), "1.0", "0e999999999"]),
            "number": self._chance.choice(["5", "0.30000000000000004", "null", "-0.0", "8.37e-70", "5e-324", "1e308"]),
            "boolean": self._chance.choice(["true", "false", "null"]),
            "array": "null",
        }.get(kind, self._value(2))

    def _value(self, depth: int) -> str:
        kind = self._chance.randrange(9 if depth else 6)
        if kind < 2:
            return self._chance.choice(NUMBERS if self._chance.random() < 0.5 or self._odd() else NUMBERS[:9])
        if kind < 4:
            return json.dumps(self._chance.choice(STRINGS))
        if kind == 4 and self._odd():
            return self._chance.choice([*ESCAPED, "[" * 3000, "[" * 1500 + "]" * 1500, '{"a":' * 400 + "1" + "}" * 400])
        if kind < 6:
            return self._chance.choice(["true", "false", "null"])
        inner = [self._value(depth - 1) for _ in range(self._chance.randrange(4))]
        if kind < 8:
            return f"[{', '.join(inner)}]"
        return "{" + ", ".join(f"{json.dumps(self._chance.choice(NAMES))}: {one}" for one in inner) + "}"


def outcome(seed: int, folder: Path) -> str:
    """Run a case. Return 'ok', 'refused', or a description of a wrong end."""
    case = Cases(seed)
    path = folder / f"{seed}.duckdb"
    lines: list[logging.LogRecord] = []
    handler = logging.Handler()
    handler.emit = lines.append  # type: ignore[method-assign, assignment]
    logging.getLogger().addHandler(handler)
    TargetDuckDBArrow.config_jsonschema["properties"].setdefault("filepath", {})
    config = {"filepath": str(path), "lock_timeout": 1, **case.settings()}
    code: object = 0
    out = io.StringIO()
    try:
        with contextlib.redirect_stdout(out):
            TargetDuckDBArrow.invoke(
                config=ConfigInput(config=config),
                file_input=io.BytesIO(case.text()),  # type: ignore[arg-type]  # as standard input's buffer
            )
    except SystemExit as end:
        code = end.code
        if isinstance(code, int) and code > 2:  # a signal ends the whole run
            raise
    finally:
        logging.getLogger().removeHandler(handler)
    errors = [one.getMessage() for one in lines if one.levelno >= logging.ERROR]
    if path.exists():
        duckdb.connect(str(path)).close()
    path.unlink(missing_ok=True)
    if code == 0 and not errors:
        return "ok"
    whole = code == 1 and len(errors) == 1 and "\n" not in errors[0] and len(errors[0]) < 1500
    known = whole and "Unexpected" not in errors[0] and "disk" not in errors[0]
    return "refused" if known else f"exit {code}: {errors}"


def _report(seed: int, result: str) -> None:
    sys.stdout.write(json.dumps([seed, result]) + "\n")
    sys.stdout.flush()


def main(first: int, count: int) -> None:
    """Run cases, and print a line of JSON before and after each."""
    logging.disable(logging.INFO)
    with tempfile.TemporaryDirectory() as folder:
        for seed in range(first, first + count):
            _report(seed, "begun")
            try:
                result = outcome(seed, Path(folder))
            except Exception as error:  # noqa: BLE001 - a traceback, which the test reports
                result = f"{type(error).__name__}: {error}"
            _report(seed, result)


def run_cases(first: int, count: int) -> dict[int, str]:
    """Run cases in a process. A case that has begun and not ended has ended the process."""
    results: dict[int, str] = {}
    while first + len(results) < first + count:
        start = first + len(results)
        process = subprocess.run(
            [sys.executable, __file__, str(start), str(first + count - start)],
            check=False,
            capture_output=True,
            text=True,
        )
        for line in process.stdout.splitlines():
            seed, result = json.loads(line)
            results[seed] = result
        if process.returncode:
            results[max(results)] = f"the process ended with {process.returncode}"
        elif start == first + len(results):
            break
    return results


def test_random_input_and_settings_never_end_in_a_traceback_or_a_crash(
    record_property: Callable[[str, object], None],
) -> None:
    # given / when
    share = -(-CASES // PROCESSES)
    with ThreadPoolExecutor(PROCESSES) as pool:
        parts = list(pool.map(lambda index: run_cases(index * share, share), range(PROCESSES)))
    results = {seed: result for part in parts for seed, result in part.items()}

    # then
    counts = {kind: sum(result == kind for result in results.values()) for kind in ("ok", "refused")}
    record_property("cases", counts)
    assert {seed: result for seed, result in results.items() if result not in counts} == {}
    assert sum(counts.values()) == share * PROCESSES
    # and both outcomes are frequent
    assert min(counts.values()) > CASES / 20


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
else:
    pytest.importorskip("duckdb")
