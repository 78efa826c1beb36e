{{ config(**changed_days('traffic', 'day')) }}
select
    {{ key(['day', 'stream_id']) }} as traffic_daily_key,
    vendor,
    day,
    time_zone,
    stream_id,
    stream_name,
    clicks,
    fingerprints,
    safe_hits,
    money_hits,
    givt,
    sivt,
    mia,
    conversions,
    cost,
    revenue,
    profit,
    currency,
    {{ this_build() }} as built_at
from {{ ref('int_traffic') }}
{{ where_changed('traffic', 'day') }}
and detail = 'stream'
