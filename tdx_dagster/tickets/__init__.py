"""FLOW ONE: tickets of a report are planned, run and acted on, each action once.

Belongs here: reading the report, deciding what is due, the actions and the seam through which they write,
and the Dagster asset and sensor of a pipeline. Does not: how TDX is spoken to, how the log is kept.
"""
