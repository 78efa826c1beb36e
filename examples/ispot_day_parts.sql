-- When do ads air, and what does a thousand impressions cost? Hours are those of US Eastern time.
select
    hour(timezone('America/New_York', airing_aired_at_et)) as eastern_hour,
    count(*) as airings,
    sum(audience_impressions) as impressions,
    round(sum(airing_spend_estimated) * 1000.0 / sum(audience_impressions), 2) as usd_per_thousand
from tap_ispot.audience_airings
where audience_impressions > 0 and airing_spend_estimated is not null
group by eastern_hour
order by eastern_hour
