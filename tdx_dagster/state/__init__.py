"""PORT to the action log: what was done to which ticket, who holds what, and which results no summary has.

Belongs here: the records, the store's interface and its implementation in PostgreSQL, what people decide, and
the rate limiter that processes share. Does not: deciding what to do (`tickets.plan`), talking to TDX, Dagster.
"""
