-- Which brands spent most on national TV in the last seven days?
select brand_name as brand, sum(airings)::bigint as airings, round(sum(spend), 2) as spend_usd,
       sum(impressions)::bigint as impressions
from marts.brand_spend_daily
where vendor = 'ispot'
      and aired_on > (select max(aired_on) - 7 from marts.brand_spend_daily where vendor = 'ispot')
group by brand_name order by spend_usd desc limit 5
