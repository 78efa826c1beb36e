-- What did SpringServe and Magnite earn per day in US dollars, in the last five complete days?
select day, sum(gross_revenue) filter (where vendor = 'springserve')::decimal(18, 2) as springserve,
       sum(gross_revenue) filter (where vendor = 'magnite')::decimal(18, 2) as magnite,
       sum(gross_revenue)::decimal(18, 2) as together,
       sum(net_revenue)::decimal(18, 2) as net
from marts.ad_revenue_daily
where day < current_date and currency = 'USD' group by day order by day desc limit 5
