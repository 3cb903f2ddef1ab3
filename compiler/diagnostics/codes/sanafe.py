"""Codes 3xx and 7xx: programs on SANA-FE, a simulator of chip architectures."""

from __future__ import annotations

from ..code import Code

CODES: tuple[Code, ...] = (
    Code(
        id="E331",
        title="chip without figures for SANA-FE",
        what="A program was to be exported for SANA-FE on a chip of which no energy and time per event, or no mesh of "
        "tiles, is known.",
        why="An architecture of SANA-FE consists of these figures. Of Loihi 2 none is published, and made-up ones "
        "would look like an estimate.",
        example="E331 the target 'loihi2' has no energy and time per event, or no mesh of tiles",
        fix="Compile for loihi1, or describe a chip of your own with [cost] and a mesh: docs/chip.toml has every key.",
    ),
    Code(
        id="E731",
        title="SANA-FE cannot run here",
        what="The backend 'sanafe' was asked for, and SANA-FE is not installed for this Python, or this is no Linux.",
        why="SANA-FE is a program of its own under the GPL; spikec starts it where a user has installed it.",
        example="E731 SANA-FE is not installed",
        fix="Install it for the same Python: pip install sanafe. The simulator gives the same spikes without it.",
    ),
    Code(
        id="E732",
        title="program that SANA-FE does not compute exactly",
        what="The program has a part that SANA-FE's neurons, dendrites or numbers have no room for.",
        why="It would run and differ without a word: its neuron does not saturate from above, a delay is at most 5 "
        "steps, and numbers reach it as 32-bit floats.",
        example="E732 layer 'fc': a potential can leave the state from above, where SANA-FE's neuron does not "
        "saturate; measured 140000 of 131071 weight units",
        fix="Use the simulator or the reference; or compile with fewer weight bits, or without long delays, so that "
        "it fits.",
    ),
    Code(
        id="E733",
        title="SANA-FE failed",
        what="The process in which SANA-FE ran ended with an error. Nothing of it was left behind.",
        why="Most often the system ran out of memory: SANA-FE keeps every synapse as an object of its own.",
        example="E733 SANA-FE failed (status 70)",
        fix="Read the last lines in the hint. Run fewer samples or a smaller network, or use the simulator.",
    ),
    Code(
        id="E734",
        title="SANA-FE ran into its deadline",
        what="The run took longer than its deadline and was ended.",
        why="A run without a deadline could hang for ever; the deadline is several times what such a network needs.",
        example="E734 SANA-FE was stopped at its deadline; measured 310 of 310 s",
        fix="Run fewer samples, or use the simulator.",
    ),
)
