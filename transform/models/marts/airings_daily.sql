{{ config(**changed_days('airings', 'aired_on')) }}
select
    {{ key(['vendor', 'aired_on', 'channel_key', 'ad_key']) }} as airings_daily_key,
    vendor,
    aired_on,
    min(time_zone) as time_zone,
    min(region) as region,
    channel_key,
    max(channel_name) as channel_name,
    ad_key,
    max(ad_title) as ad_title,
    max(brand_key) as brand_key,
    max(brand_name) as brand_name,
    count(*) as airings,
    cast(sum(duration_seconds) as bigint) as seconds,
    sum(spend) as spend,
    sum(media_value) as media_value,
    min(currency) as currency,
    sum(impressions) as impressions,
    {{ this_build() }} as built_at
from {{ ref('airings') }}
{{ where_changed('airings', 'aired_on') }}
group by vendor, aired_on, channel_key, ad_key
