"""`python -m tdx_dagster`: the same as `tdx-dagster`."""

from tdx_dagster.cli import main

main()
