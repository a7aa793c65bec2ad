"""PORT to PostgreSQL: the embedded server, engines from one URL, migrations, named queries.

Belongs here: how a database is reached and what shape it has. Does not: what the tables mean, which
is said beside those who use them (`state/`, `inventory/`), and any other module of this project.
"""
