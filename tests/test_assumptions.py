"""docs/assumptions.md: marks in the code become rows, and a mark without a consequence is an error."""

from __future__ import annotations

import sys
from textwrap import dedent
from typing import TYPE_CHECKING

import generate
import pytest
from assumptions import Assumption, MarkError, marks, page

if TYPE_CHECKING:
    from pathlib import Path

MODULE = "tap-x/tap_x/streams.py"
CODE = dedent(
    '''
    """Streams of X: all of them.

    Assumed: X has one host | or two. If wrong, the run
    fails.

    Another paragraph.
    """

    LONGEST = 3
    """The longest wait. Assumed: X answers within 3 s. If wrong, set
    `wait`."""

    SETTINGS = [
        # Assumed: figures change for 3 days. If wrong, raise it.
        settings.lookback_days(3),
        th.Property("other"),
    ]
    REPORTS = [
        {
            "name": "daily",
            # Assumed: days are whole. If
            # wrong, totals are too low. Compare
            # them.
            "days": 1,
        }
    ]


    class Base(Stream):
        """A list, read completely.

        Args:
            sizes: The sizes. Assumed: sizes are <= 5. If wrong, the stream
                fails.
            other: Not a part of the mark.
        """

        def sort(self):
            # Not a part of it.
            # Assumed: v1 comes first. If wrong, v2 does.
            # Assumed: two. If wrong, second.
            return 1  # Assumed: three. If wrong, third.


    class Ads(Base):
        """Ads."""

        name = "ads"

        def row(self):
            # Assumed: `id` is unique. If wrong, the stream fails.
            return {}
    '''
)


def test_marks_of_comments_and_docstrings_become_assumptions_with_their_place() -> None:
    # when
    found = marks(CODE, MODULE)
    # then
    assert sorted(found) == [
        Assumption("A list", "Sizes are &lt;= 5", "The stream fails", MODULE),
        Assumption("A list", "Three", "Third", MODULE),
        Assumption("A list", "Two", "Second", MODULE),
        Assumption("A list", "v1 comes first", "v2 does", MODULE),
        Assumption("Streams of X", "X answers within 3 s", "Set `wait`", MODULE),
        Assumption("Streams of X", "X has one host \\| or two", "The run fails", MODULE),
        Assumption("`ads`", "`id` is unique", "The stream fails", MODULE),
        Assumption("`daily`", "Days are whole", "Totals are too low. Compare them", MODULE),
        Assumption("setting `lookback_days`", "Figures change for 3 days", "Raise it", MODULE),
    ]


@pytest.mark.parametrize(
    "mark",
    [
        "Assumed: ids are unique.",
        "Assumed: ids are unique. Otherwise the stream fails.",
        "Assumed: If wrong, the stream fails.",
        "The value (Assumed) may be null. If wrong, nothing happens.",
    ],
)
def test_a_mark_without_its_parts_is_an_error_with_its_line(mark: str) -> None:
    # given a module whose second and fourth lines have such a mark
    code = f'"""Streams."""\n# {mark}\nX = 1\n# {mark}\n'
    # when
    with pytest.raises(MarkError) as caught:
        marks(code, MODULE)
    # then
    form = "write `Assumed: <fact>. If wrong, <consequence>.`"
    assert str(caught.value).splitlines() == [f"{MODULE}:2: {form}", f"{MODULE}:4: {form}"]


def package(folder: Path, name: str, code: str) -> None:
    """Write a package of one module."""
    (folder / name).mkdir()
    (folder / name / "__init__.py").write_text(code)


def test_the_page_has_a_table_per_vendor_after_the_one_of_all_taps(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # given two taps
    package(tmp_path, "tap_zeta", '"""The tap. Assumed: b. If wrong, c."""\n')
    package(tmp_path, "tap_eta", '"""The tap. Assumed: d. If wrong, e."""\n')
    monkeypatch.syspath_prepend(str(tmp_path))
    # when
    text = page({"tap-zeta": "alpha", "tap-eta": "Beta"})
    # then
    assert [line for line in text.splitlines() if line.startswith("## ")] == ["## All taps", "## alpha", "## Beta"]
    assert text.endswith(
        "\n## alpha\n\n| where | assumed | if wrong |\n| --- | --- | --- |\n"
        "| The tap ([__init__.py](../tap-zeta/tap_zeta/__init__.py)) | B | C |\n"
        "\n## Beta\n\n| where | assumed | if wrong |\n| --- | --- | --- |\n"
        "| The tap ([__init__.py](../tap-eta/tap_eta/__init__.py)) | D | E |\n"
    )


def test_the_generator_prints_incomplete_marks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # given two taps with a mark that is not complete
    package(tmp_path, "tap_theta", "# Assumed: it works.\n")
    package(tmp_path, "tap_iota", "X = 1\n# Assumed: it works.\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr(generate, "page", lambda _: page({"tap-theta": "alpha", "tap-iota": "Beta"}))
    monkeypatch.setattr(sys, "argv", ["generate.py", "--check"])
    # when
    with pytest.raises(SystemExit) as ended:
        generate.main()
    # then
    form = "write `Assumed: <fact>. If wrong, <consequence>.`"
    assert str(ended.value.code).splitlines() == [
        f"tap-theta/tap_theta/__init__.py:1: {form}",
        f"tap-iota/tap_iota/__init__.py:2: {form}",
    ]
