"""The sensor `alerts`: once a minute it finds problems and sends what has begun and what has ended.

Belongs here: glue, and since when somebody watches without a break. Off until TDX_ALERT_URLS is set. Resource
used: `tdx_dagster_database` with `engine()`.
"""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import dagster as dg

from tdx_dagster.dagster_internals import check_keys_of, location_of
from tdx_dagster.failures import failure_of
from tdx_dagster.named_tdx import UNNAMED, resource_key, suffixed
from tdx_dagster.operations.alerts import SETTING, NotSent, sender, tell_changes
from tdx_dagster.operations.problems import Watch, find_problems
from tdx_dagster.postgres.errors import DatabaseError
from tdx_dagster.settings import SettingsError, find_site, load_settings
from tdx_dagster.tdx.address import environment_of
from tdx_dagster.tickets.pipeline import Pipeline
from tdx_dagster.tickets.site import Site

INTERVAL_SECONDS = 60

# A break between two ticks that is longer means that nobody was watching.
LONGEST_BREAK = timedelta(minutes=5)


def build_alert_sensor(pipelines: Sequence[Pipeline], tdx: str = UNNAMED) -> dg.SensorDefinition:
    """Make the sensor; that of an environment with a name tells of tickets alone, the other one of the rest.

    Args:
        pipelines: Whose sensors may fall silent.
        tdx: Name of the environment whose action log is looked at.
    """

    @dg.sensor(
        name=suffixed("alerts", tdx),
        minimum_interval_seconds=INTERVAL_SECONDS,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description=(
            "Tells people once of a failed tick or run, a red check, a silent sensor and a ticket that needs a "
            f"person, and once of its end. Off until {SETTING} is set."
        ),
        required_resource_keys={resource_key("database", tdx)},
    )
    def alerts(context: dg.SensorEvaluationContext) -> dg.SensorResult | dg.SkipReason:
        given = load_settings().tdx_alert_urls
        if given is None or not given.get_secret_value().strip():
            return dg.SkipReason(f"{SETTING} is not set: no alert is sent.")
        now = datetime.now(UTC)
        since = watched_since(context.cursor, now)
        try:
            send = sender(given.get_secret_value())
            watch = _watch(context, pipelines, tdx, now, since)
            problems, name = find_problems(watch), installation(watch.site)
            sent = tell_changes(watch.engine, watch.source, problems, name, send)
        except (SettingsError, DatabaseError, NotSent) as error:
            raise failure_of(error) from None
        said = f"Sent: {sent} changes." if sent else "No problem has begun or ended."
        cursor = f"{since.isoformat()} {now.isoformat()}"
        return dg.SensorResult(skip_reason=dg.SkipReason(said), cursor=cursor)

    return alerts


def watched_since(cursor: str | None, now: datetime) -> datetime:
    """Give since when ticks have followed each other without a break."""
    if not cursor:
        return now
    since, last = map(datetime.fromisoformat, cursor.split())
    return since if now - last <= LONGEST_BREAK else now


def installation(site: Site | None) -> str:
    """Name this installation in a subject: a sandbox in plain sight."""
    return (
        f"tdx-dagster {site.environment} {environment_of(site.base_url)}" if site else "tdx-dagster"
    )


def _watch(
    context: dg.SensorEvaluationContext,
    pipelines: Sequence[Pipeline],
    tdx: str,
    now: datetime,
    since: datetime,
) -> Watch:
    return Watch(
        instance=context.instance,
        engine=getattr(context.resources, resource_key("database", tdx)).engine(),
        pipelines=pipelines,
        checks=check_keys_of(context.repository_def),
        location=location_of(context),
        site=find_site(tdx),
        now=now,
        since=since,
        tdx=tdx,
    )
