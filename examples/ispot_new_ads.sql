-- Which ads aired for the first time in the last three days, and whose are they?
select
    airings.spot_id,
    any_value(spots.title) as title,
    any_value(spots.brand_name) as brand,
    min(timezone('America/New_York', airing_aired_at_et)) as first_aired_eastern,
    count(*) as airings
from tap_ispot.audience_airings as airings
left join tap_ispot.spots as spots on airings.spot_id = spots.id
group by airings.spot_id
having min(airing_aired_at_et) > (select max(airing_aired_at_et) - interval 3 days from tap_ispot.audience_airings)
order by airings desc, airings.spot_id
limit 10
