"""Where the chance in sample data comes from: a seeded generator that speaks of shares."""

import random


class Dice(random.Random):
    """A random generator; the same seed gives the same sample."""

    def chance(self, share: float) -> bool:
        """Decide something that holds for a share of all cases.

        Args:
            share: Between 0 and 1.

        Returns:
            Whether it holds for this one.
        """
        return self.random() < share
