"""The charts of the report: title, SQL on the marts, marks. DuckDB and PostgreSQL run the same SQL."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

Encoding = dict[str, Any]

VENDORS = {
    "ispot": "iSpot.tv (US)",
    "spotwatch": "Spotwatch (Europe)",
    "springserve": "SpringServe",
    "magnite": "Magnite",
    "adspect": "Adspect",
}
"""Names of the vendors, as readers know them."""


@dataclass(frozen=True)
class Chart:
    """A chart and its table.

    Attributes:
        name: Identifier in the page.
        title: Heading. `{period}` is the first and last day of the rows.
        note: One or two sentences on units and limits. `{zones}` names the zone of the days.
        mart: The mart that the SQL reads.
        vendors: Vendors that the mart has, if they are loaded.
        sql: The query. `{marts}` is the schema, `{days}` the number of days to show. A column `vendor` is required.
        views: Vega-Lite views without data, one below or next to the other; none for a table without a chart.
        panels: Columns whose values make the panels; each panel has all views.
        total: Column whose sum is shown in the title of each panel.
        same_scale: Whether the y axes of all panels have the same scale.
    """

    name: str
    title: str
    note: str
    mart: str
    vendors: tuple[str, ...]
    sql: str
    views: tuple[dict[str, Any], ...] = ()
    panels: tuple[str, ...] = ()
    total: str = ""
    same_scale: bool = False


def _day(title: str = "") -> Encoding:
    # Vega-Lite reads a date as midnight UTC, so its days are those of the marts whatever the browser's zone.
    axis = {"format": "%-d %b", "labelOverlap": True, "tickCount": 5, "grid": False}
    return {"field": "day", "type": "temporal", "timeUnit": "utcyearmonthdate", "title": title or None, "axis": axis}


def _amount(field: str, **axis: Any) -> Encoding:
    # Without the expression, zero is shown in the unit of the other labels, as `0k`.
    labels = {"format": "~s", "tickCount": 4, "labelExpr": "datum.value === 0 ? '0' : datum.label"}
    return {"field": field, "type": "quantitative", "title": None, "axis": {**labels, **axis}}


def _tooltip(*fields: tuple[str, str, str]) -> list[Encoding]:
    kinds = {
        "date": {"type": "temporal", "format": "%a %-d %b %Y", "timeUnit": "utcyearmonthdate"},
        "": {"type": "nominal"},
    }
    return [
        {"field": field, "title": title, **kinds.get(style, {"type": "quantitative", "format": style})}
        for field, title, style in fields
    ]


CHARTS = (
    Chart(
        name="spend",
        title="The brands that spent most on TV, {period}",
        note="Estimated spend per day, six brands with the highest sum, same scale. {zones}",
        mart="brand_spend_daily",
        vendors=("ispot",),
        sql="""
with period as (
    select *
    from {marts}.brand_spend_daily
    where spend is not null and brand_name is not null
        and aired_on < cast(now() at time zone time_zone as date)
        and aired_on > (select max(aired_on) from {marts}.brand_spend_daily) - {days}
),

brands as (
    select
        brand_key,
        currency,
        max(brand_name) as name,
        row_number() over (partition by currency order by sum(spend) desc, brand_key) as place
    from period
    group by brand_key, currency
)

select
    vendor, time_zone, place, name as brand_name, currency,
    aired_on as day,
    sum(spend) as spend,
    cast(sum(airings) as bigint) as airings
from period
inner join brands using (brand_key, currency)
where place <= 6
group by vendor, time_zone, place, name, currency, aired_on
order by currency, place, day
""",
        views=(
            {
                "height": 120,
                "mark": {"type": "bar"},
                "encoding": {
                    "x": _day(),
                    "y": _amount("spend"),
                    "tooltip": _tooltip(
                        ("day", "day", "date"), ("spend", "spend", ",.2f"), ("airings", "airings", ",")
                    ),
                },
            },
        ),
        panels=("brand_name", "currency"),
        total="spend",
        same_scale=True,
    ),
    Chart(
        name="hours",
        title="Airings by hour of the day and network, {period}",
        note="The sixteen networks of each vendor with the most airings, by hour in the zone of the panel. {zones}",
        mart="airings",
        vendors=("ispot", "spotwatch"),
        sql="""
with hours as (
    select
        vendor, time_zone, channel_name,
        cast(extract(hour from aired_at_local) as integer) as hour,
        count(*) as airings,
        sum(count(*)) over (partition by vendor, channel_name) as of_channel,
        min(aired_on) as first_day,
        max(aired_on) as last_day
    from {marts}.airings
    where aired_on < cast(now() at time zone time_zone as date)
        and aired_on > (select max(aired_on) from {marts}.airings) - {days}
    group by vendor, time_zone, channel_name, extract(hour from aired_at_local)
),

places as (
    select *, dense_rank() over (partition by vendor order by of_channel desc, channel_name) as place
    from hours
)

select vendor, time_zone, place, channel_name, hour, airings, first_day, last_day
from places
where place <= 16
order by vendor, place, hour
""",
        views=(
            {
                "height": {"step": 18},
                "mark": {"type": "rect"},
                "encoding": {
                    "x": {
                        "field": "hour",
                        "type": "ordinal",
                        "title": "hour of the day",
                        "axis": {"labelAngle": 0, "labelOverlap": True, "domain": False},
                    },
                    "y": {
                        "field": "channel_name",
                        "type": "nominal",
                        "sort": None,
                        "title": None,
                        "axis": {"domain": False},
                    },
                    "color": {
                        "field": "airings",
                        "type": "quantitative",
                        "title": "airings",
                        "scale": {"zero": False},
                        "legend": {"tickCount": 3, "format": "~s"},
                    },
                    "tooltip": _tooltip(
                        ("channel_name", "network", ""), ("hour", "hour", ""), ("airings", "airings", ",")
                    ),
                },
            },
        ),
        panels=("vendor", "time_zone"),
    ),
    Chart(
        name="ads",
        title="Ads seen for the first time, {period}",
        note="Ads by the day of their first airing in the loaded data: in its first days, every ad is new. {zones}",
        mart="ads",
        vendors=("ispot", "spotwatch"),
        sql="""
select
    vendor,
    case vendor when 'ispot' then 'America/New_York' else 'UTC' end as time_zone,
    first_aired_on as day,
    count(*) as new_ads,
    cast(sum(airings) as bigint) as airings
from {marts}.ads
where first_aired_on < cast(now() at time zone case vendor when 'ispot' then 'America/New_York' else 'UTC' end as date)
    and first_aired_on > (select max(last_aired_on) from {marts}.ads) - {days}
group by vendor, first_aired_on
order by vendor, day
""",
        views=(
            {
                "height": 150,
                "mark": {"type": "bar"},
                "encoding": {
                    "x": _day(),
                    "y": _amount("new_ads"),
                    "tooltip": _tooltip(
                        ("day", "day", "date"), ("new_ads", "new ads", ","), ("airings", "their airings since", ",")
                    ),
                },
            },
        ),
        panels=("vendor",),
        total="new_ads",
    ),
    Chart(
        name="revenue",
        title="Revenue and fill rate by platform, {period}",
        note="Gross revenue per day in the currency of the panel; fill rate = impressions / requests. Do not "
        "add the platforms: SpringServe's revenue includes what Magnite buys through it. {zones}",
        mart="ad_revenue_daily",
        vendors=("springserve", "magnite"),
        sql="""
select
    vendor, time_zone, currency, day,
    sum(gross_revenue) as gross_revenue,
    sum(net_revenue) as net_revenue,
    cast(sum(requests) as bigint) as requests,
    cast(sum(impressions) as bigint) as impressions,
    cast(cast(sum(impressions) as decimal(38, 6)) / nullif(sum(requests), 0) as decimal(38, 6)) as fill_rate
from {marts}.ad_revenue_daily
where day < cast(now() at time zone time_zone as date)
    and day > (select max(day) from {marts}.ad_revenue_daily) - {days}
group by vendor, time_zone, currency, day
order by vendor desc, currency desc, day
""",
        views=(
            {
                "title": "gross revenue",
                "height": 120,
                "mark": {"type": "bar"},
                "encoding": {
                    "x": _day(),
                    "y": _amount("gross_revenue"),
                    "tooltip": _tooltip(
                        ("day", "day", "date"), ("gross_revenue", "gross", ",.2f"), ("net_revenue", "net", ",.2f")
                    ),
                },
            },
            {
                "title": "fill rate",
                "height": 80,
                "mark": {"type": "line", "color": {"expr": "second"}, "point": True},
                "encoding": {
                    "x": {**_day(), "bandPosition": 0.5},
                    "y": _amount("fill_rate", format="~%"),
                    "tooltip": _tooltip(
                        ("day", "day", "date"),
                        ("fill_rate", "fill rate", ".2%"),
                        ("requests", "requests", ","),
                        ("impressions", "impressions", ","),
                    ),
                },
            },
        ),
        panels=("vendor", "currency"),
        total="gross_revenue",
    ),
    Chart(
        name="traffic",
        title="Traffic quality and profit by stream, {period}",
        note="The twelve streams with the most clicks. Other: clicks that were shown neither page. Profit is in the "
        "unit in which cost and payouts were passed to Adspect. {zones}",
        mart="traffic_quality",
        vendors=("adspect",),
        sql="""
select
    vendor, time_zone, stream_id,
    coalesce(max(stream_name), stream_id) as stream,
    cast(sum(clicks) as bigint) as clicks,
    cast(sum(money_hits) as bigint) as money_page,
    cast(sum(safe_hits) as bigint) as safe_page,
    cast(sum(clicks) - sum(money_hits) - sum(safe_hits) as bigint) as other,
    cast(sum(conversions) as bigint) as conversions,
    sum(cost) as cost,
    sum(revenue) as revenue,
    sum(profit) as profit,
    currency,
    min(day) as first_day,
    max(day) as last_day
from {marts}.traffic_quality
where day < cast(now() at time zone time_zone as date)
    and day > (select max(day) from {marts}.traffic_quality) - {days}
group by vendor, time_zone, stream_id, currency
order by clicks desc, stream_id
limit 12
""",
        views=(
            {
                "title": "share of clicks",
                "height": {"step": 22},
                "transform": [
                    {"fold": ["money_page", "safe_page", "other"], "as": ["kind", "hits"]},
                    {"calculate": "replace(datum.kind, '_', ' ')", "as": "page"},
                    {"calculate": "indexof(['money page', 'safe page', 'other'], datum.page)", "as": "place"},
                    {"calculate": "datum.hits / datum.clicks", "as": "share"},
                ],
                "mark": {"type": "bar"},
                "encoding": {
                    "y": {"field": "stream", "type": "nominal", "sort": None, "title": None, "axis": {"domain": False}},
                    "x": {
                        **_amount("hits", format="%"),
                        "stack": "normalize",
                    },
                    "color": {
                        "field": "page",
                        "type": "nominal",
                        "title": None,
                        "scale": {"domain": ["money page", "safe page", "other"]},
                    },
                    "order": {"field": "place"},
                    "tooltip": _tooltip(
                        ("stream", "stream", ""),
                        ("page", "shown", ""),
                        ("hits", "clicks", ","),
                        ("share", "share", ".1%"),
                    ),
                },
            },
            {
                "title": "profit",
                "height": {"step": 22},
                "mark": {"type": "bar"},
                "encoding": {
                    "y": {"field": "stream", "type": "nominal", "sort": None, "title": None, "axis": {"domain": False}},
                    "x": _amount("profit"),
                    "tooltip": _tooltip(
                        ("stream", "stream", ""),
                        ("profit", "profit", ",.2f"),
                        ("revenue", "revenue", ",.2f"),
                        ("cost", "cost", ",.2f"),
                        ("conversions", "conversions", ","),
                    ),
                },
            },
        ),
    ),
    Chart(
        name="freshness",
        title="How old the newest rows were at the last build",
        note="Instants in UTC. Late: older than the vendor's refresh times allow.",
        mart="data_freshness",
        vendors=("ispot", "spotwatch", "springserve", "magnite", "adspect"),
        sql="""
select
    vendor, stream,
    case when is_fresh then 'fresh' else 'late' end as state,
    age_hours, allowed_hours, newest_row_utc, row_count, loaded_at_utc
from {marts}.data_freshness
order by vendor, stream
""",
    ),
)
