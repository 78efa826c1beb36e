-- What did SpringServe and Magnite earn per day in US dollars, in the last five complete days?
select day, round(sum(gross_revenue) filter (where vendor = 'springserve'), 2) as springserve,
       round(sum(gross_revenue) filter (where vendor = 'magnite'), 2) as magnite,
       round(sum(gross_revenue), 2) as together,
       round(sum(net_revenue), 2) as net
from marts.ad_revenue_daily
where day < current_date and currency = 'USD' group by day order by day desc limit 5
