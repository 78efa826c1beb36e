-- The catalogues of both vendors, and the ads of airings that are in neither.
with catalogue as (
    select
        'ispot' as vendor,
        {{ key(["'ispot'", 'id']) }} as ad_key,
        cast(id as {{ type_of('text') }}) as ad_id,
        title,
        description,
        {{ key(["'ispot'", 'brand_id']) }} as brand_key,
        brand_name,
        cast(null as bigint) as duration_seconds,
        cast(null as timestamp) as created_at_utc
    from {{ ref('stg_ispot__spots') }}

    union all

    select
        'spotwatch' as vendor,
        {{ key(["'spotwatch'", 'id']) }} as ad_key,
        cast(id as {{ type_of('text') }}) as ad_id,
        nullif(description, '') as title,
        nullif(description, '') as description,
        {{ key(["'spotwatch'", 'brand']) }} as brand_key,
        nullif(brand, '') as brand_name,
        duration as duration_seconds,
        created_at_utc
    from {{ ref('stg_spotwatch__ads') }}
),

aired as (
    select
        vendor,
        ad_key,
        max(ad_title) as title,
        max(brand_key) as brand_key,
        max(brand_name) as brand_name,
        min(aired_on) as first_aired_on,
        max(aired_on) as last_aired_on,
        cast(sum(airings) as bigint) as airings
    from {{ ref('airings_daily') }}
    group by vendor, ad_key
)

select
    coalesce(catalogue.ad_key, aired.ad_key) as ad_key,
    coalesce(catalogue.vendor, aired.vendor) as vendor,
    catalogue.ad_id,
    coalesce(catalogue.title, aired.title) as title,
    catalogue.description,
    coalesce(catalogue.brand_key, aired.brand_key) as brand_key,
    coalesce(catalogue.brand_name, aired.brand_name) as brand_name,
    catalogue.duration_seconds,
    catalogue.created_at_utc,
    aired.first_aired_on,
    aired.last_aired_on,
    coalesce(aired.airings, 0) as airings,
    catalogue.ad_key is not null as is_in_catalogue
from catalogue
full outer join aired on catalogue.ad_key = aired.ad_key
