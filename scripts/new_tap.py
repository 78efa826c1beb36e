"""Make a tap from `template/`: its package, its simulator, tests, and its entries in shared files.

    make new-tap NAME=tap-lumen [LABEL="Lumen Ads"] [API_URL=https://api.lumen.example/v1] [DOCS_URL=...]

`make new-tap` then installs it and generates the other files, as `make generate` does.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hub_files import REPOSITORY
from meltano.core import yaml
from user_errors import BAD_INPUT, Parser

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable

ROOT = Path(__file__).resolve().parent.parent
COPIER = ROOT / ".venvs" / "template" / "bin" / "copier"


def insert(path: str, part: str, find: Callable[[list[str]], int]) -> None:
    """Insert lines into a file.

    Args:
        path: The file, relative to the root.
        part: The lines.
        find: Returns the index of the line before which it is inserted.
    """
    lines = (ROOT / path).read_text(encoding="utf-8").splitlines(keepends=True)
    lines.insert(find(lines), part)
    (ROOT / path).write_text("".join(lines), encoding="utf-8")


def after_last(text: str) -> Callable[[list[str]], int]:
    """Return a finder of the place after the last line that contains a text."""
    return lambda lines: max(index for index, line in enumerate(lines) if text in line) + 1


def before(beginning: str) -> Callable[[list[str]], int]:
    """Return a finder of the first line that begins like this."""
    return lambda lines: next(index for index, line in enumerate(lines) if line.startswith(beginning))


def extend_project(part: Path) -> None:
    """Add the tap to meltano.yml: the environment `dev`, a job, the job of all taps, a schedule, the plugin."""
    path = ROOT / "meltano.yml"
    project: dict[str, Any] = yaml.load(path)
    new: dict[str, Any] = yaml.load(part)
    dev = next(one for one in project["environments"] if one["name"] == "dev")
    dev["config"]["plugins"]["extractors"].append(new["dev"])
    dev["env"] |= new["environment"]
    next(job for job in project["jobs"] if job["name"] == "all")["tasks"].append(new["task"])
    project["jobs"].append(new["job"])
    project["schedules"].append(new["schedule"])
    extractors = project["plugins"]["extractors"]
    # The library's folder and the pins are those of the other taps.
    new["extractor"]["pip_url"] = extractors[0]["pip_url"].replace(extractors[0]["name"], new["extractor"]["name"])
    extractors.append(new["extractor"])
    with path.open("w", encoding="utf-8") as file:
        yaml.dump(project, file)


def render(kind: str, answers: dict[str, str], folder: Path) -> None:
    """Render the template's `files` or `parts` into a folder."""
    data = [argument for item in {**answers, "kind": kind}.items() for argument in ("--data", "=".join(item))]
    subprocess.run([COPIER, "copy", "--quiet", "--defaults", *data, ROOT / "template", folder], check=True)  # noqa: S603 - ours


def tidy(name: str, vendor: str) -> None:
    """Sort the imports of the rendered files and format them. Both depend on the vendor's name."""
    files = [ROOT / name, *(ROOT / "simulators").glob(f"*/{vendor}"), *(ROOT / "simulators").glob(f"*/*_{vendor}.py")]
    for command in (["check", "--select", "I", "--fix"], ["format"]):
        subprocess.run([sys.executable, "-m", "ruff", *command, "--quiet", *files], check=True)  # noqa: S603 - ours


def arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = Parser(prog="make new-tap", description="Make a tap from the template.")
    parser.add_argument("name", help="tap- and one word in lower case, such as tap-lumen")
    parser.add_argument("--label", help="name of the vendor; by default from the tap's name")
    parser.add_argument("--api-url", help="base address of the vendor's API")
    parser.add_argument("--docs-url", help="address of the vendor's documentation")
    given = parser.parse_args()
    if not re.fullmatch(r"tap-[a-z][a-z0-9]*", given.name):
        parser.error(f"{given.name!r} is not allowed: write NAME=tap- and one word in lower case, such as tap-lumen")
    if (ROOT / given.name).exists():
        parser.exit(BAD_INPUT, f"{parser.prog}: {given.name} exists already\n")
    return given


def main() -> int:
    """Make the tap."""
    given = arguments()
    vendor = given.name.removeprefix("tap-")
    answers = {
        "name": given.name,
        "label": given.label or vendor.title(),
        "api_url": given.api_url or f"https://api.{vendor}.example/v1",
        "docs_url": given.docs_url or f"https://docs.{vendor}.example",
        "repository": REPOSITORY,
    }
    render("files", answers, ROOT)
    tidy(given.name, vendor)
    shutil.copy(ROOT / "LICENSE", ROOT / given.name / "LICENSE")
    with tempfile.TemporaryDirectory() as folder:
        render("parts", answers, Path(folder))
        extend_project(Path(folder) / "meltano.yml")
        parts = {path.name: path.read_text(encoding="utf-8") for path in Path(folder).iterdir()}
    insert("README.md", parts["README.md"], after_last("| [tap-"))
    insert("SECURITY.md", parts["SECURITY.md"], after_last("| tap-"))
    insert("docs/reads.md", parts["reads.md"], len)
    insert("docs/orchestration.md", parts["cron"], after_last("/load tap-"))
    insert("docs/orchestration.md", parts["airflow.py"], after_last('    "tap-'))
    insert("simulators/README.md", parts["simulators-row.md"], after_last("| SpringServe v0"))
    insert("simulators/README.md", parts["simulators.md"], before("## Add a vendor"))
    insert("scripts/hub_files.py", parts["hub_files.py"], before('    "target-duckdb"'))
    insert(".github/ISSUE_TEMPLATE/vendor-behaviour.yml", f"        - {given.name}\n", after_last("        - tap-"))
    return 0


if __name__ == "__main__":
    sys.exit(main())
