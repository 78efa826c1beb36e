"""`make new-tap`: a tap from the template passes lint, types, generation and its tests, and reads its simulator."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import sysconfig
from collections import Counter
from pathlib import Path

import pytest
import yaml
from singer_adtech.testing import read_messages

pytestmark = pytest.mark.meltano

ROOT = Path(__file__).resolve().parent.parent
UV = str(Path(sys.executable).with_name("uv"))
# Imports of `acme` come before those of `faults`, unlike in the template.
NEW = ("tap-acme", "simulators/vendor_simulators/acme", "simulators/tests/test_simulators_acme.py")
TESTS = ("tap-acme/tests", NEW[2], "simulators/tests/test_simulators_cli.py")
PYTEST = ("-m", "pytest", "-q", "-n0", "-p", "no:cacheprovider")
CHECKED = ("repository_project", "reads_page", "taps_start", "hub", "orchestration_page")
REPOSITORY_TESTS = [f"tests/test_{name}.py" for name in CHECKED]


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """Copy this checkout, with an environment on top of the present one."""
    folder = tmp_path / "copy"
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout.split("\0")
    for name in filter(None, listed):
        if (ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, folder / name)
    (folder / ".venvs").mkdir()
    (folder / ".venvs" / "template").symlink_to(ROOT / ".venvs" / "template")
    subprocess.run([UV, "venv", "--quiet", "--python", sys.executable, folder / ".venv"], check=True)
    (packages,) = (folder / ".venv").glob("lib/*/site-packages")
    below = f"import site; site.addsitedir({sysconfig.get_path('purelib')!r})\n"
    # Read after the packages of the copy.
    (packages / "zz_below.pth").write_text(below)
    return folder


def python(copy: Path, *arguments: str) -> subprocess.Popen[str]:
    """Start Python in the copy."""
    return subprocess.Popen(
        [copy / ".venv" / "bin" / "python", *arguments],
        cwd=copy,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def test_a_tap_made_from_the_template_is_complete(copy: Path) -> None:
    # given a sixth tap, installed
    made = python(copy, "scripts/new_tap.py", "tap-acme", "--label", "Acme Ads")
    assert (made.communicate()[0], made.returncode) == ("", 0)
    install = [UV, "pip", "install", "--quiet", "--no-config", "--no-deps", "--python", ".venv/bin/python"]
    subprocess.run([*install, "-e", "tap-acme", "-e", "simulators"], cwd=copy, check=True)
    generated = python(copy, "scripts/generate.py")
    assert (generated.communicate()[0], generated.returncode) == ("", 0)
    # when
    runs = {
        "lint": python(copy, "-m", "ruff", "check", "--no-cache", "."),
        "format": python(copy, "-m", "ruff", "format", "--no-cache", "--check", "."),
        "types": python(copy, "-m", "mypy", "tap-acme/tap_acme", "tap-acme/tests", *NEW[1:], "scripts/new_tap.py"),
        "tests": python(copy, *PYTEST, *TESTS),
        "repository": python(copy, *PYTEST, "-m", "not meltano", "-k", "acme or not tap", *REPOSITORY_TESTS),
        "generate": python(copy, "scripts/generate.py", "--check"),
    }
    outputs = {name: run.communicate()[0] for name, run in runs.items()}
    # then
    assert {name: outputs[name] for name, run in runs.items() if run.returncode != 0} == {}
    # and the definition is that of a tap, and the tap is last in each list of the project
    lock = json.loads((copy / "plugins" / "extractors" / "tap-acme--adtech.lock").read_text())
    project = yaml.safe_load((copy / "meltano.yml").read_text())
    assert (lock["label"], lock["settings_group_validation"]) == ("Acme Ads", [["api_token", "start_date"]])
    assert project["plugins"]["extractors"][-1] == {
        "name": "tap-acme",
        "variant": "adtech",
        "pip_url": project["plugins"]["extractors"][0]["pip_url"].replace("tap-ispot", "tap-acme"),
        "load_schema": "tap_acme",
        "select": ["*.*"],
    }
    # and the tap reads its simulator
    vendor = ("-m", "vendor_simulators", "acme", "--days", "3", "--last-day", "2024-03-03", "--rows-per-day", "20")
    with python(copy, *vendor, "--port-file", "simulator.json") as simulator:
        assert simulator.stdout is not None
        assert simulator.stdout.readline().startswith("acme ready http://127.0.0.1:")
        settings = json.loads((copy / "simulator.json").read_text())["settings"]
        (copy / "config.json").write_text(json.dumps({**settings, "end_date": "2024-03-03"}))
        command = [str(copy / ".venv" / "bin" / "tap-acme"), "--config", str(copy / "config.json")]
        read = subprocess.run(command, capture_output=True, text=True, check=False)
        simulator.terminate()
    assert read.returncode == 0, read.stderr
    messages = read_messages(read.stdout)
    assert Counter(one["stream"] for one in messages if one["type"] == "RECORD") == {
        "campaigns": 20,
        "campaigns_daily": 3 * 18,
    }
    bookmark = messages[-1]["value"]["bookmarks"]["campaigns_daily"]["replication_key_value"]
    assert (messages[-1]["type"], bookmark) == ("STATE", "2024-03-04")
