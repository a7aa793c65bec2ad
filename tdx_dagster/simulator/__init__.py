"""A TDX server for tests and trials: HTTP in front of an invented tenant whose right answers are known.

Contains: the TDX Web API as a client sees it, with faults, rate limits and switches for what sources
leave open. Imports nothing else of this project, so that it serves any client.
"""

from tdx_dagster.simulator.faults import Fault
from tdx_dagster.simulator.limits import LimitMode
from tdx_dagster.simulator.sample.blank import blank_state
from tdx_dagster.simulator.sample.sample import sample_state
from tdx_dagster.simulator.server import Simulator, settings_for
from tdx_dagster.simulator.tenant.constants import (
    ACTIVE_STATUS_ID,
    ASSET_APP_ID,
    BEID,
    COMPUTER_FORM_ID,
    PASSWORD,
    REPORT_ID,
    TICKET_APP_ID,
    USER_NAME,
    WEB_SERVICES_KEY,
)
from tdx_dagster.simulator.tenant.model import State, load_state, save_state
from tdx_dagster.simulator.tenant.options import Options

__all__ = [
    "ACTIVE_STATUS_ID",
    "ASSET_APP_ID",
    "BEID",
    "COMPUTER_FORM_ID",
    "PASSWORD",
    "REPORT_ID",
    "TICKET_APP_ID",
    "USER_NAME",
    "WEB_SERVICES_KEY",
    "Fault",
    "LimitMode",
    "Options",
    "Simulator",
    "State",
    "blank_state",
    "load_state",
    "sample_state",
    "save_state",
    "settings_for",
]
