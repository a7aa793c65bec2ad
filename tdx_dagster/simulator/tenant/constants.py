"""Fixed facts of the simulated tenant: ids, sign-in data, TDX's enumerations.

The credentials open nothing but a simulator.
"""

from enum import IntEnum
from typing import Any

TICKET_APP_ID = 46
ASSET_APP_ID = 48
REPORT_ID = 67890
COMPUTER_FORM_ID = 2448
ACTIVE_STATUS_ID = 38

BEID = "5f3c9a10-7d42-4b6e-9c58-1e2d3f4a5b6c"
WEB_SERVICES_KEY = "c0ffee00-1234-4abc-8def-0123456789ab"
USER_NAME = "queue.bot"
PASSWORD = "simulated-password"  # noqa: S105  opens a simulator only

Value = Any
"""Whatever JSON can hold; which of it is said by `shapes.json`."""

ZERO_GUID = "00000000-0000-0000-0000-000000000000"


class StatusClass(IntEnum):
    """Class of a ticket status."""

    NONE = 0
    NEW = 1
    IN_PROCESS = 2
    COMPLETED = 3
    CANCELLED = 4
    ON_HOLD = 5
    REQUESTED = 6


class UpdateType(IntEnum):
    """Kind of change that a feed entry records."""

    NONE = 0
    COMMENT = 1
    STATUS_CHANGE = 2
    EDIT = 3
    CREATED = 4


class ItemType(IntEnum):
    """Type of the item behind a feed entry, a form or a configuration item."""

    TICKET = 9
    ASSET = 27


CLASSIFICATIONS = {
    0: "None",
    9: "Ticket",
    32: "Incident",
    33: "Problem",
    34: "Change",
    35: "Release",
    36: "Template",
    46: "Service Request",
    77: "Major Incident",
}
