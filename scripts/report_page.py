"""The report's page: one HTML file with data, SQL, styles and Vega-Lite, which loads nothing."""

from __future__ import annotations

import datetime as dt
import json
from dataclasses import dataclass
from decimal import Decimal
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

from report_charts import VENDORS

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from report_charts import Chart

ASSETS = Path(__file__).resolve().parent.parent / "transform" / "report"

Row = dict[str, Any]


@dataclass(frozen=True)
class Answer:
    """A chart with its rows.

    Attributes:
        chart: The chart.
        sql: The SQL that was run.
        rows: Its rows, by column.
    """

    chart: Chart
    sql: str
    rows: list[Row]


def page(answers: Sequence[Answer], libraries: str, origin: str) -> str:
    """Return the page.

    Args:
        answers: The charts with their rows, in the order of the page.
        libraries: JavaScript that defines `vegaEmbed`.
        origin: One sentence on the warehouse and the time, as text.
    """
    parts = {
        "style": (ASSETS / "page.css").read_text(encoding="utf-8"),
        "origin": escape(origin),
        "sections": "\n".join(map(_section, answers)),
        "data": in_script(json.dumps([_data(answer) for answer in answers if answer.rows], ensure_ascii=False)),
        "libraries": in_script(libraries),
        "script": (ASSETS / "page.js").read_text(encoding="utf-8"),
    }
    template = (ASSETS / "page.html").read_text(encoding="utf-8")
    # One pass over the template, so that text in the data is never taken for a marker.
    pieces = template.split("@@")
    return "".join(parts[piece] if number % 2 else piece for number, piece in enumerate(pieces))


def exact(value: Any) -> Any:
    """Return a value for JSON and tables: decimals in full as text, instants and dates in ISO 8601."""
    if isinstance(value, Decimal):
        whole, _, fraction = f"{value:f}".partition(".")
        return f"{whole}.{fraction.rstrip('0').ljust(2, '0')}"
    if isinstance(value, dt.datetime):
        return value.isoformat(sep=" ", timespec="minutes")
    return value.isoformat() if isinstance(value, dt.date) else value


def _data(answer: Answer) -> dict[str, Any]:
    chart, rows = answer.chart, answer.rows
    return {
        "name": chart.name,
        "title": _title(answer),
        "views": chart.views,
        "same_scale": chart.same_scale,
        "decimals": _columns(rows, Decimal),
        "days": _columns(rows, dt.date),
        "panels": _panels(answer),
        "rows": [{name: exact(value) for name, value in row.items()} for row in rows],
    }


def _columns(rows: list[Row], kind: type) -> list[str]:
    return [name for name in rows[0] if any(type(row[name]) is kind for row in rows)]


def _panels(answer: Answer) -> list[dict[str, Any]]:
    """Return each panel's title and the numbers of its rows."""
    members: dict[tuple[str, ...], list[int]] = {}
    for number, row in enumerate(answer.rows):
        members.setdefault(tuple(row[column] for column in answer.chart.panels), []).append(number)
    return [{"title": _panel_title(answer, key, rows), "rows": rows} for key, rows in members.items()]


def _panel_title(answer: Answer, key: tuple[str, ...], numbers: list[int]) -> str:
    total = answer.chart.total
    if not total:
        return ", ".join(map(_name, key))
    name, *currency = map(_name, key)
    amount = sum(answer.rows[number][total] for number in numbers)
    return " ".join([f"{name}: {amount:,.2f}" if currency else f"{name}: {amount:,}", *currency])


def _name(value: str) -> str:
    return VENDORS.get(value, value)


def _grouped(number: int | Decimal) -> str:
    """Return all digits of a number, with separators of thousands."""
    return f"{Decimal(exact(number)):,f}"


def _title(answer: Answer) -> str:
    days = sorted({row[name] for row in answer.rows for name in ("day", "first_day", "last_day") if row.get(name)})
    if not days:
        return answer.chart.title.partition(", {period}")[0]
    period = f"{_written(days[0], days[-1])} to {_written(days[-1])}" if len(days) > 1 else _written(days[0])
    return answer.chart.title.format(period=period)


def _written(day: dt.date, until: dt.date | None = None) -> str:
    year = "" if until and until.year == day.year else f" {day.year}"
    return f"{day.day} {day:%B}{year}"


def _section(answer: Answer) -> str:
    chart = answer.chart
    absent = [name for vendor, name in VENDORS.items() if vendor in chart.vendors and not _has(answer.rows, vendor)]
    if not answer.rows:
        text = f"Left out: {_title(answer)}. No rows of {' or '.join(absent)} in {chart.mart}."
        return f'<p class="left-out" id="{chart.name}">{escape(text)}</p>'
    note = chart.note.format(zones=_zones(answer.rows))
    if absent:
        note += f" No rows of {' and '.join(absent)}."
    table = _table(answer.rows)
    picture = f'<div class="panels" id="{chart.name}-panels"></div>' if chart.views else table
    data = f"<details><summary>Table: {len(answer.rows):,} rows</summary>{table}</details>" if chart.views else ""
    return (
        f'<section id="{chart.name}"><h2>{escape(_title(answer))}</h2><p class="note">{escape(note)}</p>{picture}'
        f'<div class="behind"><details class="sql"><summary>SQL on <code>{chart.mart}</code></summary>'
        f'<pre tabindex="0"><code>{escape(answer.sql)}</code></pre></details>{data}</div></section>'
    )


def _has(rows: Iterable[Row], vendor: str) -> bool:
    return any(row["vendor"] == vendor for row in rows)


def _zones(rows: list[Row]) -> str:
    zones: dict[str, list[str]] = {}
    for vendor, zone in sorted({(row["vendor"], row["time_zone"]) for row in rows if row.get("time_zone")}):
        zones.setdefault(zone, []).append(VENDORS[vendor])
    if len(zones) == 1:
        return f"Days in {next(iter(zones))}."
    return "Days in " + ", ".join(f"{zone} for {' and '.join(names)}" for zone, names in zones.items()) + "."


def _table(rows: list[Row]) -> str:
    names = [name for name in rows[0] if any(row[name] is not None for row in rows)]
    numeric = {name for name in names if any(isinstance(row[name], (int, Decimal)) for row in rows)}
    head = "".join(f'<th scope="col"{_aligned(name, numeric)}>{name.replace("_", " ")}</th>' for name in names)
    body = "".join(
        "<tr>" + "".join(f"<td{_aligned(name, numeric)}>{_cell(row[name])}</td>" for name in names) + "</tr>"
        for row in rows
    )
    return f'<div class="table" tabindex="0"><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>'


def _aligned(name: str, numeric: set[str]) -> str:
    return ' class="number"' if name in numeric else ""


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, str) and value in {"fresh", "late"}:
        return f'<span class="{value}">{value}</span>'
    if isinstance(value, (int, Decimal)):
        return _grouped(value)
    return escape(_name(value) if isinstance(value, str) else exact(value))


def in_script(text: str) -> str:
    """Escape what would end a script element, in JSON and in JavaScript's strings."""
    return text.replace("</script", "<\\/script").replace("<!--", "<\\!--")
