-- iSpot.tv's networks and Spotwatch's channels, and those of airings that are in neither list.
with listed as (
    select
        'ispot' as vendor,
        {{ key(["'ispot'", 'id']) }} as channel_key,
        name as channel_name,
        'us' as region,
        call_sign,
        language,
        cast(null as boolean) as is_monitored
    from {{ ref('stg_ispot__networks') }}

    union all

    select
        'spotwatch' as vendor,
        {{ key(["'spotwatch'", 'region', 'channel']) }} as channel_key,
        channel as channel_name,
        region,
        cast(null as {{ type_of('text') }}) as call_sign,
        cast(null as {{ type_of('text') }}) as language,
        tracked as is_monitored
    from {{ ref('stg_spotwatch__channels') }}
),

aired as (
    select
        vendor,
        channel_key,
        max(channel_name) as channel_name,
        min(region) as region,
        min(aired_on) as first_aired_on,
        max(aired_on) as last_aired_on,
        cast(sum(airings) as bigint) as airings
    from {{ ref('airings_daily') }}
    group by vendor, channel_key
)

select
    coalesce(listed.channel_key, aired.channel_key) as channel_key,
    coalesce(listed.vendor, aired.vendor) as vendor,
    coalesce(listed.channel_name, aired.channel_name) as channel_name,
    coalesce(listed.region, aired.region) as region,
    listed.call_sign,
    listed.language,
    listed.is_monitored,
    aired.first_aired_on,
    aired.last_aired_on,
    coalesce(aired.airings, 0) as airings,
    listed.channel_key is not null as is_in_catalogue
from listed
full outer join aired on listed.channel_key = aired.channel_key
