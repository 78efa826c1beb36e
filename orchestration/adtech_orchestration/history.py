"""Backfills: one asset per account with a partition per month; each month is a separate run with a separate state.

The months come before the days of nightly runs, so no bookmark is moved. They load into the same tables by upsert.
"""

import os
from typing import TYPE_CHECKING, Any

import dagster as dg

from adtech_orchestration import loads
from adtech_orchestration.assets import table_key
from adtech_orchestration.logs import NUMBERS

if TYPE_CHECKING:
    from dagster._core.definitions.unresolved_asset_job_definition import UnresolvedAssetJobDefinition

    from adtech_orchestration.logs import RunLog
    from adtech_orchestration.project import Account

# A month exists once it is over in every time zone: a vendor's day may end half a day after UTC's.
MONTHS = dg.MonthlyPartitionsDefinition(
    start_date=os.environ.get("ORCHESTRATION_FIRST_MONTH") or "2018-01",
    fmt="%Y-%m",
    timezone="Etc/GMT+12",
)
"""The months that can be read."""


def history_key(account: "Account") -> dg.AssetKey:
    """Return the key of an account's months."""
    return dg.AssetKey(["history", account.name])


def history(account: "Account") -> dg.AssetsDefinition:
    """Return the asset of an account's months."""
    windowed = [name for name, stream in account.streams.items() if stream["windowed"]]

    @dg.asset(
        key=history_key(account),
        description=f"Past months of {account.extractor}, read into its tables: {', '.join(windowed)}, and reports. "
        "Streams without date windows are left to the nightly run.",
        group_name=account.name,
        kinds={"singer", account.loader.removeprefix("target-")},
        partitions_def=MONTHS,
        retry_policy=loads.retry_policy(),
        pool=account.name,
        metadata={"tables": [table_key(account, name).to_user_string() for name in windowed]},
    )
    def load_month(context: dg.AssetExecutionContext, config: loads.LoadConfig) -> dg.MaterializeResult[Any]:
        month = context.partition_key
        # An unfinished month continues at its bookmarks. One that was finished before is read from its beginning, even
        # if the last attempt failed: its bookmarks may be those of the finished run.
        again = config.full_refresh or _was_finished(context.instance, account, month)
        log, code = loads.load(context, account, month=month, full_refresh=again)
        # `skipped`: forbidden to the account, with a warning.
        if code or any(numbers["status"] not in {"succeeded", "skipped"} for numbers in log.streams.values()):
            raise loads.failure(account, log, code)
        return dg.MaterializeResult(metadata=_measured(log))

    return load_month


def history_job(account: "Account") -> "UnresolvedAssetJobDefinition":
    """Return the job that reads one month of an account."""
    return dg.define_asset_job(
        job_name(account),
        selection=dg.AssetSelection.assets(history_key(account)),
        description=f"One past month of {account.extractor}",
    )


def job_name(account: "Account") -> str:
    """Return the name of the job that reads one month."""
    return f"history_{account.name}"


def finished(instance: dg.DagsterInstance, account: "Account") -> set[str]:
    """Return the months whose last run read them to their end."""
    keys = MONTHS.get_partition_keys()
    statuses = instance.get_status_by_partition(history_key(account), keys, MONTHS) or {}
    return {key for key, status in statuses.items() if status is not None and status.value == "MATERIALIZED"}


def _was_finished(instance: dg.DagsterInstance, account: "Account", month: str) -> bool:
    wanted = dg.AssetRecordsFilter(asset_key=history_key(account), asset_partitions=[month])
    return bool(instance.fetch_materializations(wanted, limit=1).records)


def _measured(log: "RunLog") -> dict[str, Any]:
    shown = [name for name in NUMBERS if name != "bytes"]
    rows = [
        dg.TableRecord({"stream": stream} | {NUMBERS[name]: numbers[name] for name in shown})
        for stream, numbers in log.streams.items()
    ]
    sums = {
        label: round(sum(numbers[name] for numbers in log.streams.values()), 3)
        for name, label in NUMBERS.items()
        if name != "seconds"
    }
    schema = dg.TableSchema([dg.TableColumn("stream"), *(dg.TableColumn(NUMBERS[name], "number") for name in shown)])
    return {"dagster/row_count": log.rows, **sums, "streams": dg.MetadataValue.table(rows, schema)}
