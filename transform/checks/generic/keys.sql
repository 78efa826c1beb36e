{#- The columns are a key: together unique, and none of them null. optional: columns that a setting of the tap adds to the
    key, or null. -#}
{% test primary_key(model, columns, optional=[]) %}
select {{ (columns + optional) | join(', ') }}, count(*) as n
from {{ model }}
group by {{ (columns + optional) | join(', ') }}
having count(*) > 1 {% for column in columns %} or {{ column }} is null {% endfor %}
{% endtest %}
