"""Pages of the documentation site, from the Markdown files of the repository.

    python scripts/site_pages.py                       # writes output/site/, which `zensical build` reads
    python scripts/site_pages.py --serve zensical      # also serves the site, and follows changes

The files stay as they are read on GitHub. A page of the site is a file or the sections of a file: the README of a tap
becomes a page per subject, and the vendors' sections of docs/assumptions.md and docs/reads.md become pages of the taps.
Links are resolved from one to the other. A link to a file that is not on the site leads to the repository.
"""

from __future__ import annotations

import argparse
import json
import posixpath
import re
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from hub_files import REPOSITORY

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).resolve().parent.parent
SITE = ROOT / "docs" / "site"
OUTPUT = ROOT / "output" / "site"
ENVIRONMENT = ROOT / ".venvs" / "site"
MERMAID = "lib/*/site-packages/mermaidx/assets/mermaid.js"
MERMAID_LICENCE = b"/*! Mermaid 11.16.0, copyright (c) 2014 - 2022 Knut Sveidqvist, MIT License */\n"
VENDORS = {
    path.name.removeprefix("tap-").removesuffix("--adtech.lock"): json.loads(path.read_text())["label"]
    for path in sorted((ROOT / "plugins" / "extractors").glob("tap-*.lock"))
}
"""Names of the taps' vendors, with the headings of their sections in docs/."""

TAP_PAGES = {
    "setup": ("Install and run", ["Installation", "Configuration", "Usage", "Developer resources"]),
    "reports": ("Reports", ["Reports", "User-defined reports"]),
    "settings": ("Settings", ["Settings", "Capabilities"]),
    "data": ("Limits and peculiarities", ["Behaviour worth knowing"]),
    "errors": ("Errors and what to do", ["Errors and what to do"]),
}
"""Pages made of sections of a tap's README; the other sections are its first page."""

VENDOR_PAGES = {"assumptions": "Assumptions", "reads": "Documented reads"}
"""Files of docs/ with a section per vendor, which becomes a page of the tap."""

PACKAGES = ["singer-adtech", *(f"tap-{vendor}" for vendor in VENDORS), "target-duckdb-arrow"]
ROOMS = {
    room: names.split()
    for room, names in {
        "Taps, settings, errors": "tap connection settings reports dates errors redaction logs metrics clock",
        "Streams": "streams.base streams.windowed streams.keyset streams.children streams.derived streams.instants",
        "Progress": "progress.windows progress.bookmarks progress.signatures",
        "Fetching": "fetching.pages fetching.prefetching fetching.parallel fetching.jobs",
        "Records": "records.values records.received records.totals records.shapes records.writer",
        "HTTP": "http.session http.auth http.budgets http.retries http.requester http.responses http.allowed_requests",
        "Testing": "testing.clock testing.messages testing.programs testing.runs",
    }.items()
}
"""Pages of the library's reference, with their modules."""

UNSEARCHED = "---\nsearch:\n  exclude: true\n---\n\n"
"""Metadata of a page that the search omits."""

HEADING = re.compile(r"^(#{1,6}) (.+)$")
COPIED = re.compile(r"<!-- (\w+) of every tap: begin -->\n.*?<!-- \w+ of every tap: end -->\n", re.DOTALL)
LINK = re.compile(r"(\]\()([^)\s]+)(\))")
REFERENCE = re.compile(r"\]\[([^\]\[]+)\]")


class LinkError(ValueError):
    """A file links to a file that does not exist."""


@dataclass(frozen=True)
class Page:
    """A page, or a part of it.

    Attributes:
        path: Path below the pages of the site.
        source: File in the repository.
        text: Its Markdown, with the links of the source.
    """

    path: str
    source: str
    text: str

    @property
    def anchors(self) -> set[str]:
        """Anchors of its headings."""
        return {slug(match[2]) for line in without_code(self.text) if (match := HEADING.match(line))}


def slug(heading: str) -> str:
    """Return the anchor of a heading, as on GitHub."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


def without_code(text: str) -> Iterator[str]:
    """Return the lines outside of fenced code."""
    fence = ""
    for line in text.splitlines():
        mark = line.lstrip()[:3]
        if mark in {"```", "~~~"} and fence in {"", mark}:
            fence = "" if fence else mark
        elif not fence:
            yield line


def sections(text: str) -> list[tuple[str, str]]:
    """Split Markdown at its headings: pairs of a heading, without marks, and the text from it to the next."""
    found: list[tuple[str, list[str]]] = [("", [])]
    fenced = False
    for line in text.splitlines():
        if line.startswith("```"):
            fenced = not fenced
        if not fenced and (match := HEADING.match(line)):
            found.append((match[2], []))
        found[-1][1].append(line)
    return [(heading, "\n".join(lines) + "\n") for heading, lines in found]


def retitled(parts: list[tuple[str, str]], title: str) -> str:
    """Join sections below a title. The heading of a single section becomes the title; of several, each is kept."""
    # The window's title: without it, the name in the navigation, which other taps have too.
    lines = ["---", f'title: "{title}"', "---", "", f"# {title}", ""]
    level = min(len(text) - len(text.lstrip("#")) for _, text in parts)
    for number, (heading, text) in enumerate(parts):
        body = text.partition("\n")[2]
        depth = len(text) - len(text.lstrip("#")) - level + 2
        alone = number == 0 and all(len(other) - len(other.lstrip("#")) > level for _, other in parts[1:])
        lines += [body.strip()] if alone else [f"{'#' * depth} {heading}", "", body.strip()]
        lines.append("")
    return "\n".join(lines)


def tap_pages(vendor: str) -> Iterator[Page]:
    """Split the README of a tap."""
    source = f"tap-{vendor}/README.md"
    readme = COPIED.sub(r"See also the [\1 of every tap](../docs/every-tap.md#\1).\n", (ROOT / source).read_text())
    rest: list[tuple[str, str]] = []
    chosen: dict[str, list[tuple[str, str]]] = {name: [] for name in TAP_PAGES}
    target = rest
    for heading, text in sections(readme):
        owner = next((name for name, (_, headings) in TAP_PAGES.items() if heading in headings), None)
        if owner:
            target = chosen[owner]
        elif text.startswith(("# ", "## ")):
            target = rest
        target.append((heading, text))
    yield Page(f"tap-{vendor}/index.md", source, "".join(text for _, text in rest))
    for name, parts in chosen.items():
        if parts:
            yield Page(
                f"tap-{vendor}/{name}.md", source, retitled(parts, f"tap-{vendor}: {TAP_PAGES[name][0].lower()}")
            )


def vendors_pages(source: str, name: str) -> Iterator[Page]:
    """Split a file with a section per vendor. The rest is a page with links to them."""
    titles = {title: vendor for vendor, title in VENDORS.items()}
    rest: list[str] = []
    for heading, text in sections((ROOT / source).read_text()):
        if heading in titles:
            vendor = titles[heading]
            yield Page(
                f"tap-{vendor}/{name}.md",
                source,
                retitled([(heading, text)], f"tap-{vendor}: {VENDOR_PAGES[name].lower()}"),
            )
            rest += [] if "By vendor:\n\n" in rest else ["By vendor:\n\n"]
            rest.append(f"- [{heading}](#{slug(heading)})\n")
        else:
            rest.append(text)
    yield Page(f"{name}.md", source, "".join(rest))


def library_pages() -> Iterator[Page]:
    """Return the README of the library and its reference."""
    yield Page("singer-adtech/index.md", "singer-adtech/README.md", (ROOT / "singer-adtech/README.md").read_text())
    for room, modules in ROOMS.items():
        text = f"# {room}\n\n" + "\n".join(f"::: singer_adtech.{module}\n" for module in modules)
        yield Page(f"singer-adtech/{slug(room)}.md", "singer-adtech/README.md", text)


def pages(nav: str) -> Iterator[Page]:
    """Return all pages.

    Args:
        nav: The navigation, with files of the repository.

    Raises:
        LinkError: It names a missing file.
    """
    for vendor in VENDORS:
        yield from tap_pages(vendor)
        source = f"docs/tables/{vendor}.md"
        yield Page(f"tap-{vendor}/tables/index.md", source, (ROOT / source).read_text())
        for path in sorted((ROOT / "docs" / "tables" / vendor).glob("*.md")):
            yield Page(f"tap-{vendor}/tables/{path.name}", str(path.relative_to(ROOT)), path.read_text())
    for name in VENDOR_PAGES:
        yield from vendors_pages(f"docs/{name}.md", name)
    yield from library_pages()
    for package in PACKAGES:
        source = f"{package}/CHANGELOG.md"
        text = (ROOT / source).read_text().replace("# Changelog", f"{UNSEARCHED}# Changelog of {package}", 1)
        yield Page(f"{package}/changelog.md", source, text)
    for source in ["docs/every-tap.md", *re.findall(r"[\w./-]+\.md", nav)]:
        if not (ROOT / source).is_file():
            raise LinkError(f"docs/site/mkdocs.yml: {source} does not exist")
        if source not in {"docs/assumptions.md", "docs/reads.md"}:
            yield Page(staged(source), source, (ROOT / source).read_text())


def staged(source: str) -> str:
    """Return the path of the page of a whole file."""
    if source == "README.md":
        return "index.md"
    return source.removeprefix("docs/").replace("/README.md", ".md").lower()


class Links:
    """Links between the files of the repository, on the site.

    Args:
        all_pages: The pages.
    """

    def __init__(self, all_pages: list[Page]) -> None:
        self.of: dict[str, list[Page]] = {}
        for page in all_pages:
            self.of.setdefault(page.source, []).append(page)
        self.assets: set[str] = set()

    def resolved(self, page: Page) -> str:
        """Return the text of a page with links to pages of the site.

        Raises:
            LinkError: A file or a heading is missing.
        """
        whole = (ROOT / page.source).read_text()
        definitions = dict(re.findall(r"^\[([^\]]+)\]: (\S+)$", whole, re.MULTILINE))
        lines = []
        fenced = diagram = inset = False
        for source_line in page.text.splitlines():
            line = source_line
            if line.lstrip().startswith("```"):
                inset = line.startswith("   ")
                fenced = not fenced
            # Items of numbered lists continue after three spaces on GitHub, and after four on the site.
            if line.startswith("   ") and (inset or not (fenced or line.startswith("    "))):
                line = f" {line}"
            inset = inset and fenced
            if fenced:
                diagram |= line == "```mermaid"
                lines += ['<div class="diagram" markdown>', ""] if line == "```mermaid" else []
                lines.append(line)
                continue
            if diagram and line == "```":
                diagram = False
                lines += [line, "", "</div>"]
                continue
            if re.match(r"^\[[^\]]+\]: \S+$", line) or line.startswith("<!-- "):
                continue
            text = REFERENCE.sub(
                lambda match: f"]({definitions[match[1]]})" if match[1] in definitions else match[0], line
            )
            lines.append(LINK.sub(lambda match: f"{match[1]}{self.target(match[2], page)}{match[3]}", text))
        return "\n".join(lines) + "\n"

    def target(self, link: str, page: Page) -> str:
        """Return the address of a link on a page."""
        for prefix in ("blob", "tree"):
            link = link.replace(f"{REPOSITORY}/{prefix}/main/", "/", 1)
        if "://" in link or link.startswith("mailto:"):
            return link
        path, _, anchor = link.partition("#")
        here = posixpath.dirname(page.source)
        source = posixpath.normpath(posixpath.join("" if path.startswith("/") else here, path.lstrip("/")))
        if not path:
            source = page.source
        if f"{source}/README.md" in self.of:
            source = f"{source}/README.md"
        if found := self.of.get(source):
            owner = next((one for one in found if anchor in one.anchors), None) if anchor else found[0]
            if owner is None:
                owner, anchor = self.titled(anchor, source), ""
            relative = posixpath.relpath(owner.path, posixpath.dirname(page.path) or ".")
            return f"{'' if owner is page and anchor else relative}{'#' + anchor if anchor else ''}"
        if not (ROOT / source).exists():
            raise LinkError(f"{page.source}: {link} does not exist")
        if Path(source).suffix in {".png", ".svg"}:
            self.assets.add(source)
            return posixpath.relpath(source.removeprefix("docs/"), posixpath.dirname(page.path) or ".")
        kind = "tree" if (ROOT / source).is_dir() else "blob"
        return f"{REPOSITORY}/{kind}/main/{source}{'#' + anchor if anchor else ''}"

    def titled(self, anchor: str, source: str) -> Page:
        """Return the page that a section of a file became, its heading being the title."""
        for vendor, title in VENDORS.items():
            if slug(title) == anchor:
                return next(one for one in self.of[source] if one.path.startswith(f"tap-{vendor}/"))
        for name, (_, headings) in TAP_PAGES.items():
            if anchor in map(slug, headings):
                return next(one for one in self.of[source] if one.path.endswith(f"/{name}.md"))
        raise LinkError(f"{source} has no heading #{anchor}")


def navigation(all_pages: list[Page], text: str) -> str:
    """Return the settings with the pages of the navigation."""
    existing = {page.path for page in all_pages}
    titles = {name: title for name, (title, _) in TAP_PAGES.items()}
    titles |= VENDOR_PAGES
    taps = ["      - Every tap: every-tap.md"]
    for vendor, label in VENDORS.items():
        tap = f"tap-{vendor}"
        tables = sorted(path for path in existing - {f"{tap}/tables/index.md"} if path.startswith(f"{tap}/tables/"))
        parts = [f"          - {titles[name]}: {tap}/{name}.md" for name in titles if f"{tap}/{name}.md" in existing]
        taps += [f"      - {label}:", f"          - {tap}/index.md", parts[0], "          - Tables:"]
        taps += [*(f"              - {path}" for path in (f"{tap}/tables/index.md", *tables)), *parts[1:]]
    library = ["      - singer-adtech/index.md", *(f"      - singer-adtech/{slug(room)}.md" for room in ROOMS)]
    changes = [f"          - {package}: {package}/changelog.md" for package in PACKAGES]
    for mark, lines in (("TAPS", taps), ("LIBRARY", library), ("CHANGELOGS", changes)):
        text = text.replace(f": {mark}\n", ":\n" + "\n".join(lines) + "\n")
    head, _, nav = text.replace("[singer-adtech]", f"[{ROOT / 'singer-adtech'}]").partition("\nnav:\n")
    sources = {page.source: page.path for page in all_pages if page.path == staged(page.source)}
    return f"docs_dir: pages\nsite_dir: html\n{head}\nnav:\n" + re.sub(
        r"(?m)(: )([\w./-]+\.md)$", lambda match: match[1] + sources.get(match[2], match[2]), nav
    )


def write(path: Path, content: bytes) -> None:
    """Write a file if its content differs, so that only changed pages are built again."""
    if not path.is_file() or path.read_bytes() != content:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)


def stage(output: Path = OUTPUT) -> None:
    """Write the settings and pages of the site.

    Args:
        output: Folder for them.

    Raises:
        LinkError: A file links to a missing file or heading.
    """
    text = (SITE / "mkdocs.yml").read_text()
    all_pages = list(pages(text.partition("\nnav:\n")[2]))
    links = Links(all_pages)
    folder = output / "pages"
    files = {folder / page.path: links.resolved(page).encode() for page in all_pages}
    files |= {folder / asset.removeprefix("docs/"): (ROOT / asset).read_bytes() for asset in links.assets}
    files |= {folder / name: (SITE / name).read_bytes() for name in ("site.css", "iframe-worker.js")}
    files[folder / "mermaid.js"] = MERMAID_LICENCE + next(ENVIRONMENT.glob(MERMAID)).read_bytes()
    files[output / "mkdocs.yml"] = navigation(all_pages, text).encode()
    for old in set(filter(Path.is_file, folder.rglob("*"))) - set(files):
        old.unlink()
    for path, content in files.items():
        write(path, content)
    shutil.copytree(SITE / "overrides", output / "overrides", dirs_exist_ok=True)


def newest() -> float:
    """Return the time of the last change of a file that the site is made of."""
    sources = [*ROOT.glob("*.md"), *ROOT.glob("*/*.md"), *(ROOT / "docs").rglob("*")]
    return max(path.stat().st_mtime for path in sources)


def serve(program: str) -> int:
    """Serve the site until it is stopped, and follow changes of the repository's files."""
    with subprocess.Popen([program, "serve", "--config-file", str(OUTPUT / "mkdocs.yml")]) as server:  # noqa: S603
        seen = newest()
        try:
            while server.poll() is None:
                time.sleep(0.5)
                if (now := newest()) != seen:
                    seen = now
                    try:
                        stage()
                    except LinkError as error:
                        print(error, file=sys.stderr)
        except KeyboardInterrupt:
            server.terminate()
        return server.wait()


def main() -> int:
    """Write the pages; return the exit code."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--serve", metavar="ZENSICAL", help="serve the site with this program, and follow changes")
    chosen = parser.parse_args()
    try:
        stage()
    except LinkError as error:
        print(error, file=sys.stderr)
        return 1
    return serve(chosen.serve) if chosen.serve else 0


if __name__ == "__main__":
    sys.exit(main())
