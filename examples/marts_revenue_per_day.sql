-- What did SpringServe and Magnite earn per day in US dollars, in the last five complete days?
select day, round(sum(gross_revenue) filter (where vendor = 'springserve'), 2) as springserve,
       round(sum(net_revenue) filter (where vendor = 'springserve'), 2) as springserve_net,
       round(sum(gross_revenue) filter (where vendor = 'magnite'), 2) as magnite,
       round(sum(net_revenue) filter (where vendor = 'magnite'), 2) as magnite_net
from marts.ad_revenue_daily
where day < (now() at time zone time_zone)::date and currency = 'USD' group by day order by day desc limit 5
