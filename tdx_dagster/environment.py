"""Where settings come from: the environment, then `.env` in the working folder, then defaults.

Belongs here: reading `.env`, and the base class of all settings. Does not: any single setting
(`settings`, `inventory.settings`), nor what Dagster does with `.env` (`environment_first`).
"""

import codecs
import json
import os
from collections.abc import Iterable
from difflib import get_close_matches
from io import StringIO
from pathlib import Path
from typing import Any, Self

from dotenv import dotenv_values
from dotenv.parser import parse_stream
from pydantic import ValidationError
from pydantic_settings import (
    BaseSettings,
    EnvSettingsSource,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
)

# Holds the environment for Dagster's processes, which write `.env` over it: see `environment_first`.
REMEMBERED = "TDX_ENVIRONMENT_FIRST"
# Set to "on" by `tdx-dagster dev`, whose processes work on the sample.
SAMPLE = "TDX_SAMPLE"


def log_command(words: str) -> str:
    """Give a command that asks the action log, as people have to type it; under `dev` that of the sample."""
    return f"`tdx-dagster {words}{' --sample' if os.environ.get(SAMPLE) == 'on' else ''}`"


AT_START = Path("/proc/self/environ")


class SettingsError(Exception):
    """A setting is missing or malformed; the text names it and the fix."""


class EnvironmentSettings(BaseSettings):
    """Settings that are read from the environment, then from `.env`, then from defaults."""

    model_config = SettingsConfigDict(
        env_ignore_empty=True,
        extra="ignore",
        hide_input_in_errors=True,
        populate_by_name=True,
        allow_inf_nan=False,
    )

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Give the places that are looked at, in order."""
        del dotenv_settings, file_secret_settings
        return init_settings, env_settings, _DotenvSource(settings_cls)

    @classmethod
    def load(cls, **given: Any) -> Self:  # noqa: ANN401  values of any setting
        """Read the settings.

        Args:
            given: Values that go before the environment's.

        Raises:
            SettingsError: A value is malformed; the variable is named, its value is not.
        """
        try:
            return cls(**given)
        except ValidationError as error:
            faults = "; ".join(_fault(cls, one) for one in error.errors())
            raise SettingsError(f"Settings that cannot be read: {faults}.") from None

    @classmethod
    def variables(cls) -> list[str]:
        """Give the names of the environment variables that are read, in capitals."""
        return [cls.variable(field) for field in cls.model_fields]

    @classmethod
    def variable(cls, field: str) -> str:
        """Give the name of the environment variable of a field."""
        alias = cls.model_fields[field].validation_alias
        return str(alias) if alias else (cls.model_config.get("env_prefix", "") + field).upper()


class _DotenvSource(EnvSettingsSource):
    """Reads the settings in `.env` as those in the environment are read."""

    def _load_env_vars(self) -> dict[str, str | None]:
        return {name.lower(): value for name, value in read_dotenv().items() if value}


def read_dotenv() -> dict[str, str]:
    """Give what `.env` in the working folder says; empty where there is none.

    Raises:
        SettingsError: It cannot be read, is not in UTF-8, or a line of it is no setting.
    """
    file = Path(".env")
    try:
        content = file.read_bytes()
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise SettingsError(f"{file.absolute()} cannot be read: {error.strerror}.") from None
    text = _decode(content, file)
    _refuse_unreadable_lines(text, file)
    found = dotenv_values(stream=StringIO(text))
    return {name: value for name, value in found.items() if value is not None}


def _refuse_unreadable_lines(text: str, file: Path) -> None:
    """Refuse a line that is no assignment: without its setting another database might be used."""
    for one in parse_stream(StringIO(text)):
        if one.error:
            raise SettingsError(
                f"{file.absolute()}, line {one.original.line}, is no setting: write NAME=value, with a quote "
                "at both ends or none, or # in front of a comment."
            )


def _decode(content: bytes, file: Path) -> str:
    # Windows editors put a mark in front, which would become part of the first name.
    if content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)) or b"\0" in content:
        raise SettingsError(f"{file.absolute()} is in UTF-16 or no text: save it as UTF-8.")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise SettingsError(
            f"{file.absolute()} is not in UTF-8 (line {line}): save it as UTF-8."
        ) from None


def remembered_environment() -> dict[str, str]:
    """Give the variables of `.env` as the environment had them; those it did not have are missing."""
    remembered = os.environ.get(REMEMBERED)
    if remembered:
        found: dict[str, str] = json.loads(remembered)
        return found
    before = _environment_at_start()
    return {name: before[name] for name in read_dotenv() if before.get(name)}


def remember_environment() -> None:
    """Keep the environment as it is now for Dagster's processes that this one starts."""
    now = {name: os.environ[name] for name in read_dotenv() if os.environ.get(name)}
    os.environ[REMEMBERED] = json.dumps(now)


def overridden_by_dotenv() -> list[str]:
    """Name the variables that Dagster's own processes take from `.env` though the environment has others.

    There are none on Linux, whose kernel tells what a process was started with.
    """
    if AT_START.exists():
        return []
    return sorted(
        name for name, value in read_dotenv().items() if os.environ.get(name, value) != value
    )


def _environment_at_start() -> dict[str, str]:
    """Give what this process was started with; without Linux's /proc, what it has now."""
    try:
        content = AT_START.read_bytes()
    except OSError:
        return dict(os.environ)
    pairs = (part.partition("=") for part in os.fsdecode(content).split("\0"))
    return {name: value for name, _, value in pairs if name}


def refuse_unknown(prefix: str, known: Iterable[str]) -> None:
    """Refuse a variable that begins with `prefix`, is none of ours, and is almost one of ours or in `.env`.

    The environment may hold other programs' variables; the file is ours.

    Raises:
        SettingsError: Naming the variable and the nearest one.
    """
    names = list(known)
    for place, found in (("the environment", os.environ), (".env", read_dotenv())):
        for name in found:
            if not name.upper().startswith(prefix) or name.upper() in names:
                continue
            close = get_close_matches(name.upper(), names, n=1, cutoff=0.8)
            if close or place == ".env":
                meant = f"Did you mean {close[0]}? " if close else ""
                ours = ", ".join(name for name in names if name.startswith(prefix))
                raise SettingsError(
                    f"{name} in {place} is no setting. {meant}Those that begin with {prefix} are {ours}."
                )


def _fault(kind: type[EnvironmentSettings], fault: Any) -> str:  # noqa: ANN401  pydantic's dict
    """Say what is wrong with one variable; a value only where it can be no secret."""
    text = fault["msg"].removeprefix("Value error, ")
    if not fault["loc"]:
        return str(text)
    place = str(fault["loc"][0])
    name = kind.variable(place) if place in kind.model_fields else place.upper()
    meant = ""
    if fault["type"] == "literal_error":
        choices = fault["ctx"]["expected"].replace("'", "").replace(" or ", ", ").split(", ")
        close = get_close_matches(str(fault["input"]), choices, n=1)
        meant = f" (did you mean {close[0]}?)" if close else ""
    return f"{name}: {text[0].lower()}{text[1:]}{meant}"
