"""Settings of the measurement: when it may call TDX, and which precision is wanted.

Belongs here: what can be set, with its default. Does not: what is done with it.
"""

import re
from datetime import datetime
from typing import Annotated

from pydantic import AfterValidator, Field
from pydantic_settings import SettingsConfigDict

from tdx_dagster.environment import EnvironmentSettings
from tdx_dagster.inventory.settings import Cron

_HOURS = re.compile(r"(\d{1,2})-(\d{1,2})")
_LAST_HOUR = 24
_FIRST_FREE_WEEKDAY = 5


def _require_hours(value: str) -> str:
    found = _HOURS.fullmatch(value.strip())
    if not found or not int(found[1]) < int(found[2]) <= _LAST_HOUR:
        raise ValueError("two hours of a day are wanted, like 7-19")
    return value.strip()


class QualitySettings(EnvironmentSettings):
    """How the quality of discovery is measured; each field is a variable TDX_QUALITY_<FIELD>."""

    model_config = SettingsConfigDict(env_prefix="TDX_QUALITY_", frozen=True)

    min_precision: float = Field(
        0.98, gt=0, le=1, description="the check fails where precision is surely below it"
    )
    # After office hours and away from the hour of full loads.
    cron: Cron = "43 1 * * *"
    office_hours: Annotated[str, AfterValidator(_require_hours)] = Field(
        "7-19", description="hours of Monday to Friday in which TDX is not called"
    )

    def is_office_hour(self, moment: datetime) -> bool:
        """Tell whether a moment of the site's time zone is in office hours."""
        first, end = (int(hour) for hour in self.office_hours.split("-"))
        return moment.weekday() < _FIRST_FREE_WEEKDAY and first <= moment.hour < end
