-- Which streams brought most profit, and which share of their clicks was shown the money page?
select stream_name as stream, sum(clicks)::bigint as clicks,
       round(100 * sum(money_hits) / sum(clicks), 1)::decimal(5, 1) as money_percent,
       sum(conversions)::bigint as conversions, round(sum(profit), 2) as profit
from marts.traffic_quality
group by stream_name order by profit desc, stream limit 5
