-- How old the newest row of each fact is, next to the age that the vendor's refresh times allow (sources' `freshness`).
{%- set facts = [
    ('ispot', var('ispot_airings'), 'aired_at_utc'),
    ('spotwatch', 'broadcasts', 'aired_at_utc'),
    ('adspect', 'funnel_daily', 'day'),
    ('springserve', 'supply_daily', 'day'),
    ('springserve', 'demand_daily', 'day'),
    ('magnite', 'adstats_daily', 'day'),
] %}
with newest as (
    {%- for vendor, stream, column in facts %}
    {%- set source = (graph.sources.values() | selectattr('source_name', 'equalto', 'tap_' ~ vendor)
                      | selectattr('name', 'equalto', 'audience_airings' if vendor == 'ispot' else stream) | first) if execute else none %}
    select
        '{{ vendor }}' as vendor,
        '{{ stream }}' as stream,
        count(*) as row_count,
        cast(max({{ column }}) as timestamp) as newest_row_utc,
        max(loaded_at_utc) as loaded_at_utc,
        {{ source.freshness.warn_after.count if execute else 0 }} as allowed_hours
    from {{ ref('stg_' ~ vendor ~ '__' ~ stream) }}
    {{- ' union all' if not loop.last }}
    {%- endfor %}
)

select
    vendor,
    stream,
    row_count,
    newest_row_utc,
    loaded_at_utc,
    allowed_hours,
    {{ hours_between('newest_row_utc', this_build()) }} as age_hours,
    {{ hours_between('newest_row_utc', this_build()) }} <= allowed_hours as is_fresh,
    {{ this_build() }} as built_at
from newest
where row_count > 0
