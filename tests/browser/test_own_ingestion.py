"""A project with an ingestion of its own, in the browser: one graph from its asset to the tickets."""

import sys
from pathlib import Path
from typing import Any

from tests.browser.conftest import PATIENCE, SIZE, Eyes
from tests.cli.conftest import Shell, dagster_database, shell  # noqa: F401  fixtures
from tests.cli.ui import free_port, service, until

FILES = {
    "pyproject.toml": (
        '[tool.dg]\ndirectory_type = "project"\n[tool.dg.project]\nroot_module = "our_project"\n'
    ),
    "workspace.yaml": "load_from:\n  - python_module: our_project.definitions\n",
    "our_project/__init__.py": "",
    "our_project/definitions.py": """
from pathlib import Path

from dagster import definitions, load_from_defs_folder


@definitions
def defs():
    return load_from_defs_folder(path_within_project=Path(__file__).parent)
""",
    "our_project/defs/__init__.py": "",
    "our_project/defs/ingestion.py": """
import dagster as dg


@dg.asset(key=["ours", "raw_entities"], kinds={"postgres", "bronze"})
def raw_entities() -> None:
    \"\"\"Fills bronze.raw_entities from TDX, the directory and the scanner.\"\"\"
""",
    "our_project/defs/inventory/defs.yaml": """
type: tdx_dagster.Inventory
attributes:
  source: external
  asset_keys: {assets: ours/raw_entities, people: ours/raw_entities, statuses: ours/raw_entities}
""",
    "our_project/defs/printers/defs.yaml": """
type: tdx_dagster.TicketPipeline
attributes:
  report_id: 1
  actions:
    - type: add_asset
    - type: summary_comment
""",
}
LINEAGE = "/assets/tickets/printers?view=lineage&lineageScope=upstream&lineageDepth=5"


def test_the_graph_leads_from_an_ingestion_of_ones_own_to_the_tickets(
    browser: Any,
    shell: Shell,  # noqa: F811  a fixture
) -> None:
    for name, content in FILES.items():
        file: Path = shell.folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(content)
    port = free_port()
    words = ("-m", "dagster_webserver", "-h", "127.0.0.1", "-p", str(port), "-w", "workspace.yaml")
    with service(shell, "webserver", sys.executable, *words):
        page = browser.new_page(viewport=SIZE, timezone_id="UTC", locale="en-US")
        page.set_default_timeout(PATIENCE * 1000)
        eyes = Eyes(page, port)
        until("the web server", eyes.is_served, PATIENCE)
        eyes.go(LINEAGE, "raw_entities", "computers", "printers_report", "printers")
        eyes.picture("own-ingestion")
