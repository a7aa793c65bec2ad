"""FLOW TWO: what we know of computers, and which of them a text is about.

Belongs here: identifiers in text, the inventory in PostgreSQL, discovery and its explanation; how
the inventory is filled. Does not: tickets, actions and what was done about them (`tickets/`,
`state/`).
"""
