"""Several TDX environments in one installation, by name: `sandbox` beside the one that has no name.

Belongs here: what a name may be, what is called after it, and which one a command works on. Does not: the
settings of an environment (`settings`), which TDX a database belongs to (`state.tdx_environment`).
"""

import re

from tdx_dagster.environment import SettingsError

UNNAMED = ""
"""The environment of TDX_BASE_URL."""

NAME = re.compile("[a-z][a-z0-9]*")

# TDX_TICKET_APP_ID, TDX_RATE_SHARE and others would mean two things; Dagster's own database is <ours>_dagster.
TAKEN = frozenset(
    {"allow", "alert", "api", "app", "asset", "base", "celery", "dagster", "environment", "poll"}
    | {"quality", "rate", "retry", "settle", "lease", "max", "ticket", "time", "web", "write"}
)

_selected = [UNNAMED]


def require_name(name: str) -> str:
    """Give the name of an environment.

    Raises:
        SettingsError: It cannot be one.
    """
    if name and (not NAME.fullmatch(name) or name in TAKEN):
        raise SettingsError(
            f"tdx: {name!r} cannot be the name of a TDX environment: lower-case letters and digits are wanted, "
            f"like sandbox, and none of {', '.join(sorted(TAKEN))}."
        )
    return name


def select_tdx(name: str) -> None:
    """Let what this process does by itself, outside of Dagster's runs and ticks, be for an environment.

    Raises:
        SettingsError: The name cannot be one.
    """
    _selected[0] = require_name(name)


def selected_tdx() -> str:
    """Give the name of the environment that was selected."""
    return _selected[0]


def variable_of(variable: str, tdx: str) -> str:
    """Give the variable that an environment has in place of one of ours: TDX_SANDBOX_BASE_URL."""
    what = variable.removeprefix("TDX_").removeprefix("DAEMON_")
    return f"TDX_{tdx.upper()}_{what}" if tdx else variable


def in_words_of(text: str, tdx: str) -> str:
    """Give a message with the variables of an environment in place of those without a name."""
    if not tdx:
        return text
    known = r"(?<![A-Z_])(TDX_(?:BASE_URL|APP_ID|TICKET_APP_ID|ASSET_APP_ID)|DATABASE_URL)"
    return re.sub(known, lambda found: variable_of(found.group(1), tdx), text)


def suffixed(name: str, tdx: str) -> str:
    """Give the name of a job, schedule, sensor or group of an environment."""
    return f"{name}_{tdx}" if tdx else name


def key_path(path: list[str], tdx: str) -> list[str]:
    """Give the path of an asset's key in an environment."""
    return [tdx, *path] if tdx else path


def resource_key(what: str, tdx: str) -> str:
    """Give the key of a resource of an environment: tdx_dagster_client, tdx_dagster_sandbox_client."""
    return f"tdx_dagster_{tdx}_{what}" if tdx else f"tdx_dagster_{what}"
