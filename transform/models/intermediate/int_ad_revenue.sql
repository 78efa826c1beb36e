-- Rows of the daily reports of SpringServe and Magnite in one shape. A supply tag has its current partner.
select
    'springserve' as vendor,
    report.day,
    report.time_zone,
    report.currency,
    {{ key(["'springserve'", 'tags.supply_partner_id']) }} as publisher_key,
    partners.name as publisher_name,
    {{ key(["'springserve'", 'report.supply_tag_id']) }} as inventory_key,
    coalesce(tags.name, report.supply_tag_name) as inventory_name,
    cast(report.total_requests as bigint) as requests,
    cast(report.impressions as bigint) as impressions,
    report.revenue as gross_revenue,
    report.profit as net_revenue
from {{ ref('stg_springserve__supply_daily') }} as report
left join {{ ref('stg_springserve__supply_tags') }} as tags on report.supply_tag_id = tags.id
left join {{ ref('stg_springserve__supply_partners') }} as partners on tags.supply_partner_id = partners.id

union all

-- A name without an id is its own key.
select
    'magnite' as vendor,
    day,
    time_zone,
    currency,
    {{ key(["'magnite'", "coalesce(cast(publisher_id_link as " ~ type_of('text') ~ "), publisher)"]) }} as publisher_key,
    publisher as publisher_name,
    {{ key(["'magnite'", "coalesce(cast(supply_id_link as " ~ type_of('text') ~ "), supply)"]) }} as inventory_key,
    supply as inventory_name,
    requests,
    impressions,
    gross_revenue,
    net_revenue
from {{ ref('stg_magnite__adstats_daily') }}
