"""FLOW TWO: the inventory of computers, from TDX over bronze to silver.

Belongs here: loading, rebuilding, looking up, freshness and checks, and their Dagster assets. Does not:
which computer a text is about (`discovery/`), tickets (`tickets/`), the action log (`state/`).
"""
