-- Which ads aired for the first time most recently in the loaded data, and whose are they?
select
    airings.spot_id,
    any_value(spots.title) as title,
    any_value(spots.brand_name) as brand,
    min(timezone('America/New_York', airing_aired_at_et)) as first_aired_eastern,
    count(*) as airings
from tap_ispot.audience_airings as airings
left join tap_ispot.spots as spots on airings.spot_id = spots.id
group by airings.spot_id
order by first_aired_eastern desc, airings.spot_id
limit 10
