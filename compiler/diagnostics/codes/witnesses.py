"""Codes 7xx: other people's simulators as witnesses."""

from __future__ import annotations

from ..code import Code

CODES: tuple[Code, ...] = (
    Code(
        id="E760",
        title="witness cannot run here",
        what="The backend 'sinabs' or 'brian2' was asked for, and the package is not installed for this Python, or "
        "this is no Linux.",
        why="Witnesses are simulators of other people; spikec starts them where a user has installed them.",
        example="E760 brian2 is not installed",
        fix="Install it for the same Python: pip install 'spikec[witness]' brings both. The simulator gives the same "
        "spikes without them.",
    ),
    Code(
        id="E761",
        title="program that a witness does not compute",
        what="The program has neurons, potentials or a size that this simulator has no room for.",
        why="It would run and differ without a word: the neurons of sinabs do not saturate from above, neither has the "
        "further state of srp, cos, msat or graded, and brian2 keeps every synapse as one of its own.",
        example="E761 layer 'fc': on these samples a potential leaves the state from above, and sinabs "
        "does not saturate; measured 140000 of 131071 weight units",
        fix="Use brian2, which saturates as the program does, or the reference; docs/witnesses.md has what each takes.",
    ),
    Code(
        id="E762",
        title="witness failed",
        what="The process in which the simulator ran ended with an error. Nothing of it was left behind.",
        why="Most often the system ran out of memory, or the installed version works in another way than those that "
        "were tried.",
        example="E762 brian2 failed (status 70)",
        fix="Read the last lines in the hint. Run fewer samples or a smaller network, or install a version that "
        "docs/witnesses.md names.",
    ),
    Code(
        id="E763",
        title="witness ran into its deadline",
        what="The run took longer than its deadline and was ended.",
        why="A run without a deadline could hang for ever; the deadline is several times what such a network needs.",
        example="E763 brian2 was stopped at its deadline; measured 610 of 610 s",
        fix="Run fewer samples, or leave this backend out.",
    ),
)
