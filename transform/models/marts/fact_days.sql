{{ config(
    materialized='incremental',
    incremental_strategy='delete+insert',
    unique_key=['fact', 'vendor', 'day'],
    on_schema_change='fail',
) }}
-- The days of the facts, and when the rows of each last changed. The incremental marts rebuild the days that changed.
--
-- Compared with the last build: for each day the number of rows, and of rows with a brand, publisher or stream that is
-- identified, because that can happen long after; for the newest `lookback_days` days every value.
{%- set facts = {
    'airings': ('int_airings', 'aired_on', 'brand_name'),
    'ad_revenue': ('int_ad_revenue', 'day', 'publisher_name'),
    'traffic': ('int_traffic', 'day', 'stream_name'),
} %}

with {% if is_incremental() -%}
horizons as (
    select fact, vendor, {{ days_before('least(max(day), cast(' ~ this_build() ~ ' as date))', var('lookback_days')) }} as first_day
    from {{ this }}
    where row_count > 0
    group by fact, vendor
),

{% endif -%}
row_counts as (
    {%- for fact, (model, day, name) in facts.items() %}
    select '{{ fact }}' as fact, vendor, {{ day }} as day, count(*) as row_count, count({{ name }}) as identified
    from {{ ref(model) }}
    group by vendor, {{ day }}
    {{- ' union all' if not loop.last }}
    {%- endfor %}
),

fingerprints as (
    {%- for fact, (model, day, name) in facts.items() %}
    select '{{ fact }}' as fact, rows_.vendor, rows_.{{ day }} as day, {{ fingerprint('rows_') }} as fingerprint
    from {{ ref(model) }} as rows_
    {%- if is_incremental() %}
    left join horizons on horizons.fact = '{{ fact }}' and rows_.vendor = horizons.vendor
    where horizons.first_day is null or rows_.{{ day }} >= horizons.first_day
    {%- endif %}
    group by rows_.vendor, rows_.{{ day }}
    {{- ' union all' if not loop.last }}
    {%- endfor %}
),

days as (
    select row_counts.*, fingerprints.fingerprint
    from row_counts
    left join fingerprints
        on row_counts.fact = fingerprints.fact
        and row_counts.vendor = fingerprints.vendor
        and row_counts.day = fingerprints.day
)

{% if is_incremental() -%}
select
    coalesce(days.fact, before.fact) as fact,
    coalesce(days.vendor, before.vendor) as vendor,
    coalesce(days.day, before.day) as day,
    coalesce(days.row_count, 0) as row_count,
    coalesce(days.identified, 0) as identified,
    days.fingerprint,
    coalesce(before.first_built_at, {{ this_build() }}) as first_built_at,
    {{ this_build() }} as changed_at,
    coalesce(before.changes + 1, 0) as changes
from days
full outer join {{ this }} as before
    on days.fact = before.fact and days.vendor = before.vendor and days.day = before.day
where
    before.day is null
    or coalesce(days.row_count, 0) <> before.row_count
    or coalesce(days.identified, 0) <> before.identified
    or days.fingerprint <> coalesce(before.fingerprint, '')
{%- else -%}
select
    fact,
    vendor,
    day,
    row_count,
    identified,
    fingerprint,
    {{ this_build() }} as first_built_at,
    {{ this_build() }} as changed_at,
    0 as changes
from days
{%- endif %}
