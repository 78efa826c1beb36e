-- Which days brought back less than they cost, and in which stream?
select date as day, stream_id, conversions, expenses, revenue, profit, round(revenue / expenses, 2) as return_on_spend
from tap_adspect.funnel_daily
where expenses > 0 and profit < 0
order by profit, day, stream_id
limit 10
