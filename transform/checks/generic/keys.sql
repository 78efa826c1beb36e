{#- The columns are a key: together unique, and none of them null. -#}
{% test primary_key(model, columns) %}
select {{ columns | map('trim') | join(', ') }}, count(*) as n
from {{ model }}
group by {{ columns | join(', ') }}
having count(*) > 1 {% for column in columns %} or {{ column }} is null {% endfor %}
{% endtest %}
