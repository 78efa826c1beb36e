-- What did the supply of each partner earn, and what did it cost?
select
    coalesce(partners.name, 'partner ' || tags.supply_partner_id, 'unknown') as partner,
    sum(report.impressions) as impressions,
    sum(report.revenue) as revenue,
    sum(report.cost) as cost,
    sum(report.profit) as profit
from tap_springserve.supply_daily as report
left join tap_springserve.supply_tags as tags on report.supply_tag_id = tags.id
left join tap_springserve.supply_partners as partners on tags.supply_partner_id = partners.id
group by partner
order by revenue desc, partner
limit 10
