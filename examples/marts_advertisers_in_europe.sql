-- Which advertisers were on air most in the last seven days, on how many channels, and how many seconds?
select brand_name as brand, count(*) as airings, count(distinct channel_key) as channels,
       sum(duration_seconds)::bigint as seconds, count(distinct ad_key) as ads
from marts.airings
where vendor = 'spotwatch' and brand_name is not null
      and aired_at_utc >= (select max(aired_at_utc) - interval 7 days
                           from marts.airings where vendor = 'spotwatch')
group by brand_name order by airings desc, brand limit 5
