-- SpringServe's supply tags, and Magnite's supply and ad units, in one shape.
select
    {{ key(["'springserve'", 'tags.id']) }} as inventory_key,
    'springserve' as vendor,
    'supply tag' as level,
    cast(tags.id as {{ type_of('text') }}) as inventory_id,
    tags.name,
    {{ key(["'springserve'", 'tags.supply_partner_id']) }} as publisher_key,
    partners.name as publisher_name,
    cast(null as {{ type_of('text') }}) as parent_key,
    tags.environment,
    tags.format,
    coalesce(tags.is_active, tags.active) as is_active,
    tags.created_at_utc,
    tags.updated_at_utc
from {{ ref('stg_springserve__supply_tags') }} as tags
left join {{ ref('stg_springserve__supply_partners') }} as partners on tags.supply_partner_id = partners.id

union all

select
    {{ key(["'magnite'", 'supply.id']) }} as inventory_key,
    'magnite' as vendor,
    'supply' as level,
    cast(supply.id as {{ type_of('text') }}) as inventory_id,
    supply.name,
    {{ key(["'magnite'", 'supply.publisher_id']) }} as publisher_key,
    publishers.name as publisher_name,
    cast(null as {{ type_of('text') }}) as parent_key,
    cast(null as {{ type_of('text') }}) as environment,
    {{ json_text('supply.type', 'name') }} as format,
    cast(null as boolean) as is_active,
    supply.created_at_utc,
    supply.updated_at_utc
from {{ ref('stg_magnite__supply') }} as supply
left join {{ ref('stg_magnite__publishers') }} as publishers on supply.publisher_id = publishers.id

union all

select
    {{ key(["'magnite'", "'unit'", 'units.id']) }} as inventory_key,
    'magnite' as vendor,
    'ad unit' as level,
    cast(units.id as {{ type_of('text') }}) as inventory_id,
    units.name,
    {{ key(["'magnite'", 'units.publisher_id']) }} as publisher_key,
    publishers.name as publisher_name,
    {{ key(["'magnite'", 'units.supply_id']) }} as parent_key,
    cast(null as {{ type_of('text') }}) as environment,
    {{ json_text('units.ad_unit_format', 'name') }} as format,
    {{ json_text('units.status', 'name') }} = 'Active' as is_active,
    units.created_at_utc,
    units.updated_at_utc
from {{ ref('stg_magnite__ad_units') }} as units
left join {{ ref('stg_magnite__publishers') }} as publishers on units.publisher_id = publishers.id
