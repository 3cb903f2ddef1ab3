"""Makes a failing case plainer: fewer decisions, and plainer ones, as long as it fails in the same way."""

from __future__ import annotations

from collections.abc import Callable, Sequence

Decisions = tuple[int, ...]


def shrunk(decisions: Sequence[int], fails: Callable[[Decisions], bool], attempts: int = 400) -> Decisions:
    """The plainest decisions found in ``attempts`` for which ``fails`` still holds.

    Decisions are left out in runs of 16 to 1, set to 0, and halved, over and over until nothing more helps.
    """
    search = _Search(tuple(decisions), fails, attempts)
    while search.pass_over():
        pass
    return search.best


class _Search:
    def __init__(self, best: Decisions, fails: Callable[[Decisions], bool], attempts: int) -> None:
        self.best = best
        self._fails = fails
        self._left = attempts
        self._tried = {best}

    def pass_over(self) -> bool:
        """Try every change once, from large to small ones; whether any of them helped."""
        before = self.best
        for size in (16, 8, 4, 2, 1):
            place = 0
            while place < len(self.best):
                if not self._takes(self.best[:place] + self.best[place + size :]):
                    place += size
        for place in range(len(self.best)):
            for smaller in (0, self.best[place] // 2, self.best[place] - 1):
                if self._takes((*self.best[:place], smaller, *self.best[place + 1 :])):
                    break
        return self.best != before and self._left > 0

    def _takes(self, candidate: Decisions) -> bool:
        if candidate in self._tried or min(candidate, default=0) < 0 or self._left <= 0:
            return False
        self._tried.add(candidate)
        self._left -= 1
        if not self._fails(candidate):
            return False
        self.best = candidate
        return True
