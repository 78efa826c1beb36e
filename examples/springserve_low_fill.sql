-- Which active supply tags filled the smallest share of their usable requests on the newest day?
select
    report.supply_tag_id,
    tags.name as supply_tag,
    report.usable_requests,
    report.impressions,
    round(100.0 * report.impressions / report.usable_requests, 1) as fill_percent
from tap_springserve.supply_daily as report
join tap_springserve.supply_tags as tags on report.supply_tag_id = tags.id
where
    report.date = (select max(date) from tap_springserve.supply_daily)
    and tags.is_active and report.usable_requests > 0
order by fill_percent, report.supply_tag_id
limit 10
