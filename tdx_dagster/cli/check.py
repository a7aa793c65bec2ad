"""`check`: one look at everything a pass needs, each with what is wrong and how to mend it."""

from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from datetime import timedelta
from enum import StrEnum

import click
from rich.box import SIMPLE_HEAD
from rich.markup import escape
from rich.table import Table

from tdx_dagster.cli.errors import exit_code_and_text
from tdx_dagster.cli.runtime import dagster_home, out, prepare, print_json
from tdx_dagster.component import load_pipelines
from tdx_dagster.inventory.checks import InventoryNames, check_current
from tdx_dagster.inventory.freshness import Freshness, inventory_age
from tdx_dagster.inventory.ownership import check_ownership
from tdx_dagster.inventory.statuses import listed_by_tdx
from tdx_dagster.postgres.database import shown_url
from tdx_dagster.postgres.migrations import schema_state
from tdx_dagster.resources import DatabaseProvider, TdxProvider
from tdx_dagster.settings import (
    find_database,
    load_inventory_settings,
    load_sensor_settings,
    load_settings,
)
from tdx_dagster.state.older_daemon import writing_now
from tdx_dagster.tdx.address import is_sandbox, normalise_base_url
from tdx_dagster.tdx.client import Tdx
from tdx_dagster.tdx.errors import TdxRetryLater
from tdx_dagster.tickets.pipeline import Pipeline
from tdx_dagster.tickets.report import read_tickets


class Verdict(StrEnum):
    """How a look ended."""

    OK = "ok"
    WARNING = "warning"
    WRONG = "wrong"


@dataclass(frozen=True)
class Finding:
    """What one look found."""

    about: str
    verdict: Verdict
    text: str


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.pass_context
def check(ctx: click.Context, *, as_json: bool) -> None:
    """Look at settings, database, TDX and report, and say what is wrong and how to mend it."""
    findings = []
    table = Table("", "about", "finding", box=SIMPLE_HEAD)
    for finding in look_at_all():
        findings.append(finding)
        style = {"ok": "green", "warning": "yellow", "wrong": "red"}[finding.verdict.value]
        table.add_row(f"[{style}]{finding.verdict.value}[/]", finding.about, escape(finding.text))
    is_wrong = any(finding.verdict is Verdict.WRONG for finding in findings)
    if as_json:
        print_json({"ok": not is_wrong, "findings": [asdict(finding) for finding in findings]})
    else:
        out.print(table)
        out.print(
            "Something is wrong: mend it from the top." if is_wrong else "All is well.",
            highlight=False,
        )
    ctx.exit(2 if is_wrong else 0)


def look_at_all() -> Iterator[Finding]:
    """Look at one thing after the other; what stands on a broken one is left out."""
    settings = _look("settings", _settings)
    yield settings
    database = _look("database", lambda: shown_url(find_database()))
    yield database
    schema = _look("schema", _schema) if database.verdict is Verdict.OK else database
    if schema is not database:
        yield schema
    if schema.verdict is Verdict.OK:
        yield _look("inventory", _inventory)
        yield _look("action log", _action_log)
    yield _look("dagster.yaml", lambda: str(dagster_home()))
    pipelines = _look("pipelines", _pipelines)
    yield pipelines
    if Verdict.WRONG in {settings.verdict, schema.verdict}:
        return
    tdx = TdxProvider(DatabaseProvider()).non_waiting_client()
    yield _look("sign-in", lambda: f"as {tdx.whoami().full_name or 'a service account'}")
    yield _look("TDX_TICKET_APP_ID", lambda: f"{len(tdx.ticket_statuses())} ticket statuses")
    yield _look("TDX_ASSET_APP_ID", lambda: f"{len(tdx.asset_statuses())} asset statuses")
    if pipelines.verdict is Verdict.OK:
        for pipeline in load_pipelines().values():
            yield _look(f"report of {pipeline.name}", lambda it=pipeline: _report(tdx, it))  # type: ignore[misc]
            yield look_at_statuses(tdx, pipeline)


def look_at_statuses(tdx: Tdx, pipeline: Pipeline) -> Finding:
    """Look whether TDX has the asset statuses by which a pipeline counts computers as active."""

    def look() -> str:
        actives = pipeline.active_statuses(listed_by_tdx(tdx.asset_statuses()))
        doubts = [doubt for active in actives for doubt in active.doubts()]
        if doubts:
            raise _Warning(" ".join(doubts))
        counted = (", ".join(map(str, active.ids or active.names)) for active in actives)
        return "; ".join(counted) or "not asked for"

    return _look(f"active statuses of {pipeline.name}", look)


class _Warning(Exception):
    """Not wrong, but worth a word."""


def _look(about: str, look: Callable[[], str]) -> Finding:
    try:
        return Finding(about, Verdict.OK, look())
    except _Warning as warning:
        return Finding(about, Verdict.WARNING, str(warning))
    except TdxRetryLater as error:
        return Finding(about, Verdict.WRONG, f"{error} Try again later.")
    except Exception as error:
        known = exit_code_and_text(error)
        if known is None:
            raise
        return Finding(about, Verdict.WRONG, known[1])


def _settings() -> str:
    address = normalise_base_url(load_settings().connection().base_url)
    return f"complete, for the {'sandbox' if is_sandbox(address) else 'production system'} at {address}"


def _schema() -> str:
    runtime = prepare()
    return f"{len(schema_state(runtime.database).applied)} migrations applied"


def _pipelines() -> str:
    load_sensor_settings()  # read wherever pipelines become definitions
    return ", ".join(load_pipelines()) or "none"


def _inventory() -> str:
    settings = load_inventory_settings()
    engine = DatabaseProvider().engine()
    if not settings.is_external:
        check_ownership(engine, settings.source_system)
    names = InventoryNames(settings.source_system, settings.entity_types, settings.schema)
    age, computers = inventory_age(engine, **asdict(names))
    by = "by another job" if settings.is_external else "by us"
    mend = "look at the job that loads it" if settings.is_external else "run `tdx-dagster ingest`"
    if not computers:
        raise _Warning(
            f"No computers are known: {mend if age is None else 'run `tdx-dagster ingest`'}. "
            "Until then TDX is searched."
        )
    current = check_current(engine, names)
    if not current.passed:
        raise _Warning(current.text)
    judged = settings.limits.judge(age)
    if judged is not Freshness.FRESH:
        doubt = "; TDX is asked about each hit" if judged is Freshness.DISTRUSTED else ""
        raise _Warning(f"{computers} computers, but last loaded {by} {_ago(age)}{doubt}: {mend}.")
    return f"{computers} computers, loaded {by} {_ago(age)}"


def _action_log() -> str:
    running = writing_now(DatabaseProvider().engine())
    if running:
        raise _Warning(running)
    return "nobody else writes it"


def _ago(age: timedelta | None) -> str:
    return (
        "at a time nobody noted" if age is None else f"{age.total_seconds() / 3600:.1f} hours ago"
    )


def _report(tdx: Tdx, pipeline: Pipeline) -> str:
    report_id = load_settings().report_id(pipeline.report_id)
    found = read_tickets(tdx.report(report_id), pipeline.ticket_column)
    text = f"report {report_id}: {len(found.ticket_ids)} tickets, from column {found.column!r}"
    if found.rejected:
        raise _Warning(f"{text}; {len(found.rejected)} rows without a usable id")
    if found.may_be_cut:
        raise _Warning(f"{text}; as many rows as its maximum, so some may be missing")
    return text
