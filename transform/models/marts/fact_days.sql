{{ config(
    materialized='incremental',
    incremental_strategy='delete+insert',
    unique_key=['fact', 'vendor', 'day'],
    on_schema_change='fail',
) }}
-- The days of the facts, and when the rows of each last changed. The incremental marts rebuild the days that changed.
--
-- Compared with the last build: for each day the number of rows, and of rows with a brand, publisher or stream that is
-- identified, because that can happen long after, and the sums of all measures, so that money is never old; for the newest
-- `lookback_days` days every value.
{%- set facts = {
    'airings': ('int_airings', 'aired_on', 'brand_name', ['spend', 'media_value', 'impressions', 'duration_seconds']),
    'ad_revenue': ('int_ad_revenue', 'day', 'publisher_name', ['requests', 'impressions', 'gross_revenue', 'net_revenue']),
    'traffic': ('int_traffic', 'day', 'stream_name', ['clicks', 'fingerprints', 'safe_hits', 'money_hits', 'givt', 'sivt', 'mia',
                'conversions', 'cost', 'revenue', 'profit']),
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
    {%- for fact, (model, day, name, measures) in facts.items() %}
    select
        '{{ fact }}' as fact,
        vendor,
        {{ day }} as day,
        count(*) as row_count,
        count({{ name }}) as identified,
        {%- set sums = [] %}
        {%- for measure in measures %}{% do sums.append('sum(' ~ measure ~ ')') %}{% endfor %}
        {{ key(sums) }} as totals
    from {{ ref(model) }}
    group by vendor, {{ day }}
    {{- ' union all' if not loop.last }}
    {%- endfor %}
),

fingerprints as (
    {%- for fact, (model, day, name, measures) in facts.items() %}
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
    coalesce(days.totals, '') as totals,
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
    or coalesce(days.totals, '') <> before.totals
    or days.fingerprint <> coalesce(before.fingerprint, '')
{%- else -%}
select
    fact,
    vendor,
    day,
    row_count,
    identified,
    totals,
    fingerprint,
    {{ this_build() }} as first_built_at,
    {{ this_build() }} as changed_at,
    0 as changes
from days
{%- endif %}
