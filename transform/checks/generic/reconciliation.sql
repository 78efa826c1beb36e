{#- A staging model has as many rows as the vendor's table (without those marked as deleted), and equal sums of decimals.
    sums: vendor's columns by staging column. A missing table or column has nothing to compare. -#}
{% test equals_source(model, source, sums) %}
{%- set relation = adapter.get_relation(source.database, source.schema, source.identifier) if execute else none %}
{%- set present = {} %}
{%- if relation is not none %}
  {%- for column in adapter.get_columns_in_relation(relation) %}
    {%- do present.update({column.name | lower: column}) %}
  {%- endfor %}
{%- endif %}
{%- if not present %}
select 1 as nothing_to_compare where 1 = 0
{%- else %}
with ours as (
    select count(*) as n
    {%- for name, vendor_name in sums.items() if vendor_name | lower in present %}, sum({{ name }}) as s{{ loop.index }}{% endfor %}
    from {{ model }}
),

theirs as (
    select count(*) as n
    {%- for name, vendor_name in sums.items() if vendor_name | lower in present %}, sum({{ cast_as(present[vendor_name | lower], 'number') }}) as s{{ loop.index }}{% endfor %}
    from {{ relation }}
    {%- if '_sdc_deleted_at' in present %}
    where {{ adapter.quote(present['_sdc_deleted_at'].name) }} is null
    {%- endif %}
)

select * from ours
except
select * from theirs
{%- endif %}
{% endtest %}

{#- The sums of a mart equal those of another relation. sums: SQL over that relation, by column of the mart. -#}
{% test equal_sums(model, of, sums, condition='1 = 1', own_condition='1 = 1') %}
select {% for column in sums %}sum({{ column }}) as s{{ loop.index }}{{ ', ' if not loop.last }}{% endfor %}
from {{ model }}
where {{ own_condition }}
except
select {% for sql in sums.values() %}sum({{ sql }}) as s{{ loop.index }}{{ ', ' if not loop.last }}{% endfor %}
from {{ of }}
where {{ condition }}
{% endtest %}
