-- SpringServe counts each impression and dollar once by supply tag and once by demand tag, so the days of both reports
-- have equal totals. A warning: the reports are read one after the other, and may be restated in between.
{{ config(severity='warn') }}
with supply as (
    select day, sum(impressions) as impressions, sum(revenue) as revenue
    from {{ ref('stg_springserve__supply_daily') }}
    group by day
),

demand as (
    select day, sum(impressions) as impressions, sum(revenue) as revenue
    from {{ ref('stg_springserve__demand_daily') }}
    group by day
)

select *
from supply
inner join demand on supply.day = demand.day
where supply.impressions <> demand.impressions or supply.revenue <> demand.revenue
