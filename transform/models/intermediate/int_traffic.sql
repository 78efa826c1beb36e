-- Adspect's funnel, by stream, and if that report is loaded, by country and sub id too. Rows are summed, because a user may
-- add dimensions to the reports.
{%- set counts = ['clicks', 'fingerprints', 'safe_hits', 'money_hits', 'givt', 'sivt', 'mia', 'conversions'] %}
{%- set rows %}
    {%- for stream, detail in [('funnel_by_country', 'country and sub id'), ('funnel_daily', 'stream')] %}
    select
        day,
        time_zone,
        stream_id,
        {%- if detail == 'stream' %}
        cast(null as {{ type_of('text') }}) as country_code,
        cast(null as {{ type_of('text') }}) as sub_id,
        {%- else %}
        coalesce(country_code, '') as country_code,
        coalesce(sub_id, '') as sub_id,
        {%- endif %}
        '{{ detail }}' as detail,
        {%- for count in counts %}
        cast(sum({{ count }}) as bigint) as {{ count }},
        {%- endfor %}
        sum(expenses) as cost,
        sum(revenue) as revenue,
        sum(profit) as profit,
        currency
    from {{ ref('stg_adspect__' ~ stream) }}
    group by day, time_zone, stream_id, currency
        {{- ", coalesce(country_code, ''), coalesce(sub_id, '')" if detail != 'stream' }}
    {{- ' union all' if not loop.last }}
    {%- endfor %}
{%- endset %}
select
    'adspect' as vendor,
    funnel.*,
    streams.name as stream_name
from ({{ rows }}
) as funnel
left join {{ ref('stg_adspect__streams') }} as streams on funnel.stream_id = streams.stream_id
