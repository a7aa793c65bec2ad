"""PORT to the action log: what was done to which ticket, who holds what, and what a summary must tell.

Belongs here: the records, the store's interface, its PostgreSQL and in-memory implementations. Does not:
deciding what to do (`tickets.plan`), talking to TDX, Dagster.
"""
