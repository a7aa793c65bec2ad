"""Find the computers a ticket is about: text in, computers with evidence out.

Belongs here: reading text, judging candidates, explaining a decision. Does not: SQL, HTTP, writing to TDX.
"""
