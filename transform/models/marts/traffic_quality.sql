{{ config(**changed_days('traffic', 'day')) }}
with traffic as (
    select *
    from {{ ref('int_traffic') }}
    {{ where_changed('traffic', 'day') }}
),

detailed as (
    select distinct day, stream_id
    from traffic
    where detail = 'country and sub id'
)

select
    {{ key(['traffic.day', 'traffic.stream_id', 'traffic.country_code', 'traffic.sub_id']) }} as traffic_quality_key,
    traffic.vendor,
    traffic.day,
    traffic.time_zone,
    traffic.stream_id,
    traffic.stream_name,
    traffic.country_code,
    traffic.sub_id,
    traffic.detail,
    traffic.clicks,
    traffic.safe_hits,
    traffic.money_hits,
    traffic.conversions,
    {{ ratio('traffic.safe_hits', 'traffic.clicks') }} as safe_rate,
    {{ ratio('traffic.money_hits', 'traffic.clicks') }} as money_rate,
    {{ ratio('traffic.conversions', 'traffic.money_hits') }} as conversion_rate,
    traffic.cost,
    traffic.revenue,
    traffic.profit,
    traffic.currency,
    {{ this_build() }} as built_at
from traffic
left join detailed on traffic.day = detailed.day and traffic.stream_id = detailed.stream_id
where traffic.detail = 'country and sub id' or detailed.day is null
