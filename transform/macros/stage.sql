{#- Whether a stream that is off by default has a staging model. -#}
{%- macro is_selected(tap, stream) -%}
{{ return(tap ~ '.' ~ stream in var('streams') or (tap, stream) == ('tap_ispot', var('ispot_airings'))) }}
{%- endmacro -%}

{#- A staging model that exists even if its table, or some of its columns, does not: a user with one vendor, or with
    deselected streams and columns, has typed nulls instead, or no rows.

    columns: (vendor's name, name, kind). derived: (name, SQL that uses the names). -#}
{%- macro stage(source, columns, derived=[]) -%}
{%- set relation = adapter.get_relation(source.database, source.schema, source.identifier) if execute else none -%}
{%- set present = {} -%}
{%- if relation is not none -%}
  {%- for column in adapter.get_columns_in_relation(relation) -%}
    {%- do present.update({column.name | lower: column}) -%}
  {%- endfor -%}
{%- endif -%}
with typed as (
    select
{%- for vendor_name, name, kind in columns %}
        {{ cast_as(present.get(vendor_name | lower), kind) }} as {{ quoted(name) }},
{%- endfor %}
        {{ loaded_at(present) }} as loaded_at_utc
    {% if relation is not none -%}
    from {{ relation }}
    {%- if '_sdc_deleted_at' in present %}
    where {{ adapter.quote(present['_sdc_deleted_at'].name) }} is null
    {%- endif %}
    {%- elif execute -%}
    where 1 = 0
    {%- endif %}
)

select
    typed.*
{%- for name, sql in derived %},
    {{ sql }} as {{ name }}
{%- endfor %}
from typed
{%- endmacro -%}

{#- When the loader wrote a row, or null if it adds no record metadata. -#}
{%- macro loaded_at(present) -%}
{%- for name in ['_sdc_batched_at', '_sdc_received_at', '_sdc_extracted_at'] if name in present -%}
{%- if loop.first -%}{{ cast_as(present[name], 'instant') }}{%- endif -%}
{%- else -%}
cast(null as timestamp)
{%- endfor -%}
{%- endmacro -%}
