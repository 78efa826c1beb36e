"""One asset per table, and per account one step that loads all of its tables with one `meltano run`."""

import datetime as dt
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import dagster as dg

from adtech_orchestration import checks, loads
from adtech_orchestration.freshness import policy
from adtech_orchestration.logs import NUMBERS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from adtech_orchestration.project import Account

Event = dg.MaterializeResult[Any] | dg.AssetCheckResult


def table_key(account: "Account", stream: str) -> dg.AssetKey:
    """Return the key of a table: its schema and name, as in the sources of dbt models."""
    return dg.AssetKey([account.schema, stream])


def tables(account: "Account") -> dg.AssetsDefinition:
    """Return the assets of an account's tables."""
    keys = {stream: table_key(account, stream) for stream in account.streams}

    @dg.multi_asset(
        name=f"load_{account.name}",
        specs=[_spec(account, stream) for stream in account.streams],
        check_specs=[
            spec
            for stream, about in account.streams.items()
            for spec in checks.specs(keys[stream], windowed=about["windowed"])
        ],
        group_name=account.name,
        # Some tables can be loaded without the others, and streams that meltano.yml deselects yield nothing.
        can_subset=True,
        retry_policy=loads.retry_policy(),
        pool=account.name,
    )
    def load(context: dg.AssetExecutionContext, config: loads.LoadConfig) -> Iterator[Event]:
        chosen = [stream for stream, key in keys.items() if key in context.selected_asset_keys]
        only = chosen if len(chosen) < len(keys) else []
        log, code = loads.load(context, account, only=only, full_refresh=config.full_refresh)
        # Without the loader's success, rows that were read may not be in the table.
        for stream, numbers in log.streams.items() if code == 0 or log.loaded else ():
            if numbers["status"] == "succeeded":
                yield from _results(context, account, stream, numbers)
        if code:
            raise loads.failure(account, log, code)

    return load


def _spec(account: "Account", stream: str) -> dg.AssetSpec:
    about = account.streams[stream]
    columns = [
        dg.TableColumn(name, kind, description=description) for name, (kind, description) in about["columns"].items()
    ]
    return dg.AssetSpec(
        table_key(account, stream),
        description=about["description"],
        skippable=True,
        kinds={"singer", account.loader.removeprefix("target-")},
        freshness_policy=policy(account.schedules),
        metadata={
            "dagster/column_schema": dg.TableSchema(columns=columns),
            "dagster/table_name": f"{account.schema}.{stream}",
            "primary key": ", ".join(about["keys"]),
            "replication key": about["replication_key"] or "none: the full table is read each time",
        },
    )


def _results(
    context: dg.AssetExecutionContext, account: "Account", stream: str, numbers: "Mapping[str, Any]"
) -> Iterator[Event]:
    key = table_key(account, stream)
    metadata = measured(numbers)
    if stream not in account.streams:
        # A report of the user's own: its table has no definition, but its runs are recorded and plotted like others.
        context.log_event(dg.AssetMaterialization(key, metadata=metadata))
        return
    before = previous(context.instance, key)
    windowed = account.streams[stream]["windowed"]
    today = dt.datetime.now(tz=dt.timezone.utc).date()
    judged = checks.results(key, numbers, before, windowed=windowed, today=today)
    yield dg.MaterializeResult(key, metadata=metadata, check_results=[*judged])


def measured(numbers: "Mapping[str, Any]") -> dict[str, Any]:
    """Return a stream's metrics as metadata; Dagster plots the numbers."""
    texts = {"window_reached": "window reached", "bookmark": "bookmark"}
    return {
        "dagster/row_count": numbers["rows"],
        **{label: numbers[name] for name, label in NUMBERS.items()},
        **{label: numbers[name] for name, label in texts.items() if numbers[name] is not None},
    }


def previous(instance: dg.DagsterInstance, key: dg.AssetKey) -> dict[str, Any]:
    """Return the metrics of a table's last load."""
    event = instance.get_latest_materialization_event(key)
    found = event.asset_materialization if event else None
    metadata = found.metadata if found else {}
    return {name: metadata[label].value for name, label in NUMBERS.items() if label in metadata}
