"""Compare a backtest with a real run on the same desk later, over 1,000 closed tickets of the simulator.

Run with `python -m benchmarks.backtest [--tickets N]`. People want another computer than the text says on 5 of
100 tickets. The first desk has worked without a robot; a backtest reads it, twice. On the second the robot runs
and people correct it; its verdicts give precision and recall. Prints both, the calls and the writes.
"""

import argparse
import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path

from sqlalchemy import Engine, text

from tdx_dagster.quality.backtest import Backtest, Configuration, State, compare
from tdx_dagster.quality.collect import Collector
from tdx_dagster.quality.past_tickets import PastTickets
from tdx_dagster.quality.rates import rates_of
from tdx_dagster.quality.store import QualityStore
from tdx_dagster.simulator import Simulator
from tdx_dagster.testing import Desk, client, inventory_of, temporary_database
from tdx_dagster.tickets.actions.add_asset import AddAsset
from tests.quality.world import sample, settle, wanted

WRONG = 0.05


def main() -> None:
    """Run both and print them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tickets", type=int, default=1000)
    tickets = parser.parse_args().tickets
    with tempfile.TemporaryDirectory() as folder, temporary_database(Path(folder)) as database:
        _past(tickets, database)
        with database.begin() as connection:
            connection.execute(text("TRUNCATE meta.backtest_ticket, meta.backtest_search"))
        _later(tickets, database)


def _past(tickets: int, database: Engine) -> None:
    with Simulator(sample(tickets, 8 * tickets)) as simulator:
        settle(simulator, wanted(simulator.state, WRONG, 1))
        simulator.calls.reset()
        since, now = datetime.now(UTC) - timedelta(days=29), datetime.now(UTC)
        past, inventory, tdx = PastTickets(database), inventory_of(simulator), client(simulator)
        for _ in range(2):
            past.search(tdx, since, now)
            ids = past.read(tdx, since, None)
            configuration = Configuration(AddAsset().discovery_settings())
            found = [
                one for part in past.tickets(ids) for one in compare(part, configuration, inventory)
            ]
            made = [call for call in simulator.calls if "/auth" not in call.path]
            simulator.calls.reset()
            writes = [call for call in made if call.method != "GET" and "search" not in call.path]
            result = Backtest(found)
            print(f"{len(made)} calls, {len(writes)} writes, {result.precision=}, {result.recall=}")
            print({state.value: len(result.of(state)) for state in State})


def _later(tickets: int, database: Engine) -> None:
    with Simulator(sample(tickets, 8 * tickets)) as simulator:
        ids = list(simulator.state.tickets)
        desk = Desk.over(simulator, database, AddAsset())
        for start in range(0, len(ids), 50):
            desk.run(*ids[start : start + 50])
        settle(simulator, wanted(simulator.state, WRONG, 1))
        tdx, store = client(simulator), QualityStore(database)
        collector = Collector(tdx, store, inventory_of(simulator))
        done = collector.collect(datetime.now(UTC) + timedelta(days=20), tickets)
        whole = rates_of(store.verdicts())[0]
        calls = sum(number for name, number in tdx.calls.items() if "auth" not in name)
        print(f"judged {done.judged} in {calls} calls: {whole.precision=}, {whole.recall=}")


if __name__ == "__main__":
    main()
