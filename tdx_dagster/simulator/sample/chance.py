"""Random choices for sample data, reproducible from a seed.

Contains: `Dice`, used by all modules of this folder.
"""

import random


class Dice(random.Random):
    """A random generator; the same seed gives the same sample."""

    def chance(self, share: float) -> bool:
        """Return True with a probability between 0 and 1."""
        return self.random() < share
