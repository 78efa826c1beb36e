-- Which ad units left most requests unfilled? Rates of several rows are computed from their sums.
select
    adUnit as ad_unit,
    sum(requests) as requests,
    sum(impressions) as impressions,
    round(100.0 * sum(impressions) / sum(requests), 1) as fill_percent
from tap_magnite.adstats_daily
group by ad_unit
having sum(requests) > 0
order by sum(requests) - sum(impressions) desc, ad_unit
limit 10
