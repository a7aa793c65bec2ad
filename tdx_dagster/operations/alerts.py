"""Alerts: one message when a problem begins, and one when it has ended.

Belongs here: what was sent already, and sending by `apprise`. Does not: finding problems (`problems`). An
address holds a secret: it reaches no log, no error and no metadata.
"""

import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import Connection, Engine

from tdx_dagster.environment import SettingsError
from tdx_dagster.postgres.queries import Queries
from tdx_dagster.tickets.markdown import one_line

SQL = Queries(Path(__file__).with_name("alerts.sql"))
SETTING = "TDX_ALERT_URLS"

# A message names so many problems; the others are counted.
MOST_NAMED = 20
MOST_TEXT = 500


@dataclass(frozen=True)
class Problem:
    """Something people have to know.

    Args:
        key: The same for as long as it is the same problem.
        text: What it is and what to do.
    """

    key: str
    text: str


class NotSent(Exception):
    """No address took the message; it is sent again with the next tick."""


Send = Callable[[str, str], None]


def tell_changes(
    engine: Engine, source: str, problems: Sequence[Problem], name: str, send: Send
) -> int:
    """Send what has begun and what has ended since the last time; give how many that was.

    What was sent is stored after the sending: a process that dies in between sends it a second time.

    Args:
        engine: The database.
        source: Who found the problems.
        problems: All that are there now.
        name: Of this installation, for the subject.
        send: Takes subject and text; raises `NotSent`.
    """
    found = {problem.key: problem.text[:MOST_TEXT] for problem in problems}
    values = {"source": source, "problems": list(found), "texts": list(found.values())}
    with engine.begin() as connection:
        if not connection.execute(SQL["lock"], {"source": source}).scalar_one():
            return 0
        for query in ("begin", "end", "forget_unsent"):
            connection.execute(SQL[query], values)
    with engine.begin() as connection:
        if not connection.execute(SQL["lock"], {"source": source}).scalar_one():
            return 0
        return _send_unsent(connection, source, name, send)


def _send_unsent(connection: Connection, source: str, name: str, send: Send) -> int:
    rows = connection.execute(SQL["unsent"], {"source": source}).all()
    if not rows:
        return 0
    begun = [row.text for row in rows if not row.is_ended]
    ended = [row.text for row in rows if row.is_ended]
    said = [f"{len(begun)} new" if begun else "", f"{len(ended)} ended" if ended else ""]
    subject = f"{name}: problems: {', '.join(filter(None, said))}"
    send(subject, "\n\n".join([*_listed("NEW", begun), *_listed("ENDED", ended)]))
    for query in ("mark_sent", "forget_ended"):
        connection.execute(SQL[query], {"source": source})
    return len(rows)


def _listed(mark: str, texts: Sequence[str]) -> list[str]:
    lines = [f"{mark}: {one_line(text)}" for text in texts[:MOST_NAMED]]
    more = len(texts) - MOST_NAMED
    return [*lines, f"{mark}: and {more} more"] if more > 0 else lines


def sender(urls: str) -> Send:
    """Give what sends to addresses of `apprise`, separated by blanks or line breaks.

    Raises:
        SettingsError: One cannot be read; it is named by its place and the part before `://`.
    """
    import apprise  # noqa: PLC0415  takes a third of a second

    targets = []
    for place, url in enumerate(urls.split(), start=1):
        with _silent():
            target = apprise.Apprise.instantiate(url)
        if target is None:
            raise SettingsError(
                f"{SETTING}: apprise cannot read address {place} ({_scheme(url)}://…): correct it; its "
                "documentation says how the address of each service is written."
            )
        targets.append((f"{place} ({_scheme(url)}://…)", target))

    def send(subject: str, text: str) -> None:
        with _silent():
            failed = [name for name, one in targets if not one.notify(title=subject, body=text)]
        if len(failed) == len(targets):
            raise NotSent(
                f"{SETTING}: no address took the message: {', '.join(failed)}. It is sent again with the next "
                "tick."
            )
        if failed:
            logging.getLogger(__name__).warning("%s: not sent to: %s", SETTING, ", ".join(failed))

    return send


@contextmanager
def _silent() -> Iterator[None]:
    """Keep from the logs what names addresses: the secret of a webhook is a part of its path."""
    loggers = [logging.getLogger(name) for name in ("apprise", "urllib3.connectionpool")]
    before = [one.disabled for one in loggers]
    for one in loggers:
        one.disabled = True
    try:
        yield
    finally:
        for one, was in zip(loggers, before, strict=True):
            one.disabled = was


def _scheme(url: str) -> str:
    scheme, found, _ = url.partition("://")
    return scheme[:20] if found and scheme.isalnum() else "?"
