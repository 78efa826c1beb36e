{{ config(**changed_days('ad_revenue', 'day')) }}
select
    {{ key(['vendor', 'day', 'publisher_key', 'inventory_key', 'currency']) }} as ad_revenue_daily_key,
    vendor,
    day,
    min(time_zone) as time_zone,
    publisher_key,
    max(publisher_name) as publisher_name,
    inventory_key,
    max(inventory_name) as inventory_name,
    currency,
    cast(sum(requests) as bigint) as requests,
    cast(sum(impressions) as bigint) as impressions,
    {{ ratio('sum(impressions)', 'sum(requests)') }} as fill_rate,
    sum(gross_revenue) as gross_revenue,
    sum(net_revenue) as net_revenue,
    {{ this_build() }} as built_at
from {{ ref('int_ad_revenue') }}
{{ where_changed('ad_revenue', 'day') }}
group by vendor, day, publisher_key, inventory_key, currency
