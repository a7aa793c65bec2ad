"""Measure how often discovery is right, by what people did afterwards on the tickets.

Belongs here: verdicts from feeds and from people's answers, their rates, backtests over closed tickets, and the
asset that shows them. Does not: finding computers (`discovery`), acting on tickets (`tickets`).
"""
