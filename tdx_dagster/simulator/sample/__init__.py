"""Data to start with: an empty tenant, and invented tickets and computers whose truth is known."""
