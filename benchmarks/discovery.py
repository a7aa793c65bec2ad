"""How long discovery takes: the text step, a huge mail, and the question to a large inventory.

Run from the top of the repository: `python benchmarks/discovery.py [--plans] [--json FILE]`. It starts an
embedded PostgreSQL of its own in a temporary folder, fills it with 200,000 assets, and stops it. Nothing
outside is touched.
"""

import base64
import random
import resource
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from itertools import cycle, pairwise
from pathlib import Path

import click
from rows import Row, at_most, show
from sqlalchemy import Engine, text

from tdx_dagster.discovery.identifiers import IdentifierSettings, candidates
from tdx_dagster.discovery.passages import OwnPosts, opening_passages
from tdx_dagster.discovery.text import LONGEST_TEXT
from tdx_dagster.inventory.lookup import QUERIES, PostgresInventory
from tdx_dagster.postgres import server
from tdx_dagster.postgres.database import engine as make_engine
from tdx_dagster.postgres.database import ensure_database
from tdx_dagster.postgres.migrations import migrate
from tdx_dagster.tdx.html import body_text
from tdx_dagster.tdx.models import StatusClass, Ticket

ASSETS = 200_000
CANDIDATES = 50
ROUNDS = 200
HOSTILE_ROUNDS = 3
COMMAND = "python benchmarks/discovery.py"
SETTINGS = IdentifierSettings()

SENTENCE = (
    "the computer in my office will not start since monday and self-service sign-in shows an error "
    "please call me or send somebody with a follow-up the printer works but it is slow today"
)
WORDS = SENTENCE.split()

FILL_COMPUTERS = text(
    """
    INSERT INTO silver.tdx_computers (asset_id, name, serial_number, tag, name_key, serial_key, tag_key,
                                      form_id, status_id, status_name, is_active, owner_uid)
    SELECT n, 'Lib-Pc-' || n, '5cg' || to_char(n, 'FM0000000'), '9' || to_char(n, 'FM000000'),
           'LIB-PC-' || n, '5CG' || to_char(n, 'FM0000000'), '9' || to_char(n, 'FM000000'),
           2448, 38, 'Active', n % 10 <> 0, CAST(md5(CAST(n / 2 AS text)) AS uuid)
    FROM generate_series(1, :assets) AS n
    """
)


def milliseconds(
    work: Callable[[], object], rounds: int, clock: Callable[[], float] = time.perf_counter
) -> float:
    """Median time of some work."""
    times = []
    for _ in range(rounds):
        start = clock()
        work()
        times.append((clock() - start) * 1000)
    return statistics.median(times)


def mail(size: int, chance: random.Random) -> str:
    """An HTML mail of about so many bytes, with a few identifiers in it."""
    parts = ["<html><head><style>p {font-family: Calibri}</style></head><body>"]
    length = 0
    while length < size:
        words = [chance.choice(WORDS) for _ in range(20)]
        words.insert(3, f"LIB-PC-{chance.randrange(ASSETS)}")
        parts.append(f'<p class="MsoNormal" style="margin:0in">{" ".join(words)}</p>')
        length += len(parts[-1])
    return "".join([*parts, "</body></html>"])


def list_of_computers() -> str:
    """An HTML mail of 2 kB in which every line names a computer, a room and a telephone number."""
    lines = (
        f"<p>The machine <b>LIB-PC</b>-{number} in room 2{number} is slow since Monday, "
        f"please call 734-555-01{number}. Thanks &amp; regards</p>"
        for number in range(10, 26)
    )
    return f"<div><p>Hello team,</p>{''.join(lines)}</div>"


def measure_texts() -> list[Row]:
    """The text step of mails of 2 kB, and of mails of 5 MB with a large inline picture or of text alone."""
    chance = random.Random(1)  # noqa: S311  sample data
    cpu = time.process_time
    # Each another: what one mail has in common with the next is its words, not its computers.
    small, full = cycle([mail(2_000, chance) for _ in range(500)]), list_of_computers()
    step = milliseconds(
        lambda: candidates(body_text(next(small), is_html=True), SETTINGS), 500, cpu
    )
    listed = milliseconds(lambda: candidates(body_text(full, is_html=True), SETTINGS), 500, cpu)
    picture = base64.b64encode(chance.randbytes(3_500_000)).decode()
    large = f'<p>see CHEM-A101 <img src="data:image/png;base64,{picture}"> thanks</p>' + mail(
        400_000, chance
    )
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    pictured = milliseconds(lambda: candidates(body_text(large, is_html=True), SETTINGS), 1) / 1000
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
    dense = mail(5_000_000, chance)
    wordy = milliseconds(lambda: candidates(body_text(dense, is_html=True), SETTINGS), 1) / 1000
    return [
        at_most("text step, mail of 2 kB, processor time", step, 2, "ms", COMMAND),
        Row("… mail of 2 kB, 16 computers and 32 numbers", listed, "ms", COMMAND),
        at_most("… mail of 5 MB with a picture", pictured, 2, "s", COMMAND),
        at_most("… its memory", grown, 200, "MB more", COMMAND),
        Row("… mail of 5 MB of text", wordy, "s", COMMAND),
    ]


# Shapes that have taken quadratic time somewhere, or might.
HOSTILE = {
    "empty lines": "\n",
    "empty rows of a spreadsheet": "\t\t\n",
    "combining marks": "\u0301",
    "one long word": "a",
    "dotted letters": "a.",
    "hyphens": "a-",
    "numbers": "1 ",
    "list numbers": "1. ",
    "labels": "tags 1, ",
    "labels, a line each": "asset tag\n",
    "names in a list": "LAB-01, ",
    "ranges": "LAB-01 through ",
    "examples": "name e.g. ",
    "heads of tables": "serial,name\nab,cd\n",
    "signatures": "--\n",
    "mail headers": "X-a: b\n c\n",
    "paths": "C:\\a b\\",
    "addresses": "http://a1.example.edu/\n",
    "summaries": "Added 1 asset: A. ",
    "Chinese": "\u7535\u8111LAB1",
    "quotes": '"',
}
HOSTILE_HTML = {
    "nested elements": "<div>",
    "nested tables": "<table><tr><td>",
    "open comments": "<!-- a ",
    "open tags": "<a ",
    "entities": "&amp;",
    "broken entities": "&#",
    "struck out": "<s>A-1",
    "hidden": '<p style="display:none">A',
    "cells": "<td>A-1</td>",
    "spans": "<td colspan=50 rowspan=50>1",
    "breaks": "<br>",
    "less-than signs": "<",
    "closing tags": "</b>",
    "quoted printable": "=3D=\n",
    "options": "<option>A",
    "footnotes": "A-1<sup>2</sup> ",
}
SIZES = (10_000, 100_000, LONGEST_TEXT, 5_000_000)


def read_plain(text: str) -> object:
    """All that discovery does with one plain text before it asks the inventory."""
    shown = Ticket(0, "", text, False, 0, "", StatusClass.NONE, None, "", "", None)  # noqa: FBT003
    return [candidates(passage.text, SETTINGS) for passage in opening_passages(shown, OwnPosts())]


def read_html(text: str) -> object:
    """The same with one HTML text."""
    return candidates(body_text(text, is_html=True), SETTINGS)


def processor_seconds(read: Callable[[str], object], text: str, repeats: int = 1) -> float:
    """Processor time of reading a text: other programs on the machine count for little."""
    start = time.process_time()
    for _ in range(repeats):
        read(text)
    return time.process_time() - start


def times_linear(read: Callable[[str], object], unit: str) -> tuple[float, float]:
    """Seconds for the largest text, and by how much the time grows faster than the size.

    As much text is read in small pieces just before it is read as one: the speed of a processor that others use
    too changes from second to second.
    """
    seconds, growths = [], []
    for _ in range(HOSTILE_ROUNDS):
        for small, large in pairwise(SIZES):
            pieces = max(1, large // small)
            apart = processor_seconds(read, unit * (small // len(unit)), pieces)
            whole = processor_seconds(read, unit * (pieces * small // len(unit)))
            growths.append((large, whole / apart))
        seconds.append(whole)
    by_size = ([growth for size, growth in growths if size == large] for large in SIZES[1:])
    return min(seconds), max(map(statistics.median, by_size))


def measure_hostile() -> list[Row]:
    """Each shape from 10 kB to 5 MB: the largest, and how much faster than its size the time grows."""
    shapes = [(name, unit, read_plain) for name, unit in HOSTILE.items()]
    shapes += [(f"HTML: {name}", unit, read_html) for name, unit in HOSTILE_HTML.items()]
    rows = []
    for name, unit, read in shapes:
        seconds, growth = times_linear(read, unit)
        rows += [
            at_most(f"5 MB of {name}", seconds, 5, "s", COMMAND),
            at_most("… growth from 10 kB, 1 is linear", growth, 1.2, "times", COMMAND),
        ]
    return rows


def measure_lookup(engine: Engine, *, plans: bool) -> list[Row]:
    """One question about many candidates, with the plan that answers it."""
    with engine.begin() as connection:
        connection.execute(FILL_COMPUTERS, {"assets": ASSETS})
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("VACUUM ANALYZE silver.tdx_computers"))
    chance = random.Random(2)  # noqa: S311  sample data
    inventory = PostgresInventory(engine)

    def ask() -> object:
        keys = {f"LIB-PC-{chance.randrange(2 * ASSETS)}" for _ in range(CANDIDATES)}
        return inventory.find(keys, active_only=True, form_id=2448)

    many = {f"LIB-PC-{chance.randrange(2 * ASSETS)}" for _ in range(1000)}
    name = f"inventory of {ASSETS:,}, {CANDIDATES} candidates"
    rows = [
        at_most(name, milliseconds(ask, ROUNDS), 5, "ms", COMMAND),
        Row("… 1,000 candidates", milliseconds(lambda: inventory.find(many), 20), "ms", COMMAND),
    ]
    if plans:
        _explain(engine, [f"LIB-PC-{chance.randrange(2 * ASSETS)}" for _ in range(CANDIDATES)])
    return rows


def _explain(engine: Engine, keys: list[str]) -> None:
    explain = text("EXPLAIN (ANALYZE, BUFFERS) " + QUERIES["find_computers"].text)
    with engine.connect() as connection:
        values = {"keys": keys, "active_only": True, "form_id": 2448}
        for (line,) in connection.execute(explain, values):
            print("   ", line)


def measure(*, plans: bool = False) -> list[Row]:
    """Everything."""
    rows = measure_texts() + measure_hostile()
    with tempfile.TemporaryDirectory() as folder:
        base = Path(folder) / "server"
        Path(folder).chmod(0o755)
        url = server.start(base)
        try:
            database = ensure_database(url, "benchmark")
            migrate(database)
            engine = make_engine(database)
            rows += measure_lookup(engine, plans=plans)
            engine.dispose()
        finally:
            server.stop(base)
    return rows


@click.command()
@click.option("--plans", is_flag=True, help="Show how PostgreSQL answers.")
@click.option("--json", "target", type=click.Path(path_type=Path), help="Write the rows here too.")
def main(*, plans: bool, target: Path | None) -> None:
    """Measure and show."""
    sys.exit(show(measure(plans=plans), "Discovery", target))


if __name__ == "__main__":
    main()
