"""`init`: asks at most six questions, reads the rest from TDX, and writes `.env` and a pipeline.

Belongs here: the questions, and what is shown. What is proposed is decided in `tdx_dagster.init`. Secrets are
asked for or read from the environment; no option takes one, since everybody on a machine sees options.
"""

import os
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import click
from rich.box import SIMPLE_HEAD
from rich.markup import escape
from rich.table import Table

import tdx_dagster.defs
from tdx_dagster.cli.check import Verdict, findings_table, run_checks
from tdx_dagster.cli.output import out
from tdx_dagster.component import PIPELINE_NAME, load_defs_folder
from tdx_dagster.component_schema import DEFAULT_ACTIONS, new_entry
from tdx_dagster.environment import read_dotenv
from tdx_dagster.init.files import (
    Planned,
    env_file,
    inventory_file,
    pipeline_file,
    project_files,
    write_files,
)
from tdx_dagster.init.forms import Computers
from tdx_dagster.init.reports import NoTickets, TicketReport, find_tickets
from tdx_dagster.init.survey import ASSETS, Places, describe_reports, find_computers, read_places
from tdx_dagster.named_tdx import selected_tdx
from tdx_dagster.project import Project, find_project, select_own_project, select_project
from tdx_dagster.settings import Settings, SettingsError, load_settings
from tdx_dagster.tdx.address import normalise_base_url
from tdx_dagster.tdx.errors import TdxRefused, TdxSettingError
from tdx_dagster.tdx.models import Application, ReportInfo
from tdx_dagster.tdx.organisation import Organisation
from tdx_dagster.tdx.sign_in import Credentials
from tdx_dagster.tickets.actions.registry import action_types
from tdx_dagster.tickets.pipeline import Mode

FIRST_MODE = {"mode": Mode.OBSERVE.value}
"""Attributes by which a new pipeline begins without writing to TDX."""

ADD_ASSET = "add_asset"
_GUID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")


@dataclass
class Questions:
    """Asks a person, or takes the option's value where nobody is there.

    Args:
        is_silent: Nobody is asked.
        answers: What was asked for, by the variable it is stored in.
    """

    is_silent: bool
    answers: dict[str, str] = field(default_factory=dict)

    def ask(self, text: str, option: str, default: str | None = None, **how: Any) -> str:  # noqa: ANN401  click's
        """Ask one question.

        Raises:
            SettingsError: Nobody may be asked, and there is no default.
        """
        if not self.is_silent:
            return str(click.prompt(text, default=default, err=True, **how)).strip()
        if default is None:
            raise SettingsError(f"--yes asks nothing: give {option}.")
        return default


@click.command()
@click.option("--base-url", metavar="ADDRESS", help="TDX: https://<host>/TDWebApi or /SBTDWebApi.")
@click.option("--report", "report_id", type=int, metavar="ID", help="The report with the tickets.")
@click.option("--actions", metavar="NAMES", help="Actions in order, separated by commas.")
@click.option("--form", "form_id", type=int, metavar="ID", help="The asset form of computers.")
@click.option("--name", default="tickets", show_default=True, help="Name of the pipeline.")
@click.option("--yes", is_flag=True, help="Ask nothing; the sign-in comes from the environment.")
@click.option("--force", is_flag=True, help="With --yes: overwrite files that are there.")
@click.pass_context
def init(
    ctx: click.Context,
    *,
    base_url: str | None,
    report_id: int | None,
    actions: str | None,
    form_id: int | None,
    name: str,
    yes: bool,
    force: bool,
) -> None:
    """Set up a pipeline: ask for address, sign-in, database, report and actions, and read the rest from TDX.

    Writes .env and defs.yaml here, in a project of dg that is made where there is none. Writes nothing to TDX.
    """
    if not PIPELINE_NAME.fullmatch(name):
        raise SettingsError(f"--name: {name!r}: use letters, digits and underscores.")
    if selected_tdx():
        raise SettingsError(
            "--tdx: init sets up the environment without a name; add another by hand."
        )
    questions = Questions(is_silent=yes)
    organisation = _connect(questions, base_url)
    _database(questions)
    report = _report(organisation, questions, report_id)
    chosen = _actions(questions, actions)
    computers = _computers(organisation, form_id) if ADD_ASSET in chosen else None
    questions.answers |= {
        "TDX_TICKET_APP_ID": str(report.app.id),
        "TDX_ASSET_APP_ID": str(_asset_app(organisation, computers)),
    }
    _show(report, computers, chosen)
    files, project = _files(questions, name, report, computers, chosen)
    left = write_files(files, lambda text: force if yes else click.confirm(text, err=True))
    for path in left:
        out.print(f"Left as it is: {escape(str(path))}", highlight=False)
    ctx.exit(_check(project, is_complete=not left))


def _connect(questions: Questions, base_url: str | None) -> Organisation:
    settings = load_settings()
    address = base_url or settings.tdx_base_url
    if not address:
        address = questions.ask("Address of TDX (https://<host>/TDWebApi)", "--base-url")
    address = normalise_base_url(address, allow_http=settings.tdx_allow_http)
    if settings.tdx_base_url != address:
        questions.answers["TDX_BASE_URL"] = address
    return Organisation.create(
        address, _credentials(settings, questions), allow_http=settings.tdx_allow_http
    )


def _credentials(settings: Settings, questions: Questions) -> Credentials:
    known = settings.credentials()
    if known is not None:
        return known
    if questions.is_silent:
        raise SettingsError(
            "--yes asks nothing: set TDX_BEID and TDX_WEB_SERVICES_KEY, or TDX_USERNAME and TDX_PASSWORD, or "
            "TDX_API_TOKEN in the environment."
        )
    who = questions.ask("BEID or user name (empty: an API token)", "", "", show_default=False)
    names = ("", "TDX_API_TOKEN", "API token")
    if who:
        is_key = bool(_GUID.fullmatch(who))
        names = (
            ("TDX_BEID", "TDX_WEB_SERVICES_KEY", "Web services key")
            if is_key
            else ("TDX_USERNAME", "TDX_PASSWORD", "Password")
        )
        questions.answers[names[0]] = who
    secret = questions.ask(f"{names[2]} (not shown)", "", hide_input=True)
    questions.answers[names[1]] = secret
    given = {names[0]: who, names[1]: secret}
    return Credentials(
        beid=given.get("TDX_BEID", ""),
        web_services_key=given.get("TDX_WEB_SERVICES_KEY", ""),
        username=given.get("TDX_USERNAME", ""),
        password=given.get("TDX_PASSWORD", ""),
        api_token=given.get("TDX_API_TOKEN", ""),
    )


def _database(questions: Questions) -> None:
    if load_settings().database_url is not None:
        return
    text = "PostgreSQL address, postgresql://… (not shown; empty: an embedded server)"
    given = questions.ask(text, "", "", show_default=False, hide_input=True)
    if given:
        questions.answers["DATABASE_URL"] = given


def _report(
    organisation: Organisation, questions: Questions, report_id: int | None
) -> TicketReport:
    applications = organisation.applications()
    report_id = report_id or load_settings().daemon_report_id
    known = {one.id: one for one in organisation.reports()} if report_id else {}
    info = known.get(report_id or 0) or _chosen_report(
        organisation, questions, applications, report_id
    )
    try:
        return find_tickets(organisation, info, applications)
    except NoTickets as error:
        raise _Ask([str(error)]) from None
    except (TdxRefused, TdxSettingError) as error:
        raise _Ask([f"Permission to run report {info.id} ({info.name}). {error}"]) from None


def _chosen_report(
    organisation: Organisation,
    questions: Questions,
    applications: tuple[Application, ...],
    report_id: int | None,
) -> ReportInfo:
    offered = describe_reports(organisation, applications)
    if report_id or not offered:
        which = f"Report {report_id}" if report_id else "A report that lists tickets"
        raise _Ask([f"{which}, shared with this account, and a licence with reporting for it."])
    table = Table("id", "report", "ticket column", box=SIMPLE_HEAD)
    for info, column in offered:
        table.add_row(str(info.id), escape(info.name), escape(column))
    out.print(table)
    only = str(offered[0][0].id) if len(offered) == 1 else None
    ids = click.Choice([str(info.id) for info, _ in offered])
    answer = questions.ask("Report", "--report", only, type=ids, show_choices=False)
    return next(info for info, _ in offered if str(info.id) == answer)


def _actions(questions: Questions, given: str | None) -> list[str]:
    known = action_types()
    text = given or questions.ask(
        f"Actions, of {', '.join(known)}", "--actions", ",".join(DEFAULT_ACTIONS)
    )
    chosen = [name for name in re.split(r"[\s,]+", text) if name]
    wrong = [name for name in chosen if name not in known]
    if wrong or not chosen:
        raise SettingsError(
            f"--actions: {', '.join(wrong) or 'none'}: choose of {', '.join(known)}."
        )
    return chosen


def _computers(organisation: Organisation, form_id: int | None) -> Computers:
    places = read_places(organisation, organisation.applications())
    computers = find_computers(places, form_id)
    if computers is not None and computers.active:
        return computers
    if places.asks:
        raise _Ask(places.asks)
    raise SettingsError(_no_form(places, form_id))


def _asset_app(organisation: Organisation, computers: Computers | None) -> int:
    if computers is not None:
        return computers.assets.app.id
    apps = [app.id for app in organisation.applications() if app.app_class == ASSETS]
    if not apps:
        raise _Ask(["Access to the asset application: the account sees none."])
    return apps[0]


def _no_form(places: Places, form_id: int | None) -> str:
    forms = sorted(
        (form for place in places.assets for form in place.forms if form.total),
        key=lambda form: -form.total,
    )
    named = ", ".join(f"{form.id} {form.name!r} ({form.total})" for form in forms[:8])
    which = (
        f"--form: no asset in use has form {form_id}."
        if form_id
        else "No asset form looks like that of computers: name it with --form ID."
    )
    return f"{which} Forms with assets: {named or 'none'}."


class _Ask(SettingsError):
    """The administrator of TDX has to change something first."""

    def __init__(self, asks: list[str] | tuple[str, ...]) -> None:
        lines = "".join(f"\n  - {one}" for one in asks)
        super().__init__(
            f"Ask the administrator of TDX for the following; nothing was written.{lines}"
        )


def _show(report: TicketReport, computers: Computers | None, actions: list[str]) -> None:
    for note in _notes(report, computers):
        out.print(escape(note), highlight=False)
    out.print(f"Actions: {', '.join(actions)}", highlight=False)


def _notes(report: TicketReport, computers: Computers | None) -> list[str]:
    read = "one was read" if report.is_tried else "none was read, since it is empty"
    notes = [
        (
            f"Report {report.info.id}: {report.info.name!r}, {report.tickets} tickets of application "
            f"{report.app.id} ({report.app.name}); {read}."
        )
    ]
    if computers is None:
        return notes
    statuses = ", ".join(
        f"{key} ({name})"
        for key, name in zip(computers.status_ids, computers.status_names, strict=True)
    )
    app = computers.assets.app
    notes += [
        (
            f"Computers: form {computers.form.id} ({computers.form.name}) of application {app.id} "
            f"({app.name}), {computers.active} active of {computers.form.total}."
        ),
        f"Active statuses: {statuses}.",
    ]
    notes += [
        f"Not attached: the {other.active(computers.status_ids)} assets of form {other.id} ({other.name})."
        for other in computers.others
    ]
    return notes


def _files(
    questions: Questions,
    name: str,
    report: TicketReport,
    computers: Computers | None,
    actions: list[str],
) -> tuple[list[Planned], Project | None]:
    root, project = _root()
    files: list[Planned] = []
    if project is None and _is_own(root):
        folder, has_inventory = root / "tdx_dagster" / "defs", True
    elif project is None:
        files, folder = project_files(root)
        has_inventory = False
    else:
        select_project(root, is_required=True)
        folder = Path(next(iter(project.import_defs().__path__)))
        has_inventory = bool(load_defs_folder().inventories)
    entries = [_entry(action, computers) for action in actions]
    attributes = {
        "report_id": report.info.id,
        "ticket_column": report.column,
        **FIRST_MODE,
        "actions": entries,
    }
    files.append(pipeline_file(folder, name, attributes, _notes(report, computers)))
    if computers is not None and not has_inventory:
        files.append(inventory_file(folder))
    files.append(env_file(root / ".env", _not_set(questions.answers)))
    return files, project


def _root() -> tuple[Path, Project | None]:
    project = find_project(Path.cwd())
    root = project.root if project else Path.cwd()
    os.chdir(root)
    return root, project


def _is_own(root: Path) -> bool:
    return Path(str(tdx_dagster.defs.__file__)).resolve().parents[2] == root.resolve()


def _not_set(values: dict[str, str]) -> dict[str, str]:
    """Leave out what the environment says already: it goes before `.env`."""
    in_file = read_dotenv()
    return {
        name: value
        for name, value in values.items()
        if os.environ.get(name) != value or name in in_file
    }


def _entry(action: str, computers: Computers | None) -> dict[str, Any]:
    entry = new_entry(action)
    if action != ADD_ASSET or computers is None:
        return entry
    version = entry.pop("version")
    return {
        **entry,
        "computer_form_id": computers.form.id,
        "active_status_ids": list(computers.status_ids),
        "version": version,
    }


def _check(project: Project | None, *, is_complete: bool) -> int:
    """Run the checks of `check` on what was written."""
    root = Path.cwd()
    if project is None and _is_own(root):
        select_own_project()
    else:
        select_project(root, is_required=True)
    findings = list(run_checks())
    out.print(findings_table(findings))
    is_wrong = any(one.verdict is Verdict.WRONG for one in findings)
    if is_wrong or not is_complete:
        out.print("Not ready yet: see the findings, then `tdx-dagster check`.", highlight=False)
        return 2
    out.print(
        "Ready. Next: `tdx-dagster ingest` loads the computers, `tdx-dagster plan` says what a pass would do. "
        "The pipeline observes and writes nothing until its defs.yaml says `mode: act`. "
        "Whether the account may comment was not tried: nothing was written to TDX.",
        highlight=False,
    )
    return 0
