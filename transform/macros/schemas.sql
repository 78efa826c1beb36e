{#- Schemas `staging` and `marts`, without the name of the target; with a prefix in the environment `dev`. -#}
{%- macro generate_schema_name(custom_schema_name, node) -%}
{{ env_var('ADTECH_SCHEMA_PREFIX', '') ~ custom_schema_name if custom_schema_name else target.schema }}
{%- endmacro -%}
