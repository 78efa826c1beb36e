-- How many airings per day do iSpot.tv (US) and Spotwatch (Europe) see, in the last five complete days?
select aired_on as day, sum(airings) filter (where vendor = 'ispot')::bigint as us_airings,
       sum(airings) filter (where vendor = 'spotwatch')::bigint as european_airings
from marts.airings_daily
where aired_on < (now() at time zone time_zone)::date group by day order by day desc limit 5
