-- An ad break has as many airings as Spotwatch reports. A warning: a break that is read while it runs is shorter, and
-- the first day cuts one.
{{ config(severity='warn') }}
select block, count(*) as airings, max(block_length) as reported_airings
from {{ ref('stg_spotwatch__broadcasts') }}
where block is not null
group by block
having count(*) <> max(block_length)
