-- What did each publisher earn, per currency? Amounts of different currencies are never added.
select
    publisher,
    currency,
    sum(impressions) as impressions,
    sum(grossRevenue) as gross_revenue,
    sum(netRevenue) as net_revenue
from tap_magnite.adstats_daily
group by publisher, currency
order by currency, gross_revenue desc, publisher
