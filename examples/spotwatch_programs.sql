-- On which channels and in which programs do ads air most? Days are UTC days.
select region, channel, program, count(*) as airings, count(distinct time::timestamp::date) as days
from tap_spotwatch.broadcasts
where program <> ''
group by region, channel, program
order by airings desc, region, channel, program
limit 10
