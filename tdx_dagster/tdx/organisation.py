"""What an account sees of a TDX before any application or report of it is configured.

Belongs here: the lists of applications, reports and forms, which need no setting but address and sign-in. Does
not: calls on tickets and assets (`client`), what is proposed from the lists (`init`).
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC
from typing import TypeVar

from tdx_dagster.tdx.address import normalise_base_url
from tdx_dagster.tdx.call import Call, CallLimits
from tdx_dagster.tdx.client import Tdx
from tdx_dagster.tdx.clock import REAL_CLOCK
from tdx_dagster.tdx.http import Http
from tdx_dagster.tdx.models import Application, Form, ReportColumn, ReportInfo
from tdx_dagster.tdx.rate_limit import Unlimited
from tdx_dagster.tdx.records import (
    parse_application,
    parse_columns,
    parse_form,
    parse_list,
    parse_report_info,
)
from tdx_dagster.tdx.sign_in import Credentials, SignIn
from tdx_dagster.tdx.transport import Transport

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Organisation:
    """A TDX as far as address and sign-in lead. Every call is a read.

    Args:
        transport: Makes calls.
        base_url: Normalised.
    """

    transport: Transport
    base_url: str

    @classmethod
    def create(
        cls, base_url: str, credentials: Credentials, *, allow_http: bool = False
    ) -> "Organisation":
        """Put one together; nothing is called yet.

        Raises:
            TdxSettingError: The address is malformed.
        """
        address = normalise_base_url(base_url, allow_http=allow_http)
        transport = Transport(
            address,
            SignIn(credentials, REAL_CLOCK),
            limiter=Unlimited(),
            limits=CallLimits(),
            clock=REAL_CLOCK,
            http=Http(REAL_CLOCK),
        )
        return cls(transport, address)

    def client(self, ticket_app: int, asset_app: int) -> Tdx:
        """Give a client of two applications, on the same sign-in."""
        return Tdx(self.transport, self.base_url, ticket_app, asset_app, UTC)

    def applications(self) -> tuple[Application, ...]:
        """List the applications that the account may use."""
        return self._list("/applications", "applications", parse_application)

    def reports(self) -> tuple[ReportInfo, ...]:
        """List the reports that are shared with the account."""
        return self._list("/reports", "reports", parse_report_info)

    def report_columns(self, report_id: int) -> tuple[ReportColumn, ...]:
        """Read the displayed columns of a report, without its rows."""
        call = Call("GET", "/reports/{id}", {"id": report_id}, query={"withData": "false"})
        return parse_columns(self.transport.read(call))

    def asset_forms(self, asset_app: int) -> tuple[Form, ...]:
        """List the active forms of an asset application."""
        return self._list("/{app}/assets/forms", "forms", parse_form, app=asset_app)

    def _list(
        self, template: str, kind: str, parser: Callable[[object], T], **values: int
    ) -> tuple[T, ...]:
        return parse_list(self.transport.read(Call("GET", template, values)), kind, parser)
