"""Reach PostgreSQL: the embedded server, sessions and engines from one URL, migrations, named queries.

Belongs here: how a database is reached and what shape it has. Does not: what the tables mean, which
is said in `state/` and `inventory/`, and any other module of this project.
"""
