"""The documentation site: it is built strictly, and works in a browser without a network."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import site_pages
from hub_files import REPOSITORY
from site_pages import LinkError, Links, Page
from stand_ins.chromium import browser, opened

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Browser

ROOT = Path(__file__).resolve().parent.parent
ZENSICAL = ROOT / ".venvs" / "site" / "bin" / "zensical"

# The theme draws diagrams into closed shadow roots, which no test can read.
OPEN_DIAGRAMS = """
const attach = Element.prototype.attachShadow;
Element.prototype.attachShadow = function (options) { return attach.call(this, {...options, mode: "open"}); };
"""
DIAGRAMS = "[...document.querySelectorAll('.mermaid')].filter(one => one.shadowRoot?.querySelector('svg path')).length"
SEARCH_RESULTS = """
[...document.querySelectorAll('*')].flatMap(one => [...(one.shadowRoot?.querySelectorAll('a') ?? [])])
    .map(link => link.href)
"""


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of a site, built with strict links."""
    folder = tmp_path_factory.mktemp("site")
    site_pages.stage(folder)
    done = subprocess.run(
        [str(ZENSICAL), "build", "--clean", "--strict", "--config-file", str(folder / "mkdocs.yml")],
        check=False,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return folder / "html"


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    """Run a browser."""
    with browser() as running:
        yield running


@pytest.mark.extended
@pytest.mark.parametrize(("width", "dark"), [(1400, False), (390, True)], ids=["wide and light", "phone and dark"])
@pytest.mark.parametrize(
    "page", ["index", "architecture", "tap-springserve/tables/demand_tags", "tap-ispot/errors", "singer-adtech/streams"]
)
def test_page_fits_and_needs_no_network(built: Path, chromium: Browser, page: str, width: int, *, dark: bool) -> None:
    # given a page of the site, opened as a file
    with opened(chromium, built / f"{page}.html", width=width, dark=dark) as shown:
        # when it has been drawn
        shown.page.wait_for_load_state("networkidle")

        # then all of it comes from the site, without an error
        assert [url for url in shown.requests if not url.startswith(built.as_uri())] == []
        assert shown.messages == []
        # then it has navigation and search, and only its tables scroll sideways
        assert shown.page.locator(".md-nav--primary a", has_text="Orchestration").count() == 1
        assert shown.page.locator("[data-md-component=search]").count() == 1
        assert shown.page.evaluate("document.documentElement.scrollWidth <= innerWidth")


@pytest.mark.extended
@pytest.mark.parametrize(("page", "number"), [("architecture", 3), ("tap-ispot/tables/index", 1)])
def test_diagrams_are_drawn(built: Path, chromium: Browser, page: str, number: int) -> None:
    # given a page with Mermaid diagrams
    with opened(chromium, built / f"{page}.html") as shown:
        shown.page.add_init_script(OPEN_DIAGRAMS)

        # when it is drawn
        shown.page.reload()

        # then each is an SVG
        shown.page.wait_for_function(f"{DIAGRAMS} === {number}")
        assert shown.messages == []


@pytest.mark.extended
def test_search_finds_a_setting(built: Path, chromium: Browser) -> None:
    # given the first page
    with opened(chromium, built / "index.html") as shown:
        # when a user searches for a setting of one tap
        shown.page.keyboard.press("Control+k")
        shown.page.keyboard.type("busy_timeout", delay=20)

        # then the pages of that tap are found
        shown.page.wait_for_function(f"({SEARCH_RESULTS}).some(link => link.includes('tap-magnite/'))")
        assert shown.messages == []


def test_site_has_every_page_of_docs() -> None:
    all_pages = list(site_pages.pages((site_pages.SITE / "mkdocs.yml").read_text().partition("\nnav:\n")[2]))
    paths = [page.path for page in all_pages]

    assert {str(path.relative_to(ROOT)) for path in (ROOT / "docs").rglob("*.md")} - {
        one.source for one in all_pages
    } == set()
    assert sorted(paths) == sorted(set(paths))


@pytest.mark.parametrize(
    ("link", "target"),
    [
        ("../tap-ispot/README.md", "tap-ispot/index.md"),
        ("../tap-ispot/README.md#errors-and-what-to-do", "tap-ispot/errors.md"),
        ("../tap-magnite/README.md#without-an-account", "tap-magnite/setup.md#without-an-account"),
        ("assumptions.md#spotwatch", "tap-spotwatch/assumptions.md"),
        ("how-to/key.md", "how-to/key.md"),
        ("../README.md", "index.md"),
        ("../examples", f"{REPOSITORY}/tree/main/examples"),
        (f"{REPOSITORY}/blob/main/docs/state.md#after-a-kill", "state.md#after-a-kill"),
        ("https://example.com/a#b", "https://example.com/a#b"),
    ],
)
def test_link_of_a_file_leads_to_a_page(link: str, target: str) -> None:
    all_pages = list(site_pages.pages((site_pages.SITE / "mkdocs.yml").read_text().partition("\nnav:\n")[2]))
    page = next(page for page in all_pages if page.path == "loaders.md")

    assert Links(all_pages).target(link, page) == target


@pytest.mark.parametrize("link", ["missing.md", "state.md#no-such-heading", "../no-such-folder"])
def test_broken_link_is_refused(link: str) -> None:
    pages = [Page("a.md", "docs/a.md", "# A\n"), Page("state.md", "docs/state.md", "# State\n")]

    with pytest.raises(LinkError, match=r"docs/a\.md|docs/state\.md"):
        Links(pages).target(link, pages[0])
