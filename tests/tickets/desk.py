"""The service desk of `tdx_dagster.testing`, by the name that these tests know."""

from tdx_dagster.testing import AT_ONCE, Desk, client, inventory_of

__all__ = ["AT_ONCE", "Desk", "client", "inventory_of"]
