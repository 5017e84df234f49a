"""What long work tells whoever started it. The base class listens to nothing."""

from __future__ import annotations


class Listener:
    """Hears of the steps of an export; a front end overrides what it wants to show."""

    def step(self, text: str) -> None:
        """A step begins, or has a result that the reader wants to see."""

    def working(self, text: str) -> None:
        """A step goes on with `text`; of interest only while it lasts."""

    def training(self, epoch: int, last: int, error: float) -> None:
        """Training has come to `epoch` of at most `last`; the worst prediction is off by `error`."""
