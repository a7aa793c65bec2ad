"""What can be done to a ticket: the base class, the seam to TDX, and one file an action."""
