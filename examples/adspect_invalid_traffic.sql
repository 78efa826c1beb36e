-- Which share of the clicks was general or sophisticated invalid traffic, per day? Days are in the column time_zone.
select
    date as day,
    time_zone,
    sum(clicks) as clicks,
    round(100.0 * sum(givt) / sum(clicks), 1) as givt_percent,
    round(100.0 * sum(sivt) / sum(clicks), 1) as sivt_percent
from tap_adspect.funnel_daily
group by day, time_zone
order by day desc
