"""What is kept for whoever needs it again, as long as there is room, and what passes share."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from spikec import targets
from spikec.compiler.ir.network import INPUT, Network, Node, evaluate
from spikec.compiler.ir.operators import AnyFloat, Relu, Scale
from spikec.compiler.passes.contract import Compilation, Context, Outcome
from spikec.compiler.shared_passes import shared_outcome
from spikec.compiler.shared_results import NOTHING_SHARED, SharedResults, array_digest
from spikec.targets.records import dataclass


def _values(kilobytes: int) -> np.ndarray[tuple[int], np.dtype[np.uint8]]:
    return np.zeros(kilobytes << 10, dtype=np.uint8)


def test_what_was_used_longest_ago_leaves_first() -> None:
    shared = SharedResults(room=3 << 10)
    for name in ("a", "b", "c"):
        shared.keep((name,), _values(1))
    assert shared.find(("a",)) is not None
    shared.keep(("d",), _values(1))
    assert [shared.find((name,)) is None for name in ("a", "b", "c", "d")] == [False, True, False, False]
    shared.keep(("e",), _values(4))
    assert shared.find(("e",)) is shared.find(("a",)) is None


def test_an_array_counts_once_and_until_the_last_that_holds_it_is_gone() -> None:
    shared, large = SharedResults(room=3 << 10), _values(2)
    shared.keep(("whole",), large)
    shared.keep(("part",), {"some": [large[:10]]})
    shared.keep(("small",), _values(1))
    assert shared.find(("whole",)) is not None
    shared.keep(("another",), _values(1))  # "part" leaves, and "small", as the array is still held
    assert shared.find(("small",)) is shared.find(("part",)) is None
    assert shared.find(("whole",)) is not None
    shared.keep(("whole",), _values(1))
    shared.keep(("more",), _values(1))
    assert shared.find(("another",)) is not None


def test_a_network_is_evaluated_once_for_a_batch(monkeypatch: pytest.MonkeyPatch) -> None:
    nodes = (Node("a", Scale(np.array(2.0)), (INPUT,), (3,)), Node("b", Relu(), ("a",), (3,)))
    network, samples = Network("net", (3,), nodes, "b"), np.array([[1.0, -1.0, 0.5]], dtype=np.float32)
    asked: list[frozenset[str]] = []

    def noted(network: Network, samples: AnyFloat, names: frozenset[str]) -> dict[str, AnyFloat]:
        asked.append(names)
        return evaluate(network, samples, names)

    monkeypatch.setattr("spikec.compiler.shared_results.evaluate", noted)
    shared = SharedResults()
    first = shared.values(network, samples, frozenset("b"))
    np.testing.assert_array_equal(first["b"], [[2, 0, 1]])
    again = shared.values(network, samples.copy(), frozenset("ab"))
    assert again["b"] is first["b"]
    np.testing.assert_array_equal(again["a"], [[2, -2, 1]])
    np.testing.assert_array_equal(shared.values(network, 2 * samples, frozenset("b"))["b"], [[4, 0, 2]])
    assert asked == [frozenset("b"), frozenset("a"), frozenset("b")]
    NOTHING_SHARED.values(network, samples, frozenset("b"))
    NOTHING_SHARED.values(network, samples, frozenset("b"))
    assert len(asked) == 5


def test_it_travels_empty() -> None:
    shared = SharedResults()
    shared.keep(("a",), 1)
    sent = pickle.loads(pickle.dumps(shared))
    assert sent.find(("a",)) is None
    assert sent.of(("a",), lambda: 2) == sent.of(("a",), lambda: 3) == 2


def test_a_digest_tells_shape_and_type_apart() -> None:
    values = np.zeros(4, dtype=np.float32)
    others = [values.reshape(2, 2), values.astype(np.int32), values + 1]
    assert len({array_digest(each) for each in (values, *others)}) == 4
    assert array_digest(np.arange(6).reshape(2, 3).T) == array_digest(np.arange(6).reshape(2, 3).T.copy())


@dataclass(frozen=True, eq=False)
class _Counting:
    """A pass that notes when it ran and reads of its context what ``reads`` says."""

    reads: Callable[[Context], object]
    ran: list[object]
    name: str = "counting"
    preserves: bool = True

    def run(self, state: Compilation, context: Context) -> Outcome:
        read = self.reads(context)
        self.ran.append(read)
        return Outcome(state, {"read": read})


def _effects(reads: Callable[[Context], object], *contexts: Context) -> tuple[list[object], list[object]]:
    """What a pass tells in each context, run alone and among others, and what it ran for."""
    state = Compilation(Network("net", (3,), (Node("a", Relu(), (INPUT,), (3,)),), "a"))
    step, shared = _Counting(reads, []), SharedResults()
    alone = [step.run(state, context).effect["read"] for context in contexts]
    step.ran.clear()
    together = [shared_outcome(step, state, replace(c, shared=shared)).effect["read"] for c in contexts]
    assert together == alone
    return together, step.ran


def test_a_pass_runs_again_where_it_reads_something_else() -> None:
    lava, loihi = (Context(targets.load(name), 4) for name in ("lava", "loihi1"))
    longer = replace(lava, timesteps=8)
    assert _effects(lambda c: c.target.name, lava, longer, loihi, longer)[1] == ["lava", "loihi1"]
    assert _effects(lambda c: c.timesteps, lava, longer, loihi, longer)[1] == [4, 8]
    assert _effects(lambda c: c.levels, lava, loihi, replace(lava, neuron="graded"))[1] == [4, 31]
    # What is read second depends on what was read first.
    narrow = replace(loihi, weight_bits=3)
    ran = _effects(lambda c: c.weight_bits if c.timesteps == 8 else c.schedule, lava, longer, narrow)[1]
    assert ran == ["pipelined", None]


def test_arrays_of_a_context_are_the_same_only_as_objects() -> None:
    seen = {"a": np.zeros(3)}
    context = Context(targets.load("lava"), 4, potentials=seen)
    other = replace(context, potentials={"a": np.zeros(3)})
    ran = _effects(lambda c: id(c.potentials), context, context, other)[1]
    assert ran == [id(context.potentials), id(other.potentials)]
