"""`check`: tries everything a pass needs, and says what is wrong and how to fix it."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import timedelta
from enum import StrEnum

import click
import yaml
from rich.box import SIMPLE_HEAD
from rich.markup import escape
from rich.table import Table
from sqlalchemy import Engine

from tdx_dagster.cli.action_values import tables_read, values_set
from tdx_dagster.cli.asset_forms import check_form
from tdx_dagster.cli.check_reads import CheckWarning, read_asset, read_report, read_ticket
from tdx_dagster.cli.errors import exit_code_and_text, wrong_database_setting
from tdx_dagster.cli.output import out, print_json
from tdx_dagster.cli.runtime import dagster_home, dagster_instance, prepare, unusable_instance
from tdx_dagster.component import DefsFolder, defs_module, load_defs_folder
from tdx_dagster.dagster_internals import part_names
from tdx_dagster.environment import overridden_by_dotenv
from tdx_dagster.environment_first import EnvironmentFirst
from tdx_dagster.inventory.checks import InventoryNames, check_current
from tdx_dagster.inventory.freshness import Freshness, inventory_age
from tdx_dagster.inventory.ownership import check_ownership
from tdx_dagster.inventory.statuses import listed_by_tdx
from tdx_dagster.named_tdx import select_tdx, selected_tdx, variable_of
from tdx_dagster.operations.alerts import sender
from tdx_dagster.postgres.database import require_own_session, shown_url
from tdx_dagster.postgres.errors import DatabaseSettingError
from tdx_dagster.postgres.migrations import schema_state
from tdx_dagster.resources import DatabaseProvider, TdxProvider
from tdx_dagster.settings import (
    SettingsError,
    find_database,
    find_site,
    load_inventory_settings,
    load_sensor_settings,
    load_settings,
    require_settings,
    speaking_of,
)
from tdx_dagster.state.older_daemon import writing_after_takeover
from tdx_dagster.state.tdx_environment import recorded_environment, refuse_other_environment
from tdx_dagster.tdx.client import Tdx
from tdx_dagster.tdx.errors import TdxRetryLater
from tdx_dagster.tickets.actions.add_asset import AddAsset
from tdx_dagster.tickets.pipeline import Pipeline
from tdx_dagster.tickets.tables import PostgresTables, Tables

# Clocks of machines that are kept in time differ by less.
CLOCK_TOLERANCE_SECONDS = 120


_OVERRIDES = (
    "{names}: the environment and .env have different values. This system does not tell what a process was "
    "started with, so that Dagster's processes take the one in .env, and commands the other: remove one."
)


class Verdict(StrEnum):
    """How a check ended."""

    OK = "ok"
    WARNING = "warning"
    WRONG = "wrong"


@dataclass(frozen=True)
class Finding:
    """What one check found."""

    about: str
    verdict: Verdict
    text: str


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.pass_context
def check(ctx: click.Context, *, as_json: bool) -> None:
    """Check settings, database, TDX and report, and say what is wrong and how to fix it."""
    findings = list(run_checks())
    is_wrong = any(finding.verdict is Verdict.WRONG for finding in findings)
    if as_json:
        print_json({"ok": not is_wrong, "findings": [asdict(finding) for finding in findings]})
    else:
        out.print(findings_table(findings))
        out.print(_last_line(findings), highlight=False)
    ctx.exit(2 if is_wrong else 0)


def findings_table(findings: Sequence[Finding]) -> Table:
    """Give findings as a table to print."""
    table = Table("", "about", "finding", box=SIMPLE_HEAD)
    for finding in findings:
        style = {"ok": "green", "warning": "yellow", "wrong": "red"}[finding.verdict.value]
        table.add_row(f"[{style}]{finding.verdict.value}[/]", finding.about, escape(finding.text))
    return table


def _last_line(findings: list[Finding]) -> str:
    verdicts = {finding.verdict for finding in findings}
    if Verdict.WRONG in verdicts:
        return "Problems found. Fix them from the top down."
    return "Nothing is wrong; see the warnings." if Verdict.WARNING in verdicts else "All is well."


def run_checks() -> Iterator[Finding]:
    """Run the checks in order; those that depend on a failed one are left out.

    One environment after the other: the one of `--tdx`, else those that pipelines name.
    """
    overridden = overridden_by_dotenv()  # before the environment is changed for Dagster
    folder, before = load_defs_folder(), selected_tdx()
    used = {before} if before else {one.tdx for one in folder.pipelines.values()}
    names = sorted(used) or [before]
    try:
        for name in names:
            select_tdx(name)
            about = f"{name}: " if name else ""
            for one in _environment_checks(folder, overridden if name == names[0] else None):
                yield replace(one, about=about + one.about)
    finally:
        select_tdx(before)


def _environment_checks(folder: DefsFolder, overridden: Sequence[str] | None) -> Iterator[Finding]:
    """Check an environment; with the first one what all have in common.

    Args:
        folder: The pipelines.
        overridden: Variables that .env says otherwise; None after the first environment.
    """
    settings = _finding("settings", _settings)
    yield settings
    database = _finding("database", lambda: shown_url(find_database()))
    yield database
    schema = _finding("schema", _schema) if database.verdict is Verdict.OK else database
    if schema is not database:
        yield schema
    if schema.verdict is Verdict.OK:
        yield _finding("inventory", _inventory)
    environment = schema
    if Verdict.WRONG not in {settings.verdict, schema.verdict}:
        environment = _finding("TDX environment", _environment)
        yield environment
    if overridden is not None:
        yield from _check_dagster(overridden, can_open=schema.verdict is Verdict.OK)
        yield _finding("pipelines", lambda: _pipelines(folder))
    if schema.verdict is Verdict.OK:
        yield _finding("action log", lambda: _action_log(folder))
    if overridden is not None:
        for name, text in folder.broken.items():
            yield Finding(f"pipeline {name}", Verdict.WRONG, text)
    if Verdict.WRONG not in {settings.verdict, schema.verdict, environment.verdict}:
        yield from _tdx_checks(folder)


def _tdx_checks(folder: DefsFolder) -> Iterator[Finding]:
    tdx, named = TdxProvider(DatabaseProvider()).non_waiting_client(), selected_tdx()
    yield _finding("sign-in", lambda: f"as {tdx.account().full_name or 'a service account'}")
    clock = check_clock(tdx.clock_offset)
    if clock is not None:
        yield clock
    yield _finding(
        variable_of("TDX_TICKET_APP_ID", named),
        lambda: f"{len(tdx.ticket_statuses())} ticket statuses",
    )
    yield _finding(
        variable_of("TDX_ASSET_APP_ID", named),
        lambda: f"{len(tdx.asset_statuses())} asset statuses",
    )
    yield _finding("an asset", lambda: read_asset(tdx))
    for pipeline in (one for one in folder.pipelines.values() if one.tdx == named):
        yield _finding(f"report of {pipeline.name}", lambda it=pipeline: read_report(tdx, it))  # type: ignore[misc]
        yield check_ticket(tdx, pipeline)
        yield check_statuses(tdx, pipeline)
        yield check_forms(tdx, pipeline)
        yield from check_values(tdx, pipeline, PostgresTables(DatabaseProvider().engine()))


def _check_dagster(overridden: Sequence[str], *, can_open: bool) -> Iterator[Finding]:
    """Check Dagster's instance, and what its services alone read."""
    yield _finding("dagster.yaml", _instance_file)
    if overridden:
        yield Finding(".env", Verdict.WARNING, _OVERRIDES.format(names=", ".join(overridden)))
    if can_open:
        yield _finding("Dagster", _dagster)
        yield _finding("TDX_ALERT_URLS", _alerts)


def check_clock(offset: float | None) -> Finding | None:
    """Compare this machine's clock with that of TDX; None where they agree.

    Args:
        offset: Seconds by which TDX's is ahead.
    """
    if offset is None or abs(offset) <= CLOCK_TOLERANCE_SECONDS:
        return None
    text = (
        f"This machine's clock is {abs(offset) / 60:.0f} minutes {'behind' if offset > 0 else 'ahead of'} "
        "TDX's: ages of the inventory, of tickets and of tokens are wrong by as much. Set it by NTP."
    )
    return Finding("clock", Verdict.WARNING, text)


def check_statuses(tdx: Tdx, pipeline: Pipeline) -> Finding:
    """Check that TDX has the asset statuses by which a pipeline counts computers as active."""

    def find() -> str:
        listed = listed_by_tdx(tdx.asset_statuses())
        actives = [
            action.active_statuses(listed)
            for action in pipeline.actions
            if isinstance(action, AddAsset)
        ]
        warnings = [warning for active in actives for warning in active.warnings()]
        if warnings:
            raise CheckWarning(" ".join(warnings))
        counted = (", ".join(map(str, active.ids or active.names)) for active in actives)
        return "; ".join(counted) or "not used"

    return _finding(f"active statuses of {pipeline.name}", find)


def check_ticket(tdx: Tdx, pipeline: Pipeline) -> Finding:
    """Check that the first tickets of a report can be read in the ticket application."""
    return _finding(f"a ticket of {pipeline.name}", lambda: read_ticket(tdx, pipeline))


def check_forms(tdx: Tdx, pipeline: Pipeline) -> Finding:
    """Check that TDX has computers of the form that a pipeline asks for."""

    def find() -> str:
        actions = [action for action in pipeline.actions if isinstance(action, AddAsset)]
        listed = listed_by_tdx(tdx.asset_statuses()) if actions else {}
        return "; ".join(check_form(tdx, action, listed) for action in actions) or "not used"

    return _finding(f"computers of {pipeline.name}", find)


def check_values(tdx: Tdx, pipeline: Pipeline, tables: Tables) -> Iterator[Finding]:
    """Check that TDX has the values that the actions of a pipeline set, also those that are looked up."""
    yield _finding(f"values of {pipeline.name}", lambda: values_set(tdx, pipeline))
    if any(action.lookups() for action in pipeline.actions):
        yield _finding(f"look-ups of {pipeline.name}", lambda: tables_read(tdx, pipeline, tables))


def _finding(about: str, find: Callable[[], str]) -> Finding:
    try:
        return Finding(about, Verdict.OK, find())
    except CheckWarning as warning:
        return Finding(about, Verdict.WARNING, str(warning))
    except Exception as error:
        known = exit_code_and_text(error)
        if known is None:
            raise
        comes_back = isinstance(error, TdxRetryLater) and not wrong_database_setting(error)
        return Finding(about, Verdict.WRONG, known[1] + (" Try again later." if comes_back else ""))


def _settings() -> str:
    require_settings(needs_tdx=True)
    site = find_site()
    return f"complete, for {site.environment} at {site.base_url}" if site else "complete"


def _instance_file() -> str:
    """Warn of a dagster.yaml of somebody's own whose processes would put `.env` before the environment."""
    home = dagster_home()
    file = home / "dagster.yaml"
    try:
        found = yaml.safe_load(file.read_text(encoding="utf-8")) or {}
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise SettingsError(f"DAGSTER_HOME leads to {file}, which is no YAML: {error}") from None
    if not isinstance(found, dict):
        raise SettingsError(f"DAGSTER_HOME leads to {file}, which holds no settings.")
    if EnvironmentFirst.__name__ not in str(found.get("secrets")):
        raise CheckWarning(
            f"{file} lacks the block `secrets:` of the dagster.yaml that comes with this package "
            f"({EnvironmentFirst.__module__}.{EnvironmentFirst.__name__}): without it Dagster's processes take "
            "a setting from .env where the environment has another."
        )
    return str(home)


def _schema() -> str:
    runtime = prepare()
    return f"{len(schema_state(runtime.database).applied)} migrations applied"


def _dagster() -> str:
    runtime = prepare()
    with dagster_instance(runtime) as instance:
        try:
            # They are made at their first use, by the services.
            return ", ".join(part_names(instance))
        except Exception as error:
            raise unusable_instance(runtime, error) from error


def _alerts() -> str:
    urls = load_settings().tdx_alert_urls
    if urls is None:
        return "not set: problems are shown in Dagster alone"
    sender(urls.get_secret_value())
    return "each address can be read; none was tried"


def _pipelines(folder: DefsFolder) -> str:
    load_sensor_settings()  # read wherever pipelines become definitions
    if not folder.pipelines and not folder.broken:
        raise SettingsError(
            f"There is none: write {' or '.join(defs_module().__path__)}/<name>/defs.yaml, as README shows."
        )
    named = (
        f"{name} (observe mode: writes nothing)" if one.observes else name
        for name, one in folder.pipelines.items()
    )
    return ", ".join(named) or "none that can be read"


def _inventory() -> str:
    settings = load_inventory_settings()
    engine = DatabaseProvider().engine()
    if not settings.is_external:
        check_ownership(engine, settings.source_system)
        _require_direct(engine)
    names = InventoryNames(settings.source_system, settings.entity_types, settings.schema_name)
    age, computers = inventory_age(engine, **asdict(names))
    by = "by another job" if settings.is_external else "by us"
    remedy = "look at the job that loads it" if settings.is_external else "run `tdx-dagster ingest`"
    if not computers:
        raise CheckWarning(
            f"No computers are known: {remedy if age is None else 'run `tdx-dagster ingest`'}. "
            "Until then TDX is searched."
        )
    current = check_current(engine, names)
    if not current.passed:
        raise CheckWarning(current.text)
    judged = settings.limits.judge(age)
    if judged is not Freshness.FRESH:
        more = "; TDX is asked about each hit" if judged is Freshness.DISTRUSTED else ""
        raise CheckWarning(
            f"{computers} computers, but last loaded {by} {_ago(age)}{more}: {remedy}."
        )
    return f"{computers} computers, loaded {by} {_ago(age)}"


def _require_direct(engine: Engine) -> None:
    """Warn of a pooler, through which everything works but loading the inventory."""
    try:
        with engine.connect() as connection:
            require_own_session(connection, "Loading the inventory")
    except DatabaseSettingError as error:
        raise CheckWarning(str(error)) from None


def _action_log(folder: DefsFolder) -> str:
    here = [one for one in folder.pipelines.values() if one.tdx == selected_tdx()]
    given = [one.taken_over_at for one in here if one.taken_over_at]
    running = writing_after_takeover(DatabaseProvider().engine(), max(given, default=None))
    if running:
        raise CheckWarning(running)
    return "nobody else writes it"


def _environment() -> str:
    engine = DatabaseProvider().engine()
    with speaking_of(load_settings()):
        refuse_other_environment(engine, load_settings().connection().base_url)
    recorded = recorded_environment(engine)
    return (
        f"the database belongs to {recorded}" if recorded else "recorded with the first load or run"
    )


def _ago(age: timedelta | None) -> str:
    return "at an unknown time" if age is None else f"{age.total_seconds() / 3600:.1f} hours ago"
