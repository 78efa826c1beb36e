"""The page in headless Chromium: tables, backfills, plots. `make screenshots` writes the pictures to docs/."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import Page, expect, sync_playwright
from project_fixtures import BACKFILL, ROOT, ask, wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from project_fixtures import Project, Vendors

expect.set_options(timeout=60_000)
LARGEST = 200_000
"""Largest size of a picture, in bytes."""


@pytest.fixture
def page() -> Iterator[Page]:
    program = shutil.which("chromium") or shutil.which("google-chrome")
    assert program, "Chromium is not installed: run `make orchestration-test`"
    with sync_playwright() as playwright:
        # Chromium's sandbox refuses to run as root, as in a container.
        options = ["--no-sandbox"] if os.geteuid() == 0 else []
        browser = playwright.chromium.launch(executable_path=program, args=options)
        page = browser.new_page(timezone_id="UTC")
        yield page
        browser.close()


def test_the_page_shows_tables_backfills_and_plots(
    project: Project, vendors: Vendors, page: Page, tmp_path: Path
) -> None:
    # Given three finished months, new data, and a running backfill of a slow vendor
    _, url = project.serve()
    ask(url, BACKFILL, account="adspect", months=["2025-01", "2025-02", "2025-03"])
    wait_until(lambda: done(project, 3), 180)
    utilities = project.folder / ".meltano" / "utilities"
    utilities.symlink_to(ROOT / ".meltano" / "utilities")
    assert project.run("sync", "--only", "tap-adspect")[0] == 0
    utilities.unlink()  # from here on, the service builds no models
    vendors.control("spotwatch", "faults", [{"action": "slow", "delay": 20.0, "times": None}])
    ask(url, BACKFILL, account="spotwatch", months=["2025-01", "2025-02"])
    wait_until(lambda: "STARTED" in statuses(project))
    errors: list[str] = []
    page.on("console", lambda message: errors.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: errors.append(str(error)))
    pictures = Path(os.environ.get("SCREENSHOTS") or tmp_path)

    def picture(name: str, height: int) -> None:
        page.set_viewport_size({"width": 1280, "height": height})
        page.mouse.move(0, 0)
        path = pictures / f"orchestration-{name}.png"
        page.screenshot(path=path, animations="disabled")
        assert 10_000 < path.stat().st_size < LARGEST

    # When, then: the tables
    page.goto(f"{url}/assets")
    for text in ("history / adspect", "Past months of tap-ispot", "The account: one row."):
        expect(page.get_by_text(text).filter(visible=True).first).to_be_visible()
    expect(page.get_by_text("Materialized").filter(visible=True).first).to_be_visible()
    picture("tables", 779)
    # The backfills
    page.goto(f"{url}/runs?view=backfills")
    for text in ("history / adspect", "3 partitions", "Success", "history / spotwatch", "2 partitions", "Started"):
        expect(page.get_by_text(text, exact=True).filter(visible=True).first).to_be_visible()
    picture("backfills", 500)
    # The plots
    page.goto(f"{url}/assets/history/adspect")
    page.get_by_text("Plots", exact=True).click()
    for text in ("dagster/row_count", "requests", "retries"):
        expect(page.get_by_text(text, exact=True).filter(visible=True).first).to_be_visible()
    expect(page.locator("canvas").first).to_be_visible()
    picture("plots", 900)
    # The way from a table to a mart
    page.goto(f"{url}/assets/marts/traffic_quality?view=lineage&lineageScope=upstream")
    for text in ("traffic_quality", "int_traffic", "stg_adspect__funnel_daily", "funnel_daily"):
        expect(page.get_by_text(text, exact=True).filter(visible=True).first).to_be_visible()
    picture("models", 500)
    assert errors == []


def done(project: Project, number: int) -> bool:
    """Return whether runs of one account are over; the others wait in the queue, without a process."""
    found = statuses(project)
    assert len([one for one in found if one in {"STARTING", "STARTED"}]) <= 1
    return found == ["SUCCESS"] * number


def statuses(project: Project) -> list[str]:
    return [one.dagster_run.status.value for one in project.runs()]
