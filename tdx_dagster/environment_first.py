"""Puts the environment before `.env` in Dagster's own processes, which have it the other way round.

Each command of Dagster (webserver, daemon, code server, a run's process) writes what `.env` of its working
folder says over its environment and passes that to its children. The secrets loader of an instance is
the place where Dagster lets a project set variables after that, before any of our code is loaded:
`dagster.yaml` names this one. What the environment was is read from the kernel by the first process of a
chain, and passed on in a variable.
"""

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

from tdx_dagster.dagster_internals import ConfigurableClass, ConfigurableClassData, SecretsLoader
from tdx_dagster.environment import REMEMBERED, SettingsError, remembered_environment
from tdx_dagster.postgres.database import libpq_url
from tdx_dagster.postgres.errors import DatabaseSettingError


class EnvironmentFirst(SecretsLoader, ConfigurableClass):
    """Gives Dagster the variables of the environment that `.env` was written over.

    Raises:
        SettingsError: `.env` and the environment name two instances of Dagster. Dagster has opened that of
            `.env` by now.
    """

    def __init__(self, inst_data: ConfigurableClassData | None = None) -> None:
        self._inst_data = inst_data
        self._environment = remembered_environment()
        os.environ[REMEMBERED] = json.dumps(self._environment)
        _refuse_two_instances(self._environment)

    def get_secrets_for_environment(self, location_name: str | None) -> Mapping[str, str]:
        """Give the values that Dagster puts into its environment before it loads our code."""
        del location_name
        return self._environment

    @property
    def inst_data(self) -> ConfigurableClassData | None:
        """What the instance made this of."""
        return self._inst_data

    @classmethod
    def config_type(cls) -> dict[str, Any]:
        """Take no config."""
        return {}

    @classmethod
    def from_config_value(
        cls, inst_data: ConfigurableClassData, config_value: Mapping[str, Any]
    ) -> Self:
        """Make one from `dagster.yaml`."""
        del config_value
        return cls(inst_data)


def _refuse_two_instances(environment: Mapping[str, str]) -> None:
    for name, form in (("DAGSTER_DATABASE_URL", _url), ("DAGSTER_HOME", _folder)):
        given, used = environment.get(name), os.environ.get(name)
        if given and used and form(given) != form(used):
            raise SettingsError(
                f"{name} is set in the environment and, to something else, in .env: Dagster would take the "
                "one in .env. Remove one of them."
            )


def _url(text: str) -> str:
    try:
        return libpq_url(text)
    except DatabaseSettingError:
        return text


def _folder(text: str) -> str:
    return str(Path(text).expanduser().resolve())
