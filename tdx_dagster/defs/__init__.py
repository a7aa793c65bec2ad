"""Pipelines: one folder each, with a `defs.yaml` and no Python needed."""
