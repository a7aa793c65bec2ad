"""PORT to TeamDynamix: models, errors, transport, rate limiter, facade, and its Dagster resource.

Belongs here: everything that knows the TDX Web API. Does not: what to do with a ticket, where results
are kept, any other module of this project.
"""
