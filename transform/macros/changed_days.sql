{#- Incremental marts are rebuilt by whole days: those that `fact_days` has seen change since the mart was last built.
    A restated row, a row that moved to another day, and a deleted row leave nothing behind. -#}

{#- Configuration of such a mart. fact: as in `fact_days`. day: the mart's column, with an index in PostgreSQL.
    DuckDB 2.0 fails to rename tables with indexes in parallel threads ("Table ..._dbt_backup does not exist"). -#}
{%- macro changed_days(fact, day) -%}
{{ return({
    'materialized': 'incremental',
    'incremental_strategy': 'changed_days',
    'on_schema_change': 'fail',
    'indexes': [{'columns': [day]}] if target.type == 'postgres' else [],
    'meta': {'fact': fact, 'day': day},
}) }}
{%- endmacro -%}

{#- Start of this build, UTC: in each row of an incremental mart, when its day was last rebuilt. -#}
{%- macro this_build() -%}
cast('{{ run_started_at.strftime('%Y-%m-%d %H:%M:%S.%f') }}' as timestamp)
{%- endmacro -%}

{#- The WHERE clause of such a mart's SQL, with the same arguments: unit tests do not see its configuration. -#}
{%- macro where_changed(fact, day) -%}
{%- do ref('fact_days') -%}{# read in incremental builds only, but always built first -#}
where {% if is_incremental() -%}
{{ is_changed_day(this, fact, day) }}
{%- else -%}
1 = 1
{%- endif -%}
{%- endmacro -%}

{%- macro is_changed_day(built, fact, day) -%}
(vendor, {{ day }}) in (
    select fact_days.vendor, fact_days.day
    from {{ ref('fact_days') }} as fact_days
    where
        fact_days.fact = '{{ fact }}'
        and fact_days.changed_at > (select coalesce(max(built_at), cast('1970-01-01' as timestamp)) from {{ built }})
)
{%- endmacro -%}

{#- dbt's incremental strategy `changed_days`: delete the changed days, then insert their rows. -#}
{%- macro get_incremental_changed_days_sql(arguments) -%}
{%- set columns = get_quoted_csv(arguments['dest_columns'] | map(attribute='name')) -%}
{%- if target.type == 'snowflake' %}begin;{% endif %}
delete from {{ arguments['target_relation'] }}
where {{ is_changed_day(arguments['target_relation'], config.get('meta').fact, config.get('meta').day) }};

insert into {{ arguments['target_relation'] }} ({{ columns }})
select {{ columns }} from {{ arguments['temp_relation'] }};
{%- if target.type == 'snowflake' %}
commit;{% endif %}
{%- endmacro -%}

{#- Replaces dbt's macro. In DuckDB, a column of whole numbers becomes a decimal with the first value that has decimals
    (target-duckdb-arrow). The mart's column follows, because dbt would fail and DuckDB would round. -#}
{%- macro process_schema_changes(on_schema_change, source_relation, target_relation) -%}
{%- if target.type == 'duckdb' -%}
{%- set number = modules.re.compile('(?i)(BIGINT|HUGEINT|DECIMAL\\(\\d+, *(\\d+)\\))$') -%}
{%- set built = {} -%}
{%- for column in adapter.get_columns_in_relation(target_relation) -%}
{%- do built.update({column.name: number.match(column.dtype)}) -%}
{%- endfor -%}
{%- for column in adapter.get_columns_in_relation(source_relation) -%}
{%- set found, before = number.match(column.dtype), built.get(column.name) -%}
{%- if found and before and found[0] != before[0] -%}
{%- set scale = [(found[2] or 0) | int, (before[2] or 0) | int] | max -%}
{%- for relation in (source_relation, target_relation) -%}
{%- do run_query('alter table ' ~ relation ~ ' alter column ' ~ adapter.quote(column.name)
                 ~ ' set data type decimal(38, ' ~ scale ~ ')') -%}
{%- endfor -%}
{%- endif -%}
{%- endfor -%}
{%- endif -%}
{{ return(dbt.process_schema_changes(on_schema_change, source_relation, target_relation)) }}
{%- endmacro -%}

{#- Digest of the rows of a group, independent of their order: equal unless a value differs. table: an alias. -#}
{%- macro fingerprint(table) -%}
{{ return(adapter.dispatch('fingerprint')(table)) }}
{%- endmacro -%}

{%- macro default__fingerprint(table) -%}
cast(sum(cast(hash({{ table }}) as hugeint)) as varchar)
{%- endmacro -%}

{%- macro postgres__fingerprint(table) -%}
cast(sum(cast(hashtextextended(cast({{ table }} as text), 0) as numeric)) as text)
{%- endmacro -%}

{%- macro snowflake__fingerprint(table) -%}
cast(hash_agg({{ table }}.*) as varchar)
{%- endmacro -%}

{%- macro days_before(day, days) -%}
{{ "dateadd(day, -" ~ days ~ ", " ~ day ~ ")" if target.type == 'snowflake' else "cast(" ~ day ~ " - interval '" ~ days ~ " days' as date)" }}
{%- endmacro -%}

{#- Whole hours from one instant to a later one. -#}
{%- macro hours_between(earlier, later) -%}
{%- if target.type == 'snowflake' -%}
floor(datediff(second, {{ earlier }}, {{ later }}) / 3600)
{%- else -%}
cast(floor(extract(epoch from ({{ later }} - {{ earlier }})) / 3600) as bigint)
{%- endif -%}
{%- endmacro -%}

{#- A member of a JSON object as text. -#}
{%- macro json_text(column, member) -%}
{%- if target.type == 'snowflake' -%}
cast({{ column }}:{{ member }} as varchar)
{%- else -%}
{{ column }} ->> '{{ member }}'
{%- endif -%}
{%- endmacro -%}
