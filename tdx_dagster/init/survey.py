"""Read a TDX for a proposal, and gather what its administrator has to change first.

Belongs here: which reads are made and what their refusals mean. Choosing is in `forms` and `reports`.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from tdx_dagster.init.forms import Assets, Computers, choose_computers, count_forms
from tdx_dagster.init.reports import ticket_reports, usual_column
from tdx_dagster.inventory.statuses import listed_by_tdx
from tdx_dagster.tdx.errors import TdxRefused, TdxSettingError
from tdx_dagster.tdx.models import Application, AssetSearch, ReportInfo
from tdx_dagster.tdx.organisation import Organisation

ASSETS = "TDAssets"
# TDX allows 30 reads of reports a minute.
REPORTS_DESCRIBED = 15


@dataclass(frozen=True)
class Places:
    """What was found of asset applications, and what is missing.

    Args:
        assets: The applications the account can search.
        asks: What the administrator of TDX has to change.
    """

    assets: tuple[Assets, ...]
    asks: tuple[str, ...]


def read_places(organisation: Organisation, applications: Sequence[Application]) -> Places:
    """Count the assets of all asset applications."""
    found: list[Assets] = []
    asks: list[str] = []
    apps = [app for app in applications if app.app_class == ASSETS and app.is_active]
    for app in apps:
        try:
            found.append(_assets(organisation, app))
        except (TdxRefused, TdxSettingError) as error:
            asks.append(f"Access to the asset application {app.id} ({app.name}). {error}")
    if not apps:
        asks.append("Access to the asset application: the account sees none.")
    asks += [
        f"Permission to see the assets of application {one.app.id} ({one.app.name}): the account sees none."
        for one in found
        if not one.count
    ]
    return Places(tuple(found), tuple(asks))


def _assets(organisation: Organisation, app: Application) -> Assets:
    client = organisation.client(app.id, app.id)
    statuses = listed_by_tdx(client.asset_statuses())
    names = {form.id: form.name for form in organisation.asset_forms(app.id)}
    forms = count_forms(client.asset_records(AssetSearch()), names)
    return Assets(app, forms, statuses, sum(form.total for form in forms))


def find_computers(places: Places, form_id: int | None) -> Computers | None:
    """Choose the computers' form among all asset applications."""
    return choose_computers(places.assets, form_id)


def describe_reports(
    organisation: Organisation, applications: Sequence[Application]
) -> list[tuple[ReportInfo, str]]:
    """Give the reports that may list tickets, each with its ticket column as far as its name tells."""
    found = ticket_reports(organisation.reports(), applications)
    return [(one, _column(organisation, one)) for one in found[:REPORTS_DESCRIBED]] + [
        (one, "") for one in found[REPORTS_DESCRIBED:]
    ]


def _column(organisation: Organisation, report: ReportInfo) -> str:
    try:
        return usual_column(organisation.report_columns(report.id)) or "none of a usual name"
    except (TdxRefused, TdxSettingError):
        return "cannot be read"
