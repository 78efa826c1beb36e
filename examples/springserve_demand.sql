-- Which demand tags brought most revenue, and whose are they?
select
    report.demand_tag_id,
    any_value(tags.name) as demand_tag,
    coalesce(any_value(partners.name), 'partner ' || any_value(tags.demand_partner_id)) as partner,
    sum(report.impressions) as impressions,
    sum(report.revenue) as revenue
from tap_springserve.demand_daily as report
left join tap_springserve.demand_tags as tags on report.demand_tag_id = tags.id
left join tap_springserve.demand_partners as partners on tags.demand_partner_id = partners.id
group by report.demand_tag_id
order by revenue desc, report.demand_tag_id
limit 10
