"""Results of pure functions on frozen data, kept for whoever needs the same again: the programs of one comparison.

What a pass leaves depends on nothing but the state that it is given, its options, and what it reads of its context. So
programs of one network share all passes up to the first that reads something else: the float passes for every T and
method, all of them for methods that differ in what they do afterwards.
"""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Callable, Hashable, Iterable
from hashlib import sha256
from typing import Any, TypeVar
from weakref import WeakKeyDictionary

import numpy as np
import numpy.typing as npt

from ..runtime.program import Program
from .ir.network import Network, evaluate
from .ir.operators import AnyFloat
from .ir.spiking import SpikingNetwork

ROOM = 1 << 30
"""Bytes of arrays that are kept: the activations of a VGG-16 on 512 samples and some of its programs."""

Result = TypeVar("Result")
_LEVELS = (Network, SpikingNetwork, Program)


class SharedResults:
    """Results by all that they depend on, as long as their arrays fit ``room`` bytes; what was used last stays.

    A key is a tuple of values and of records that nothing changes and that are equal only to themselves, which it
    keeps alive. Pickled, as on the way to a worker, it is empty.
    """

    def __init__(self, room: int = ROOM) -> None:
        self._room = room
        self._kept: dict[Hashable, _Kept] = {}
        self._holders = Counter[int]()
        self._bytes = 0
        self._of_levels = WeakKeyDictionary[Any, list[npt.NDArray[Any]]]()

    def __reduce__(self) -> tuple[type[SharedResults], tuple[int]]:
        return SharedResults, (self._room,)

    @property
    def keeps(self) -> bool:
        """Whether anything is kept at all."""
        return self._room > 0

    def of(self, key: tuple[Hashable, ...], make: Callable[[], Result]) -> Result:
        """Return what ``make`` gives, which must be the same whenever ``key`` is; what it raises is not kept."""
        found: Result | None = self.find(key)
        return self.keep(key, make()) if found is None else found

    def find(self, key: tuple[Hashable, ...]) -> Any:
        """Return the result of this ``key``; None where it is not kept."""
        kept = self._kept.pop(key, None) if self._kept else None
        if kept is None:
            return None
        self._kept[key] = kept
        return kept.result

    def keep(self, key: tuple[Hashable, ...], result: Result) -> Result:
        """Keep ``result``, which is not None, and return it."""
        if self.keeps:
            self._forget(key)
            arrays = (array for held in (key, result) for array in self._arrays(held))
            kept = _Kept(result, {id(array): array.nbytes for array in arrays})
            self._kept[key] = kept
            self._bytes += sum(size for array, size in kept.arrays.items() if not self._holders[array])
            self._holders.update(kept.arrays.keys())
            while self._bytes > self._room:
                self._forget(next(iter(self._kept)))
        return result

    def values(self, network: Network, samples: AnyFloat, names: frozenset[str]) -> dict[str, AnyFloat]:
        """Values ``names`` of ``network`` for a batch ``samples``, as ``evaluate`` gives them."""
        if not self.keeps:
            return evaluate(network, samples, names)
        batch = array_digest(samples)
        found = {name: self.find((network, batch, name)) for name in names}
        missing = frozenset(name for name, values in found.items() if values is None)
        if missing:
            made = evaluate(network, samples, missing)
            found |= {name: self.keep((network, batch, name), made[name]) for name in missing}
        return found

    def _arrays(self, held: Any) -> list[npt.NDArray[Any]]:
        """Every array that ``held`` keeps alive; of a level as it was found first, for many results hold it."""
        if isinstance(held, np.ndarray):
            return [held.base if isinstance(held.base, np.ndarray) else held]
        if isinstance(held, _LEVELS):
            if held not in self._of_levels:
                self._of_levels[held] = self._in_parts(_fields(held))
            return self._of_levels[held]
        if dataclasses.is_dataclass(held):
            return self._in_parts(_fields(held))
        if isinstance(held, dict | tuple | list):
            return self._in_parts(held.values() if isinstance(held, dict) else held)
        return []

    def _in_parts(self, parts: Iterable[Any]) -> list[npt.NDArray[Any]]:
        return [array for part in parts for array in self._arrays(part)]

    def _forget(self, key: Hashable) -> None:
        kept = self._kept.pop(key, None)
        if kept is not None:
            self._holders.subtract(kept.arrays.keys())
            self._bytes -= sum(size for array, size in kept.arrays.items() if not self._holders[array])


def array_digest(values: npt.NDArray[Any]) -> bytes:
    """SHA-256 of shape, type and values of an array: part of the key of what depends on them."""
    digest = sha256(f"{values.shape} {values.dtype.str}".encode())
    digest.update(np.ascontiguousarray(values).data)
    return digest.digest()


NOTHING_SHARED = SharedResults(room=0)
"""For a program that is compiled alone."""


@dataclasses.dataclass(frozen=True)
class _Kept:
    """A ``result``, and sizes in bytes of the ``arrays`` that it and its key hold, by their identity."""

    result: Any
    arrays: dict[int, int]


def _fields(held: Any) -> list[Any]:
    return [getattr(held, name) for name in held.__dataclass_fields__]
