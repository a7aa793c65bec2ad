"""The TeamDynamix Web API as one client: records in and out, errors sorted by what to do next.

Belongs here: calls, answers, signing in, waiting for the rate limit. Does not: SQL, Dagster, settings, what is
done with a ticket.
"""
