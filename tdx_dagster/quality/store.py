"""The measurement in PostgreSQL: what discovery did, which tickets wait to be judged, and the verdicts.

Belongs here: the statements of `store.sql`, rows into records. Does not: how a verdict is reached (`judge`).
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, Literal

from sqlalchemy import Engine, RowMapping

from tdx_dagster.postgres.queries import Queries
from tdx_dagster.quality.verdicts import Acted, Attached, Judgement, Outcome, evidence_kind
from tdx_dagster.tdx.models import Ticket

SQL = Queries(Path(__file__).with_name("store.sql"))

Source = Literal["people", "sample"]


class QualityStore:
    """Verdicts and what is needed to reach them.

    Args:
        engine: An engine of the database that holds the schema `meta`.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def _all(self, query: str, **values: Any) -> Sequence[RowMapping]:  # noqa: ANN401  bind values
        with self._engine.connect() as connection:
            return connection.execute(SQL[query], values).mappings().all()

    def _execute(self, query: str, **values: Any) -> None:  # noqa: ANN401  bind values
        with self._engine.begin() as connection:
            connection.execute(SQL[query], values)

    def oldest_result(self) -> datetime | None:
        """Give when `add_asset` was first done with on a ticket; None where it never was."""
        found: datetime | None = self._all("oldest_result")[0]["at"]
        return found

    def sweeps(self) -> dict[str, datetime]:
        """Give until when tickets were searched, by sweep."""
        return {row["sweep"]: row["until"] for row in self._all("sweeps")}

    def add_swept(self, sweep: str, until: datetime, ripe: Collection[Ticket]) -> None:
        """Note the tickets of a sweep that have something to judge, and until when it was made."""
        found = self._all("candidates", ticket_ids=sorted(one.id for one in ripe))
        wanted = {row["ticket_id"] for row in found}
        tickets = [one for one in ripe if one.id in wanted]
        with self._engine.begin() as connection:
            connection.execute(
                SQL["add_ripe"],
                {
                    "ticket_ids": [one.id for one in tickets],
                    "requestors": [one.requestor_uid for one in tickets],
                },
            )
            connection.execute(SQL["swept"], {"sweep": sweep, "until": until})

    def waiting(self, most: int) -> list[Acted]:
        """Give what discovery did on the tickets that wait to be judged."""
        rows = {row["ticket_id"]: row["requestor_uid"] for row in self._all("waiting", most=most)}
        return self.acted(rows)

    def acted(self, requestors: Mapping[int, str | None]) -> list[Acted]:
        """Give what discovery did on some tickets, in their order."""
        ids = sorted(requestors)
        results = _by_ticket(self._all("results", ticket_ids=ids))
        links = _by_ticket(self._all("links", ticket_ids=ids))
        return [
            _acted(ticket_id, requestor, results[ticket_id], links[ticket_id])
            for ticket_id, requestor in requestors.items()
            if results[ticket_id]
        ]

    def count_waiting(self) -> int:
        """Give how many tickets wait to be judged."""
        return int(self._all("count_waiting")[0]["count"])

    def count_judged(self) -> int:
        """Give how many tickets were judged."""
        return int(self._all("count_judged")[0]["count"])

    def add_judged(self, ticket_id: int, verdicts: Iterable[Judgement]) -> None:
        """Store the verdicts about a ticket in place of earlier ones."""
        with self._engine.begin() as connection:
            connection.execute(SQL["forget_verdicts"], {"ticket_id": ticket_id})
            for verdict in verdicts:
                connection.execute(SQL["add_verdict"], _values(verdict, "people"))
            connection.execute(SQL["judged"], {"ticket_id": ticket_id})

    def add_answer(self, verdicts: Iterable[Judgement]) -> None:
        """Store what a person who was asked has said."""
        with self._engine.begin() as connection:
            for verdict in verdicts:
                connection.execute(SQL["add_verdict"], _values(verdict, "sample"))

    def verdicts(self, source: Source = "people") -> list[Judgement]:
        """Give all verdicts of a source, the latest first."""
        return [_judgement(row) for row in self._all("verdicts", source=source)]

    def draw(self, number: int) -> list[tuple[int, int]]:
        """Give tickets and computers to ask about: those drawn and not answered, filled up at random.

        The computer is 0 on tickets where none was found.
        """
        still_open = self._open_sample()
        if len(still_open) < number:
            self._execute("draw", most=number - len(still_open))
            still_open = self._open_sample()
        return still_open[:number]

    def _open_sample(self) -> list[tuple[int, int]]:
        return [(row["ticket_id"], row["asset_id"]) for row in self._all("open_sample")]


def _by_ticket(rows: Iterable[RowMapping]) -> dict[int, list[RowMapping]]:
    found: defaultdict[int, list[RowMapping]] = defaultdict(list)
    for row in rows:
        found[row["ticket_id"]].append(row)
    return found


def _acted(
    ticket_id: int,
    requestor: str | None,
    results: Sequence[RowMapping],
    links: Sequence[RowMapping],
) -> Acted:
    details = [result["metadata"]["details"] for result in results]
    why = {one["asset_id"]: one["why"] for each in details for one in each.get("attached", ())}
    attached = {
        link["detail"]["asset_id"]: Attached(
            asset_id=link["detail"]["asset_id"],
            name=str(link["detail"].get("asset_name", "")),
            evidence=evidence_kind(why.get(link["detail"]["asset_id"], "")),
            at=link["at"],
        )
        for link in links
        if "asset_id" in link["detail"]
    }
    mentioned = {
        one["asset_id"]
        for each in details
        for place in ("already", "not_attached", "left_over")
        for one in each.get(place, ())
    }
    return Acted(
        ticket_id=ticket_id,
        pipeline=results[0]["pipeline"],
        at=min([results[0]["executed_at"], *(one.at for one in attached.values())]),
        attached=tuple(attached.values()),
        mentioned=frozenset(mentioned - attached.keys()),
        form_id=results[-1]["metadata"].get("config", {}).get("computer_form_id"),
        requestor_uid=requestor,
    )


def _values(verdict: Judgement, source: Source) -> dict[str, Any]:
    return {
        "ticket_id": verdict.ticket_id,
        "asset_id": verdict.asset_id,
        "source": source,
        "verdict": verdict.outcome.value,
        "evidence": verdict.evidence,
        "asset_name": verdict.name,
        "pipeline": verdict.pipeline,
        "acted_at": verdict.at,
    }


def _judgement(row: RowMapping) -> Judgement:
    return Judgement(
        ticket_id=row["ticket_id"],
        asset_id=row["asset_id"],
        outcome=Outcome(row["verdict"]),
        evidence=row["evidence"],
        name=row["asset_name"],
        pipeline=row["pipeline"],
        at=row["acted_at"],
    )
