-- Which brands were on air most in each region, and what share of the region's ad seconds did they have?
with seconds as (
    select airings.region, ads.brand, count(*) as airings, sum(ads.duration) as seconds
    from tap_spotwatch.broadcasts as airings
    join tap_spotwatch.ads as ads on airings.ad = ads.id
    where ads.brand <> ''
    group by airings.region, ads.brand
)
select region, brand, airings, round(100.0 * seconds / sum(seconds) over (partition by region), 1) as percent
from seconds
qualify row_number() over (partition by region order by seconds desc, brand) <= 3
order by region, percent desc, brand
