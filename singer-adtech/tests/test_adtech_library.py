"""What holds for the whole library: it knows no vendor, and nothing happens at import."""

from __future__ import annotations

import ast
import graphlib
import re
import subprocess
import sys
from pathlib import Path

import pytest
import singer_adtech

FOLDER = Path(str(singer_adtech.__file__)).parent
MODULES = {
    ".".join(("singer_adtech", *path.relative_to(FOLDER).with_suffix("").parts)).removesuffix(".__init__"): path
    for path in sorted(FOLDER.rglob("*.py"))
}
VENDORS = [path.name.removeprefix("tap-") for path in Path(__file__).parents[2].glob("tap-*")]


@pytest.mark.parametrize("module", MODULES)
def test_a_module_knows_no_vendor_and_no_tap(module: str) -> None:
    # given
    source = MODULES[module].read_text()
    # then
    assert [vendor for vendor in VENDORS if vendor in source.lower()] == []
    assert re.findall(r"^\s*(?:from|import)\s+tap_", source, re.MULTILINE) == []


@pytest.mark.parametrize("module", MODULES)
def test_a_module_is_short_and_tested(module: str) -> None:
    assert len(MODULES[module].read_text().splitlines()) <= 400
    tests = {path.name: path.read_text() for path in Path(__file__).parent.glob("*.py")}
    room, _, name = module.rpartition(".")
    imported = rf"from {re.escape(module)} import|from {re.escape(room)} import .*\b{name}\b"
    assert (
        MODULES[module].stem == "__init__"
        or module.startswith("singer_adtech.testing.")  # the taps' tests use it
        or f"test_adtech_{name}.py" in tests
        or any(re.search(imported, test) for test in tests.values())
    )


def test_imports_make_no_circle() -> None:
    # given: which module imports which others, for type hints too
    imported: dict[str, set[str]] = {}
    for module, path in MODULES.items():
        froms = [node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.ImportFrom)]
        names = {name for node in froms for one in node.names for name in (node.module, f"{node.module}.{one.name}")}
        imported[module] = {name for name in names & MODULES.keys() if name is not None} - {module}
    rooms: dict[str, set[str]] = {}
    for module, others in imported.items():
        rooms.setdefault(room_of(module), set()).update({room_of(other) for other in others} - {room_of(module), ""})
    # then: no `CycleError`, neither between modules nor between rooms, and all modules are in the order
    assert {*graphlib.TopologicalSorter(imported).static_order()} == MODULES.keys()
    assert {*graphlib.TopologicalSorter(rooms).static_order()} == rooms.keys()


def room_of(module: str) -> str:
    """Return the room of a module; empty for modules that are in none."""
    parts = module.split(".")[1:]
    return parts[0] if parts and (FOLDER / parts[0]).is_dir() else ""


def test_nothing_happens_at_import() -> None:
    # given: a program that forbids sockets, threads and changes of logging, and imports every module
    program = (
        "import importlib, logging, signal, socket, sys, threading\n"
        "import singer_sdk, requests, pytest\n"
        "events = []\n"
        "sys.addaudithook(lambda event, args: events.append(event))\n"
        "factory, hook = logging.getLogRecordFactory(), sys.excepthook\n"
        "handlers, level = list(logging.root.handlers), logging.root.level\n"
        "term, threads = signal.getsignal(signal.SIGTERM), threading.active_count()\n"
        f"for name in {[*MODULES]!r}: importlib.import_module(name)\n"
        "bad = [event for event in events if event.split('.')[0] in ('socket', 'subprocess')]\n"
        "assert bad == [], bad\n"
        "assert logging.getLogRecordFactory() is factory\n"
        "assert (sys.excepthook, logging.root.handlers, logging.root.level) == (hook, handlers, level)\n"
        "assert (signal.getsignal(signal.SIGTERM), threading.active_count()) == (term, threads)\n"
        "print(len(events) > 0)\n"
    )
    # when
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    # then: the hook did see imports, so it would have seen a socket
    assert (done.stderr, done.stdout) == ("", "True\n")
