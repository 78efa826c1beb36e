"""An analyst's questions at the end of the demo, answered from the marts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import duckdb

QUESTIONS = (
    (
        "Which brands spent most on national TV in the last seven days?",
        """
        select brand_name as brand, sum(airings)::bigint as airings, sum(spend)::decimal(18, 2) as spend_usd,
               sum(impressions)::bigint as impressions
        from marts.brand_spend_daily
        where vendor = 'ispot'
              and aired_on > (select max(aired_on) - 7 from marts.brand_spend_daily where vendor = 'ispot')
        group by brand_name order by spend_usd desc limit 5
        """,
    ),
    (
        "Which advertisers were on air most in the last seven days, on how many channels, and how many seconds?",
        """
        select brand_name as brand, count(*) as airings, count(distinct channel_key) as channels,
               sum(duration_seconds)::bigint as seconds, count(distinct ad_key) as ads
        from marts.airings
        where vendor = 'spotwatch' and brand_name is not null
              and aired_at_utc >= (select max(aired_at_utc) - interval 7 days
                                   from marts.airings where vendor = 'spotwatch')
        group by brand_name order by airings desc, brand limit 5
        """,
    ),
    (
        "How many airings per day do iSpot.tv (US) and Spotwatch (Europe) see, in the last five complete days?",
        """
        select aired_on as day, sum(airings) filter (where vendor = 'ispot')::bigint as us_airings,
               sum(airings) filter (where vendor = 'spotwatch')::bigint as european_airings
        from marts.airings_daily
        where aired_on < (now() at time zone time_zone)::date group by day order by day desc limit 5
        """,
    ),
    (
        "What did SpringServe and Magnite earn per day in US dollars, in the last five complete days?",
        """
        select day, sum(gross_revenue) filter (where vendor = 'springserve')::decimal(18, 2) as springserve,
               sum(net_revenue) filter (where vendor = 'springserve')::decimal(18, 2) as springserve_net,
               sum(gross_revenue) filter (where vendor = 'magnite')::decimal(18, 2) as magnite,
               sum(net_revenue) filter (where vendor = 'magnite')::decimal(18, 2) as magnite_net
        from marts.ad_revenue_daily
        where day < (now() at time zone time_zone)::date and currency = 'USD' group by day order by day desc limit 5
        """,
    ),
    (
        "Which streams brought most profit, and which share of their clicks was shown the money page?",
        """
        select stream_name as stream, sum(clicks)::bigint as clicks,
               round(100 * sum(money_hits) / sum(clicks), 1)::decimal(5, 1) as money_percent,
               sum(conversions)::bigint as conversions, sum(profit)::decimal(18, 2) as profit
        from marts.traffic_quality
        group by stream_name order by profit desc, stream limit 5
        """,
    ),
)
"""Questions, and their SQL on the marts."""


def answer_questions(warehouse: duckdb.DuckDBPyConnection) -> None:
    """Print each question and its answer."""
    for question, sql in QUESTIONS:
        print(f"\n{question}\n")
        answer = warehouse.execute(sql)
        headings = [column[0] for column in answer.description or ()]
        show(headings, [list(row) for row in answer.fetchall()])


def show(headings: list[str], rows: list[list[Any]]) -> None:
    """Print a table with right-aligned numbers."""
    texts = [[_text(value) for value in row] for row in rows]
    widths = [max(len(text) for text in column) for column in zip(headings, *texts, strict=True)]
    right = [
        bool(rows) and all(isinstance(row[i], (int, float)) or row[i] is None for row in rows)
        for i in range(len(headings))
    ]
    for line in [headings, ["-" * width for width in widths], *texts]:
        cells = (
            text.rjust(width) if aligned else text.ljust(width)
            for text, width, aligned in zip(line, widths, right, strict=True)
        )
        print("  " + "  ".join(cells).rstrip())


def _text(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, float):
        return f"{value:,.1f}"
    return f"{value:,}" if isinstance(value, int) else str(value)
