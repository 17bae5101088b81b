"""Random choices for the modules that build cases; hypothesis draws them.

All choices are draws of an integer from a small range. Such draws are cheap. A smaller integer
always means a simpler case, so that hypothesis shrinks a case towards the first alternative of each
choice.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from typing import TypeVar

from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

T = TypeVar("T")


@cache
def _below(stop: int) -> SearchStrategy[int]:
    return st.integers(0, stop - 1)


class Choices:
    """Draws for one case.

    Parameters
    ----------
    draw : callable
        Draw function that hypothesis passes to a composite strategy.
    """

    def __init__(self, draw: Callable[[SearchStrategy[int]], int]) -> None:
        self._draw = draw

    def below(self, stop: int) -> int:
        """Draw an integer from 0 to `stop`, exclusive."""
        return self._draw(_below(stop)) if stop > 1 else 0

    def between(self, first: int, last: int) -> int:
        """Draw an integer from `first` to `last`, inclusive."""
        return first + self.below(last - first + 1)

    def pick(self, options: Sequence[T]) -> T:
        """Draw one of several options; the first is the simplest."""
        return options[self.below(len(options))]

    def chance(self, percent: int) -> bool:
        """Draw a boolean that is True in `percent` of 100 cases."""
        return self.below(100) >= 100 - percent

    def weighted(self, options: Sequence[tuple[int, T]]) -> T:
        """Draw one of several weighted options; the first is the simplest."""
        drawn = self.below(sum(weight for weight, _ in options))
        for weight, option in options:
            drawn -= weight
            if drawn < 0:
                return option
        raise AssertionError("The weights add up.")

    def order(self, length: int) -> list[int]:
        """Draw a permutation of the integers from 0 to `length`, exclusive."""
        left = list(range(length))
        return [left.pop(self.below(len(left))) for _ in range(length)]
