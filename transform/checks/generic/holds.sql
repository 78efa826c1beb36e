{#- An SQL expression is true, or null, in each row. -#}
{% test holds(model, expression, column_name=none) %}
select *
from {{ model }}
where not ({{ expression }})
{% endtest %}
