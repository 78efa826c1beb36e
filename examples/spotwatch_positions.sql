-- How often did each brand have the first or the last position of its ad break?
select
    ads.brand,
    count(*) as airings,
    count(*) filter (where airings.blockindex = 0) as first_in_break,
    count(*) filter (where airings.blockindex = airings.block_length - 1) as last_in_break
from tap_spotwatch.broadcasts as airings
join tap_spotwatch.ads as ads on airings.ad = ads.id
where ads.brand <> ''
group by ads.brand
order by airings desc, ads.brand
limit 10
