-- How many supplies and ad units does each publisher have, and how many of the ad units had no impression?
select
    publishers.name as publisher,
    count(distinct units.supply_id) as supplies,
    count(*) as ad_units,
    count(*) filter (where units.id not in (
        select adUnitIdLink from tap_magnite.adstats_daily where impressions > 0 and adUnitIdLink is not null
    )) as without_impressions
from tap_magnite.ad_units as units
join tap_magnite.publishers as publishers on units.publisher_id = publishers.id
group by publishers.id, publisher
order by ad_units desc, publisher
