"""The pages a service desk reads each day: what was done, what waits for a person, what TDX allows.

Belongs here: reading the action log for people, in plain Python and SQL, and the asset group `operations` that
shows it. Does not: a decision about a ticket, and any write but to what the pages themselves keep.
"""
