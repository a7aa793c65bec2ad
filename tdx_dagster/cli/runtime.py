"""What commands stand on: the database, the Dagster instance, and where output goes.

Belongs here: resolving the environment once and exporting it, so that child processes and Dagster's own
`env:` settings see the same. Does not: what a command does.
"""

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from rich.console import Console

from tdx_dagster.postgres import (
    EMBEDDED_FOLDER,
    database_url,
    ensure_database,
    migrate,
    pending_migrations,
    with_database,
)
from tdx_dagster.settings import SettingsError, load_settings, working_folder

if TYPE_CHECKING:
    from dagster import DagsterInstance

err = Console(stderr=True)
out = Console()


@dataclass(frozen=True)
class Runtime:
    """Where this installation keeps things.

    Args:
        database: Address of our database, libpq form.
        dagster_database: Address of Dagster's.
        dagster_home: Folder with `dagster.yaml`.
        is_embedded: The server is ours.
    """

    database: str
    dagster_database: str
    dagster_home: Path
    is_embedded: bool

    def exports(self) -> dict[str, str]:
        """Give the variables that Dagster's commands need."""
        return {
            "DATABASE_URL": self.database,
            "DAGSTER_DATABASE_URL": self.dagster_database,
            "DAGSTER_HOME": str(self.dagster_home),
        }


def prepare(*, must_be_current: bool = True) -> Runtime:
    """Find or start the database and export where it is.

    Args:
        must_be_current: Refuse to go on where migrations are pending; an embedded database is migrated.

    Raises:
        SettingsError: The schema is missing or old.
        DatabaseError: The database cannot be used.
    """
    settings = load_settings()
    given = settings.database_url.get_secret_value() if settings.database_url else None
    url = database_url(given, working_folder())
    runtime = Runtime(
        database=url,
        dagster_database=_dagster_url(url),
        dagster_home=dagster_home(),
        is_embedded=given is None,
    )
    if must_be_current:
        _bring_up_to_date(runtime)
    os.environ.update(runtime.exports())
    return runtime


def _bring_up_to_date(runtime: Runtime) -> None:
    pending = pending_migrations(runtime.database)
    if pending and not runtime.is_embedded:
        raise SettingsError(
            f"The database lacks {len(pending)} migrations ({pending[0]} …): run `tdx-dagster migrate`."
        )
    if pending:
        migrate(runtime.database)


def _dagster_url(url: str) -> str:
    """Give Dagster's database: as set, or `<ours>_dagster` on the same server, made where missing."""
    settings = load_settings()
    if settings.dagster_database_url:
        return settings.dagster_database_url.get_secret_value()
    return with_database(url, suffix="_dagster")


def dagster_home() -> Path:
    """Give the folder with `dagster.yaml`: DAGSTER_HOME, here, or the project's own."""
    if os.environ.get("DAGSTER_HOME"):
        return Path(os.environ["DAGSTER_HOME"])
    for folder in (Path.cwd(), Path(__file__).resolve().parents[2]):
        if (folder / "dagster.yaml").exists():
            return folder.resolve()
    raise SettingsError(
        f"No dagster.yaml in {Path.cwd()}: start from the project's folder, or set DAGSTER_HOME."
    )


def dagster_instance(runtime: Runtime) -> "DagsterInstance":
    """Open the Dagster instance, in a database of its own."""
    from dagster import DagsterInstance  # noqa: PLC0415  takes a second

    ensure_database(runtime.dagster_database)
    return DagsterInstance.from_config(str(runtime.dagster_home))


def print_json(value: Any) -> None:  # noqa: ANN401  any JSON
    """Print one JSON object to standard output."""
    click.echo(json.dumps(value, ensure_ascii=False, default=str))


def embedded_folder() -> Path:
    """Give the folder of the embedded server."""
    return working_folder() / EMBEDDED_FOLDER
