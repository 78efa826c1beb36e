{{ config(**changed_days('airings', 'aired_on')) }}
select
    *,
    {{ this_build() }} as built_at
from {{ ref('int_airings') }}
{{ where_changed('airings', 'aired_on') }}
