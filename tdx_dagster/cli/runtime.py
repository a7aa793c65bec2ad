"""What all commands need: the database, the Dagster instance, and how runs in this process are read.

Belongs here: resolving the environment once and exporting it, so that child processes and Dagster's own
`env:` settings see the same. Does not: what a command does.
"""

import getpass
import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click
import psycopg2
from sqlalchemy import make_url
from sqlalchemy.engine import URL
from yaml import YAMLError

from tdx_dagster.component_errors import causes
from tdx_dagster.environment import remember_environment
from tdx_dagster.inventory.schema import place_table, require_table
from tdx_dagster.named_tdx import UNNAMED, selected_tdx, variable_of
from tdx_dagster.postgres import server
from tdx_dagster.postgres.database import engine, ensure_database, libpq_url, shown_url
from tdx_dagster.postgres.errors import DatabaseError, DatabaseSettingError, first_line
from tdx_dagster.postgres.migrations import migrate, pending
from tdx_dagster.postgres.rights import require_home
from tdx_dagster.postgres.sessions import shell_variables
from tdx_dagster.settings import (
    SettingsError,
    embedded_folder,
    find_database,
    load_inventory_settings,
    load_settings,
    require_settings,
    speaking_of,
)
from tdx_dagster.state.tdx_environment import refuse_other_environment
from tdx_dagster.tdx.errors import TdxSettingError

if TYPE_CHECKING:
    from dagster import DagsterInstance, ExecuteInProcessResult

# Runs in this process report through our own output; Dagster's lines would bury it.
QUIET = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}

# Of the database and the folder of what `dev` serves.
SAMPLE_NAME = "dev"

# Names, since a run gives its errors as text.
_SETTING_FAULTS = {
    kind.__name__
    for base in (SettingsError, DatabaseSettingError, TdxSettingError)
    for kind in (base, *base.__subclasses__())
}


SHOWN_CHARACTERS = 300


class WrongSetting(click.ClickException):
    """A run failed for a setting, a right or an installation that a person changes first."""

    exit_code = 2


@dataclass(frozen=True)
class Runtime:
    """Where this installation keeps things.

    Args:
        database: Address of our database, libpq form.
        dagster_database: Address of Dagster's.
        dagster_home: Folder with `dagster.yaml`.
        is_embedded: The server is ours.
        tdx: Name of the TDX environment that the database is for.
        unnamed_database: Address of that of the environment without a name; empty: the same.
    """

    database: str
    dagster_database: str
    dagster_home: Path
    is_embedded: bool
    tdx: str = UNNAMED
    unnamed_database: str = ""

    def exports(self) -> dict[str, str]:
        """Give the variables that Dagster's commands need."""
        broker = load_settings().tdx_celery_url
        return {
            **({"TDX_CELERY_URL": broker.get_secret_value()} if broker else {}),
            "DATABASE_URL": self.unnamed_database or self.database,
            variable_of("DATABASE_URL", self.tdx): self.database,
            "DAGSTER_DATABASE_URL": self.dagster_database,
            "DAGSTER_HOME": str(self.dagster_home),
            # What Dagster knows of many tickets at once it stores at once, instead of one by one.
            "DAGSTER_EVENT_BATCH_SIZE": os.environ.get("DAGSTER_EVENT_BATCH_SIZE", "200"),
        }


def prepare(*, must_be_current: bool = True, needs_tdx: bool = False) -> Runtime:
    """Find or start the database and export where it is.

    Args:
        must_be_current: Refuse to go on where migrations are pending; an embedded database is migrated.
        needs_tdx: Refuse to go on without an address of TDX and a sign-in.

    Raises:
        SettingsError: A setting is missing or malformed, or the schema is missing or old.
        DatabaseError: The database cannot be used.
    """
    require_settings(needs_tdx=needs_tdx)
    home = dagster_home()
    url, tdx = find_database(tdx=UNNAMED), selected_tdx()
    if tdx:
        _make_database(tdx)
    runtime = Runtime(
        database=libpq_url(find_database()),
        dagster_database=dagster_url(url),
        dagster_home=home,
        is_embedded=_is_embedded(tdx, libpq_url(url)),
        tdx=tdx,
        unnamed_database=libpq_url(url),
    )
    if must_be_current:
        bring_up_to_date(runtime)
    if must_be_current and needs_tdx:
        refuse_other_tdx(runtime.database)
    os.environ.update(runtime.exports())
    remember_environment()
    return runtime


def select_sample() -> None:
    """Let this process ask the database of the sample that `dev` serves from this folder.

    Raises:
        SettingsError: There is none.
        DatabaseError: The embedded server cannot be started.
    """
    folder = embedded_folder()
    if not (folder.parent / SAMPLE_NAME / "sample.json").exists():
        raise SettingsError(
            f"There is no sample in {folder.parent}: stand where `tdx-dagster dev` was started."
        )
    os.environ["DATABASE_URL"] = libpq_url(ensure_database(server.start(folder), SAMPLE_NAME))


# What was exported of the embedded server, so that a later look at the settings is none at somebody's own.
_embedded: set[str] = set()


def _is_embedded(tdx: str, unnamed: str) -> bool:
    url = libpq_url(find_database())
    if load_settings(UNNAMED).database_url is None:
        _embedded.add(unnamed)
    if load_settings(tdx).database_url is None and unnamed in _embedded:
        _embedded.add(url)
    return url in _embedded


def _make_database(tdx: str) -> None:
    """Make the database of an environment where it is to be beside the other one and is missing."""
    if load_settings(tdx).database_url is None:
        ensure_database(find_database(tdx=UNNAMED), make_url(find_database()).database or tdx)


def refuse_other_tdx(database: str) -> None:
    """Refuse a database whose action log and inventory belong to another TDX than settings name.

    Raises:
        OtherEnvironment: Naming both and the remedy.
    """
    opened = engine(database)
    try:
        with speaking_of(load_settings()):
            refuse_other_environment(opened, load_settings().connection().base_url)
    finally:
        opened.dispose()


def bring_up_to_date(runtime: Runtime) -> None:
    """Migrate an embedded database; refuse to use somebody's own with an old schema.

    Raises:
        SettingsError: Naming the command that migrates.
        DatabaseSettingError: INVENTORY_SCHEMA was changed since the last `migrate`.
    """
    waiting = pending(runtime.database)
    if waiting and not runtime.is_embedded:
        raise SettingsError(
            f"The database {shown_url(runtime.database)} lacks {len(waiting)} migrations, from {waiting[0]} "
            "on: run `tdx-dagster migrate`."
        )
    if waiting:
        migrate(runtime.database)
    schema = load_inventory_settings().schema_name
    if runtime.is_embedded:
        place_table(engine(runtime.database), schema)
    else:
        require_table(engine(runtime.database), schema)


def dagster_url(url: str) -> str:
    """Give Dagster's database: as set, or `<ours>_dagster` on the same server, made where missing."""
    given = load_settings().dagster_database_url
    if given:
        return _given_dagster_url(given.get_secret_value())
    name = (make_url(url).database or "tdx").removesuffix("_dagster") + "_dagster"
    found = libpq_url(ensure_database(url, name))
    require_home(make_url(found), "DATABASE_URL")
    return found


def _given_dagster_url(given: str) -> str:
    try:
        found = libpq_url(given)
        require_home(make_url(found), "DAGSTER_DATABASE_URL")
    except DatabaseError as error:
        # What refuses an address knows the other setting alone.
        text = re.sub("(?<!DAGSTER_)DATABASE_URL", "DAGSTER_DATABASE_URL", str(error))
        raise type(error)(text) from None
    return found


def dagster_home() -> Path:
    """Give the folder with `dagster.yaml`: DAGSTER_HOME, here, or what came with this package.

    Raises:
        SettingsError: There is none; the text names DAGSTER_HOME.
    """
    given = load_settings().dagster_home
    if given is not None:
        return _given_home(given)
    package = Path(__file__).resolve().parents[1]
    for folder in (Path.cwd(), package.parent, package / "instance"):
        if (folder / "dagster.yaml").exists():
            return folder.resolve()
    raise SettingsError(
        f"No dagster.yaml in {Path.cwd()}: start from the project's folder, or set DAGSTER_HOME."
    )


def _given_home(given: Path) -> Path:
    try:
        home = given.expanduser().resolve()
    except RuntimeError:  # a tilde where nobody knows a home
        home = given.absolute()
    if not home.is_dir():
        raise SettingsError(
            f"DAGSTER_HOME is {given}, and {home} is no folder: make it and copy the project's dagster.yaml "
            "into it, or leave DAGSTER_HOME out."
        )
    if not (home / "dagster.yaml").exists():
        raise SettingsError(
            f"DAGSTER_HOME is {given}, and {home} holds no dagster.yaml: copy the project's into it, or "
            "leave DAGSTER_HOME out."
        )
    return home


def person_name() -> str:
    """Give who stands at this terminal, for the records of what people decide."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # an account without a name, as in a container
        return f"user {os.getuid()}"


def dagster_instance(runtime: Runtime) -> "DagsterInstance":
    """Open the Dagster instance, in a database of its own.

    Raises:
        SettingsError: Its dagster.yaml, or a variable that it names, cannot be used.
    """
    from tdx_dagster.dagster_internals import open_instance  # noqa: PLC0415  imports Dagster

    try:
        return open_instance(runtime.dagster_home)
    except Exception as error:
        raise unusable_instance(runtime, error) from error


def unusable_instance(runtime: Runtime, error: Exception) -> SettingsError:
    """Give our error for what Dagster raises where its instance cannot be opened."""
    return SettingsError(
        f"Dagster cannot be opened as {runtime.dagster_home / 'dagster.yaml'} says: {_said_of(error)}. "
        "Correct that file or what it names; without DAGSTER_HOME the one of this package is used."
    )


def _said_of(error: Exception) -> str:
    """Give what Dagster says of its instance in one line: its own texts go on with a schema or a stack."""
    *_, inner = causes(error)
    if isinstance(inner, psycopg2.Error):
        return (
            f"its database refuses: {first_line(inner)}{shell_variables(URL.create('postgresql'))}"
        )
    text = "\n".join(one.message for one in getattr(inner, "errors", ())) or str(inner)
    asked = re.search(r"environment variable \"(\w+)\" which is not set", text)
    if asked:
        return f"the variable {asked[1]} is not set"
    shown = " ".join(text.partition(" Expected: ")[0].split())[:SHOWN_CHARACTERS].rstrip(".")
    return shown if isinstance(inner, YAMLError) else f"{type(inner).__name__}: {shown}"


def failed_run(result: "ExecuteInProcessResult") -> click.ClickException:
    """Give the error of a command whose run has failed; exit code 2 where a setting is at fault."""
    from tdx_dagster.failures import failure_kinds  # noqa: PLC0415  imports Dagster

    steps = (event for event in result.all_events if event.is_step_failure)
    is_setting = any(_SETTING_FAULTS.intersection(failure_kinds(step)) for step in steps)
    return (WrongSetting if is_setting else click.ClickException)(failure_text(result))


def failure_text(result: "ExecuteInProcessResult") -> str:
    """Give the sentence of the first step that failed."""
    from tdx_dagster.failures import failure_sentence  # noqa: PLC0415  imports Dagster

    for event in result.all_events:
        if event.is_step_failure and (said := failure_sentence(event)):
            return said
    return "the run failed before its first step; see the Dagster UI"
