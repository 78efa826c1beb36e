"""The dbt models of `transform/` as assets downstream of the tables; each dbt test is an asset check.

dbt runs through Meltano, in the environment of its utility (`dbt-duckdb`), so that adapters are installed and pinned in
one place. `make orchestration` writes the manifest from which the assets are made.
"""

import datetime as dt
import json
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import dagster as dg
from dagster_dbt import DagsterDbtTranslator, dbt_assets
from dagster_dbt.core.dbt_cli_event import DbtCoreCliEventMessage
from typing_extensions import override

from adtech_orchestration import alive, loads, meltano, project
from adtech_orchestration.schedules import WAITING

if TYPE_CHECKING:
    from dagster._core.definitions.unresolved_asset_job_definition import UnresolvedAssetJobDefinition

    from adtech_orchestration.project import Account

Event = dg.Output[Any] | dg.AssetMaterialization | dg.AssetObservation | dg.AssetCheckResult | dg.AssetCheckEvaluation

NAME = "marts"
"""Name of the job, its pool and its log."""

TRANSFORM = project.CHECKOUT / "transform"
MANIFEST = TRANSFORM / "target" / "dagster" / "manifest.json"
WAREHOUSES = ("duckdb", "postgres", "snowflake")

LONGEST_WAIT = dt.timedelta(hours=1)
"""Time after which the models are built although loads are running, for example a backfill of years."""

_ENDED = [dg.DagsterRunStatus.SUCCESS, dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.CANCELED]


def warehouse(accounts: "Sequence[Account]") -> str:
    """Return the warehouse into which most accounts are loaded, such as `duckdb`."""
    found = Counter(account.loader.removeprefix("target-").partition("--")[0] for account in accounts)
    return found.most_common(1)[0][0] if found else ""


def problem(accounts: "Sequence[Account]") -> str:
    """Return one line on what is missing to build the models; empty if nothing is."""
    name = warehouse(accounts)
    if name not in WAREHOUSES:
        return f"dbt has no models for the loader target-{name}"
    if not (project.root() / ".meltano" / "utilities" / f"dbt-{name}").exists():
        return f"dbt-{name} is not installed: run `make {'setup' if name == WAREHOUSES[0] else 'loaders'}`"
    if not MANIFEST.exists():
        return "the models are not parsed: run `make orchestration`"
    return ""


class _Translator(DagsterDbtTranslator):
    """Keys as those of tables, `schema/name`; groups by schema."""

    def __init__(self, adapter: str) -> None:
        super().__init__()
        self._adapter = adapter

    @override
    def get_asset_key(self, dbt_resource_props: Mapping[str, Any]) -> dg.AssetKey:
        if dbt_resource_props["resource_type"] == "source":
            return dg.AssetKey([dbt_resource_props["source_name"], dbt_resource_props["name"]])
        return dg.AssetKey([dbt_resource_props["schema"], dbt_resource_props["name"]])

    @override
    def get_group_name(self, dbt_resource_props: Mapping[str, Any]) -> str | None:
        group: str = dbt_resource_props["schema"]
        return group

    @override
    def get_description(self, dbt_resource_props: Mapping[str, Any]) -> str:
        description: str = dbt_resource_props["description"]
        return description

    @override
    def get_asset_spec(self, manifest: Mapping[str, Any], unique_id: str, project: Any) -> dg.AssetSpec:
        spec = super().get_asset_spec(manifest, unique_id, project)
        return spec.replace_attributes(kinds={"dbt", self._adapter})


def models(accounts: "Sequence[Account]") -> dg.AssetsDefinition:
    """Return the assets of the models. Requires the manifest."""
    adapter = warehouse(accounts)
    manifest = json.loads(MANIFEST.read_text(encoding="utf-8"))
    translator = _Translator(adapter)

    @dbt_assets(
        name="build_models",
        manifest=manifest,
        dagster_dbt_translator=translator,
        retry_policy=loads.retry_policy(),
        pool=NAME,
    )
    def build(context: dg.AssetExecutionContext, config: loads.LoadConfig) -> Iterator[Event]:
        if found := problem(accounts):
            raise dg.Failure(f"dbt: {found}", allow_retries=False)
        nodes = [*manifest["nodes"].values()]
        chosen = [one["name"] for one in nodes if _is_chosen(translator, one, context.selected_asset_keys)]
        everything = len(chosen) == sum(one["resource_type"] == "model" for one in nodes)
        options = ["--full-refresh"] if config.full_refresh else []
        options += [] if everything else ["--select", *chosen]
        ended, code = _dbt(context, adapter, options)
        # A test of several models belongs to none of them: dbt's exit code reports it.
        for event in ended:
            yield from event.to_default_asset_events(manifest, translator, context)
        if code:
            raise _failure(ended, code)

    return build


def _is_chosen(translator: _Translator, node: Mapping[str, Any], keys: Any) -> bool:
    return node["resource_type"] == "model" and translator.get_asset_key(node) in keys


def _dbt(
    context: dg.AssetExecutionContext, adapter: str, options: Sequence[str]
) -> tuple[list[DbtCoreCliEventMessage], int]:
    """Build models; return dbt's events of finished models and tests, and its exit code."""
    output = project.root() / "output"
    command = [*project.meltano(), "invoke", "--no-install", f"dbt-{adapter}", "build", f"--project-dir={TRANSFORM}"]
    command += [f"--profiles-dir={TRANSFORM}", f"--target={adapter}", f"--target-path={output / 'dbt'}"]
    command += ["--log-format=json", "--log-level-file=none", "--exclude-resource-type=unit_test", *options]
    ended: list[DbtCoreCliEventMessage] = []

    def on_line(line: str) -> str:
        event: dict[str, Any] = {}
        with suppress(ValueError):
            event = json.loads(line)
        if "info" not in event:
            return line.rstrip()
        message = DbtCoreCliEventMessage(raw_event=event, event_history_metadata={})
        if message.is_result_event:
            ended.append(message)
        return str(message)

    try:
        lock = Path(context.instance.root_directory) / "locks" / f"{NAME}.lock"
        with (
            alive.held(context.instance, context.run.run_id),
            alive.only_one(context.instance, NAME),
            loads.log_file(NAME) as (path, write),
        ):
            context.log.info("%s; log: %s", " ".join(command), path)
            return ended, meltano.run(command, {}, lambda line: write(on_line(line)), lock)
    except project.ProjectError as error:
        raise dg.Failure(str(error), allow_retries=False) from error


def _failure(ended: Sequence[DbtCoreCliEventMessage], code: int) -> dg.Failure:
    """Return the error of a failed build. It has names only, because dbt's messages may quote rows."""
    names: dict[str, list[str]] = defaultdict(list)
    for event in ended:
        node = event.raw_event["data"]["node_info"]
        names[node["node_status"]].append(node["node_name"])
    if names["error"]:
        return dg.Failure(f"dbt: errors in {', '.join(names['error'])}; see output/logs/{NAME}.log")
    if names["fail"]:
        text = f"dbt: failed tests: {', '.join(names['fail'])}; see output/logs/{NAME}.log"
        return dg.Failure(text, allow_retries=False)
    return dg.Failure(f"dbt ended with exit code {code}; see output/logs/{NAME}.log")


def job() -> "UnresolvedAssetJobDefinition":
    """Return the job that builds all models."""
    return dg.define_asset_job(
        NAME,
        selection=dg.AssetSelection.kind("dbt"),
        description="Build and test the dbt models of transform/",
    )


def after_loads(accounts: "Sequence[Account]") -> dg.SensorDefinition:
    """Return the sensor that builds the models when loads have ended.

    A sensor in place of automation conditions: the tables of vendors that are not set up are never loaded, and one
    build serves all loads that ended.
    """

    @dg.sensor(job_name=NAME, minimum_interval_seconds=60, default_status=dg.DefaultSensorStatus.RUNNING)
    def build_models_after_loads(context: dg.SensorEvaluationContext) -> dg.RunRequest | dg.SkipReason:
        if found := problem(accounts):
            return dg.SkipReason(found)
        return due(context.instance, dt.datetime.now(tz=dt.timezone.utc))

    return build_models_after_loads


def due(instance: dg.DagsterInstance, now: dt.datetime) -> dg.RunRequest | dg.SkipReason:
    """Decide whether to build the models.

    Args:
        instance: The Dagster instance.
        now: Current time.

    Returns:
        A request if a load has ended since the last build began and no load is running, or if the first such load
        ended more than an hour ago.
    """
    last = instance.get_run_records(dg.RunsFilter(job_name=NAME), limit=1)
    if last and last[0].dagster_run.status in WAITING:
        return dg.SkipReason("the models are being built")
    since = dt.datetime.fromtimestamp(last[0].start_time or 0, tz=dt.timezone.utc) if last else None
    ended = [
        record.end_time
        for record in instance.get_run_records(dg.RunsFilter(statuses=_ENDED, updated_after=since))
        if record.dagster_run.job_name != NAME and record.end_time
    ]
    if not ended:
        return dg.SkipReason("no load has ended since the last build")
    active = instance.get_run_records(dg.RunsFilter(statuses=WAITING), limit=1)
    if active and now.timestamp() - min(ended) < LONGEST_WAIT.total_seconds():
        return dg.SkipReason("loads are running")
    return dg.RunRequest()
