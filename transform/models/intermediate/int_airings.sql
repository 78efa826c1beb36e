-- Airings of both vendors in one shape. Days are those of the vendor: US Eastern for iSpot.tv, UTC for Spotwatch.
select
    'ispot' as vendor,
    {{ key(["'ispot'", 'airing_id']) }}
    || coalesce('|' || nullif(airing_dma, ''), '')
    || coalesce('|' || cast(nullif(airing_dma_id, 0) as {{ type_of('text') }}), '') as airing_key,
    cast(airing_id as {{ type_of('text') }}) as airing_id,
    aired_at_utc,
    {{ local_time('aired_at_utc', 'America/New_York') }} as aired_at_local,
    {{ day_in('aired_at_utc', 'America/New_York') }} as aired_on,
    'America/New_York' as time_zone,
    'us' as region,
    airing_type,
    coalesce(nullif(airing_dma, ''), airing_dma_name) as market,
    {{ key(["'ispot'", 'network_id']) }} as channel_key,
    network_name as channel_name,
    {{ key(["'ispot'", 'spot_id']) }} as ad_key,
    spot_title as ad_title,
    {{ key(["'ispot'", 'brand_id']) }} as brand_key,
    brand_name,
    cast(null as bigint) as duration_seconds,
    coalesce(show_title, show_name) as program,
    genre_name as genre,
    sub_genre_name as sub_genre,
    spend_usd as spend,
    media_value_usd as media_value,
    'USD' as currency,
    audience_impressions as impressions
from {{ ref('stg_ispot__' ~ var('ispot_airings')) }}

union all

select
    'spotwatch' as vendor,
    {{ key(["'spotwatch'", 'airings.id']) }} as airing_key,
    cast(airings.id as {{ type_of('text') }}) as airing_id,
    airings.aired_at_utc,
    airings.aired_at_utc as aired_at_local,
    {{ day_in('airings.aired_at_utc', 'UTC') }} as aired_on,
    'UTC' as time_zone,
    airings.region,
    cast(null as {{ type_of('text') }}) as airing_type,
    cast(null as {{ type_of('text') }}) as market,
    {{ key(["'spotwatch'", 'airings.region', 'airings.channel']) }} as channel_key,
    airings.channel as channel_name,
    {{ key(["'spotwatch'", 'airings.ad']) }} as ad_key,
    nullif(ads.description, '') as ad_title,
    {{ key(["'spotwatch'", 'ads.brand']) }} as brand_key,
    nullif(ads.brand, '') as brand_name,
    ads.duration as duration_seconds,
    nullif(airings.program, '') as program,
    nullif(airings.genre, '') as genre,
    nullif(airings.subgenre, '') as sub_genre,
    cast(null as {{ type_of('number') }}) as spend,
    cast(null as {{ type_of('number') }}) as media_value,
    cast(null as {{ type_of('text') }}) as currency,
    cast(null as {{ type_of('number') }}) as impressions
from {{ ref('stg_spotwatch__broadcasts') }} as airings
left join {{ ref('stg_spotwatch__ads') }} as ads on airings.ad = ads.id
where airings.aired_at_utc is not null
