"""Checks before a release."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import release

ROOT = Path(__file__).resolve().parent.parent
PROJECT = """
[project]
name = "tap-example"
version = "1.2.3"
classifiers = ["Programming Language :: Python :: 3.10", "Programming Language :: Python :: 3.11"]
urls = {{ Source = "https://example.com/{repository}" }}
"""


@pytest.fixture
def tap_example(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the folder of a package that is ready for release 1.2.3."""
    folder = tmp_path / "tap-example"
    folder.mkdir()
    (folder / "pyproject.toml").write_text(PROJECT.format(repository="us/taps"))
    (folder / "CHANGELOG.md").write_text("# Changelog\n\n## 1.2.3\n\n- New.\n\n## 1.2.2\n\n- Old.\n")
    monkeypatch.setattr(release, "ROOT", tmp_path)
    return folder


@pytest.mark.usefixtures("tap_example")
def test_the_tag_of_the_current_version_is_accepted(capsys: pytest.CaptureFixture[str]) -> None:
    assert release.main(["check", "tap-example-v1.2.3"]) == 0
    assert capsys.readouterr() == ("tap-example-v1.2.3: ready\n", "")


@pytest.mark.usefixtures("tap_example")
@pytest.mark.parametrize(
    "tag", ["v1.2.3", "tap-example-1.2.3", "tap-example-v1.2", "tap-other-v1.2.3", "x/tap-example-v1.2.3"]
)
def test_a_tag_without_package_and_version_is_refused(tag: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert release.main(["check", tag]) == 1
    expected = f"{tag}: not a release tag. Expected PACKAGE-vX.Y.Z with one of: tap-example\n"
    assert capsys.readouterr() == ("", expected)


def test_a_tag_of_another_version_is_refused(tap_example: Path, capsys: pytest.CaptureFixture[str]) -> None:
    # given: unreleased changes, and URLs without the repository's name
    (tap_example / "CHANGELOG.md").write_text("# Changelog\n\n## Unreleased\n\n- New.\n\n## 1.2.3\n")
    (tap_example / "pyproject.toml").write_text(PROJECT.format(repository=release.ADDRESS))
    advice = "write the repository's name"
    # when
    code = release.main(["check", "tap-example-v1.3.0rc1"])
    # then
    assert code == 1
    assert capsys.readouterr().err.splitlines() == [
        "tap-example-v1.3.0rc1: tap-example/pyproject.toml has version 1.2.3",
        "tap-example-v1.3.0rc1: the newest entry of tap-example/CHANGELOG.md is Unreleased",
        f"tap-example-v1.3.0rc1: the URLs in tap-example/pyproject.toml contain {release.ADDRESS}: {advice}",
    ]


def test_every_package_supports_the_same_versions_of_python(capsys: pytest.CaptureFixture[str]) -> None:
    assert release.main(["pythons"]) == 0
    assert json.loads(capsys.readouterr().out) == ["3.10", "3.11", "3.12", "3.13"]
    assert {table["requires-python"] for table in release.projects().values()} == {">=3.10"}
