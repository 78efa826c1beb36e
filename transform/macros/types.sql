{#- Types and conversions in which the warehouses differ. Instants are timestamps without zone, in UTC, in all of them;
    numbers are decimals. -#}

{#- Column names such as `end` are words of SQL. Snowflake's are in capitals, as without quotes. -#}
{%- macro quoted(name) -%}
{{ adapter.quote(name | upper if target.type == 'snowflake' else name) }}
{%- endmacro -%}

{#- A column (null if missing) as a kind of `make generate`: integer, number, text, boolean, day, instant, json, array. -#}
{%- macro cast_as(column, kind) -%}
{%- if column is none or column is undefined -%}
cast(null as {{ type_of(kind) }})
{%- else -%}
{{ return(adapter.dispatch('convert')(adapter.quote(column.name), column.dtype | lower, kind)) }}
{%- endif -%}
{%- endmacro -%}

{%- macro type_of(kind) -%}
{{ return(adapter.dispatch('type_of')(kind)) }}
{%- endmacro -%}

{%- macro default__type_of(kind) -%}
{{ return({'integer': 'bigint', 'number': 'decimal(38, 10)', 'text': 'varchar', 'boolean': 'boolean', 'day': 'date',
           'instant': 'timestamp', 'json': 'json', 'array': 'json'}[kind]) }}
{%- endmacro -%}

{%- macro postgres__type_of(kind) -%}
{{ return({'number': 'numeric', 'text': 'text', 'json': 'jsonb', 'array': 'jsonb'}.get(kind) or default__type_of(kind)) }}
{%- endmacro -%}

{%- macro snowflake__type_of(kind) -%}
{{ return({'integer': 'number(38, 0)', 'number': 'number(38, 12)', 'instant': 'timestamp_ntz', 'json': 'variant',
           'array': 'variant'}.get(kind) or default__type_of(kind)) }}
{%- endmacro -%}

{#- DuckDB: a decimal keeps its scale, an integer its width. -#}
{%- macro default__convert(sql, dtype, kind) -%}
{%- if kind == 'instant' and 'with time zone' in dtype -%}
{{ sql }} at time zone 'UTC'
{%- elif (kind == 'number' and ('decimal' in dtype or 'int' in dtype)) or (kind == 'integer' and 'int' in dtype)
      or kind in ('json', 'array') -%}
{{ sql }}
{%- else -%}
cast({{ sql }} as {{ type_of(kind) }})
{%- endif -%}
{%- endmacro -%}

{#- PostgreSQL: columns without a zone are in UTC (docs/postgresql.md), the loader writes JSON's null, and arrays become
    JSON. -#}
{%- macro postgres__convert(sql, dtype, kind) -%}
{%- if kind == 'instant' and dtype == 'timestamp with time zone' -%}
{{ sql }} at time zone 'UTC'
{%- elif kind == 'json' and dtype == 'jsonb' -%}
nullif({{ sql }}, 'null'::jsonb)
{%- elif kind in ('json', 'array') -%}
to_jsonb({{ sql }})
{%- else -%}
cast({{ sql }} as {{ type_of(kind) }})
{%- endif -%}
{%- endmacro -%}

{#- Snowflake: doubles unless declared (docs/snowflake.md), instants with their offset, JSON's null in VARIANT. -#}
{%- macro snowflake__convert(sql, dtype, kind) -%}
{%- if kind == 'instant' -%}
cast(convert_timezone('UTC', {{ sql }}) as timestamp_ntz)
{%- elif kind in ('json', 'array') -%}
{{ "iff(is_null_value(" ~ sql ~ "), null, " ~ sql ~ ")" if dtype == 'variant' else sql }}
{%- elif kind == 'number' and 'number' in dtype -%}
{{ sql }}
{%- else -%}
cast({{ sql }} as {{ type_of(kind) }})
{%- endif -%}
{%- endmacro -%}

{#- A text literal; null if the value is none. -#}
{%- macro text(value) -%}
cast({{ "null" if value is none else "'" ~ value ~ "'" }} as {{ type_of('text') }})
{%- endmacro -%}

{#- A tap's setting, such as `magnite_time_zone`: dbt's variable of that name, or else the tap's environment variable. -#}
{%- macro tap_setting(name, default) -%}
{{ return(var(name) or env_var('TAP_' ~ name | upper, '') or default) }}
{%- endmacro -%}

{#- Wall clock of an instant (UTC, without zone) in a zone: a timestamp without zone. -#}
{%- macro local_time(instant, zone) -%}
{%- if target.type == 'snowflake' -%}
convert_timezone('UTC', '{{ zone }}', {{ instant }})
{%- elif zone == 'UTC' -%}
{{ instant }}
{%- else -%}
{{ instant }} at time zone 'UTC' at time zone '{{ zone }}'
{%- endif -%}
{%- endmacro -%}

{#- Calendar day of an instant (UTC, without zone) in a zone. -#}
{%- macro day_in(instant, zone) -%}
cast({{ local_time(instant, zone) }} as date)
{%- endmacro -%}

{#- Readable key from several columns; a null is an empty part. -#}
{%- macro key(parts) -%}
{%- for part in parts -%}
coalesce(cast({{ part }} as {{ type_of('text') }}), '')
{%- if not loop.last %} || '|' || {% endif -%}
{%- endfor -%}
{%- endmacro -%}

{#- Quotient of two exact numbers, exact to six decimals (half away from zero); null if the divisor is zero. Both are 0 or
    more. DuckDB divides only doubles exactly rounded, and integers. -#}
{%- macro ratio(part, whole) -%}
{%- if target.type == 'duckdb' -%}
cast(
    cast((2000000 * cast({{ part }} as hugeint) + cast({{ whole }} as hugeint))
    // nullif(2 * cast({{ whole }} as hugeint), 0) as decimal(38, 0)) * 0.000001 as decimal(38, 6)
)
{%- else -%}
cast(round(cast({{ part }} as {{ type_of('number') }}) / nullif({{ whole }}, 0), 6) as decimal(38, 6))
{%- endif -%}
{%- endmacro -%}
