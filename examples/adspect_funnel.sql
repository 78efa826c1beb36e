-- How much of each stream's traffic was good, and what did it earn?
select
    coalesce(streams.name, funnel.stream_id) as stream,
    sum(clicks) as clicks,
    round(100.0 * sum(money_hits) / sum(clicks), 1) as money_percent,
    sum(conversions) as conversions,
    sum(profit) as profit
from tap_adspect.funnel_daily as funnel
left join tap_adspect.streams as streams on funnel.stream_id = streams.stream_id
group by stream
order by profit desc, stream
