-- Where did the five biggest brands of the last seven days spend, by network?
with week as (
    select *
    from tap_ispot.audience_airings
    where airing_aired_at_et >= (select max(airing_aired_at_et) - interval 7 days from tap_ispot.audience_airings)
),
biggest as (select brand_id from week group by brand_id order by sum(airing_spend_estimated) desc, brand_id limit 5)
select brand_name as brand, network_name as network, count(*) as airings, sum(airing_spend_estimated) as spend_usd
from week join biggest using (brand_id)
group by brand, network
order by spend_usd desc, brand, network
limit 10
