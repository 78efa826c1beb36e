{{ config(**changed_days('airings', 'aired_on')) }}
select
    {{ key(['vendor', 'aired_on', 'brand_key', 'currency']) }} as brand_spend_daily_key,
    vendor,
    aired_on,
    min(time_zone) as time_zone,
    brand_key,
    max(brand_name) as brand_name,
    currency,
    count(*) as airings,
    count(distinct ad_key) as ads,
    count(distinct channel_key) as channels,
    cast(sum(duration_seconds) as bigint) as seconds,
    sum(spend) as spend,
    sum(media_value) as media_value,
    sum(impressions) as impressions,
    {{ this_build() }} as built_at
from {{ ref('airings') }}
{{ where_changed('airings', 'aired_on') }}
group by vendor, aired_on, brand_key, currency
