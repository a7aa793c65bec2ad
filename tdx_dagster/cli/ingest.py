"""`ingest`: loads assets, owners and statuses, and makes typed computers of them, as Dagster would."""

from typing import TYPE_CHECKING, Any

import click

from tdx_dagster.cli.output import err, out, print_json
from tdx_dagster.cli.runtime import QUIET, dagster_instance, failed_run, prepare
from tdx_dagster.component import DefsFolder, load_defs_folder
from tdx_dagster.dagster_internals import asset_job_of
from tdx_dagster.definitions import build_defs
from tdx_dagster.inventory.columns import InventoryKeys
from tdx_dagster.inventory.load_result import Mode
from tdx_dagster.inventory.ownership import check_ownership
from tdx_dagster.project import selected_project
from tdx_dagster.resources import DatabaseProvider
from tdx_dagster.settings import SettingsError, load_inventory_settings

if TYPE_CHECKING:
    import dagster as dg


@click.command()
@click.option("--incremental", is_flag=True, help="Only what changed since the last load.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.pass_context
def ingest(ctx: click.Context, *, incremental: bool, as_json: bool) -> None:
    """Load assets and people into the inventory; the runs are recorded in Dagster.

    With INVENTORY_SOURCE=external it looks at what another job has loaded, and makes computers of that.
    """
    folder = load_defs_folder()  # an Inventory component says what to load
    settings = load_inventory_settings()
    runtime = prepare(needs_tdx=not settings.is_external)
    if not settings.is_external:
        check_ownership(DatabaseProvider().engine(), settings.source_system)
    _require_inventory(folder, settings.tdx)
    mode = Mode.INCREMENTAL if incremental else Mode.FULL
    with dagster_instance(runtime) as instance, err.status(f"Loading ({mode.value}) …"):
        loaded = load_inventory(instance, mode)
    if as_json:
        print_json(loaded)
    else:
        for what, count in loaded.items():
            out.print(f"{count:>8} {what}", highlight=False)
    ctx.exit(0)


def _require_inventory(folder: DefsFolder, tdx: str) -> None:
    project = selected_project()
    if project is None and tdx not in folder.environments:
        raise SettingsError(
            f"--tdx {tdx}: no pipeline and no inventory names it; give one `tdx: {tdx}` in its defs.yaml."
        )
    if project is not None and tdx not in folder.inventories:
        named = f", with `tdx: {tdx}`" if tdx else ""
        raise SettingsError(
            f"The project {project.root_module} has no inventory to load: run `dg scaffold defs "
            f"tdx_dagster.Inventory inventory` in it{named}."
        )


def load_inventory(instance: "dg.DagsterInstance", mode: Mode = Mode.FULL) -> dict[str, int]:
    """Materialise bronze and silver in this process; observe bronze where another job fills it.

    Args:
        instance: Where the run is recorded.
        mode: Everything, or what changed.

    Returns:
        Rows by what they are.

    Raises:
        ClickException: With the sentence of what went wrong.
    """
    settings = load_inventory_settings()
    keys = InventoryKeys.of(settings)
    wanted = [
        *(keys.bronze if settings.is_observed or not settings.is_external else ()),
        keys.computers,
    ]
    job = asset_job_of(build_defs())
    result = job.execute_in_process(
        instance=instance,
        asset_selection=wanted,
        run_config=QUIET | ({} if settings.is_external else _in(mode, keys)),
        raise_on_error=False,
    )
    if not result.success:
        raise failed_run(result)
    return {" ".join(key.path): rows for key in wanted if (rows := _rows(result, key)) is not None}


def _in(mode: Mode, keys: InventoryKeys) -> dict[str, Any]:
    return {"ops": {keys.assets.to_python_identifier(): {"config": {"mode": mode.value}}}}


def _rows(result: "dg.ExecuteInProcessResult", key: "dg.AssetKey") -> int | None:
    for event in result.get_asset_materialization_events():
        if event.asset_key == key and event.materialization:
            found = event.materialization.metadata.get("dagster/row_count")
            return int(str(found.value)) if found else None
    return None
