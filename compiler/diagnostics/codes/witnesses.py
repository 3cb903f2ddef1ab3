"""Codes 7xx: other people's simulators as witnesses, and NIR, which they read."""

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
        id="E764",
        title="packages for NIR are not installed",
        what="A NIR graph was to be written without the package nir, or to be checked without any of its readers.",
        why="NIR is other people's format; its package and readers are extras.",
        example="E764 nir is not installed, which writes graphs",
        fix="pip install 'spikec[nir]' to write graphs; 'spikec[witness]' brings the readers sinabs and snnTorch.",
    ),
    Code(
        id="E765",
        title="program that no NIR graph says",
        what="The program has gates, pulses, other neurons, several read-outs, or synapses that take too large a "
        "matrix.",
        why="NIR has nodes for convolutions, matrices and integrate-and-fire neurons, and none for what happens at one "
        "step of a window; a graph without it would be another network.",
        example="E765 NIR has no gates and pulses, and the program's schedule is 'exact'",
        fix="Compile with --schedule pipelined and plain neurons, with one --output.",
    ),
    Code(
        id="E766",
        title="no NIR file, or a damaged one",
        what="The file is not HDF5 with the nodes and edges of a NIR graph, is cut off, refers to other files, or is "
        "larger than 2 GiB.",
        why="Nothing of it can be trusted to be what its writer meant.",
        example="E766 net.nir: this is no NIR file, or a damaged one (truncated file)",
        fix="Write it again with nir.write, or copy it again.",
    ),
    Code(
        id="E767",
        title="NIR graph that cannot be used",
        what="The graph has a node of a kind that is not read, lacks numbers, has shapes that do not fit, or a circle.",
        why="A program is compiled from feed-forward graphs of neurons that do not leak.",
        example="E767 net.nir: layer 'lif1': the LIF cannot be used: its neurons leak: tau is 0.002 s at least",
        fix="Train with integrate-and-fire neurons (sinabs IAF, snnTorch Leaky with beta 1), without recurrence.",
    ),
    Code(
        id="E768",
        title="reset of a NIR graph",
        what="The file does not say how neurons are reset, says another way than --reset, or they are reset to zero.",
        why="NIR has no place for it: tools read the same IF node in both ways, and get different networks.",
        example="E768 net.nir: the file does not say how its neurons are reset, and NIR does not either",
        fix="Give --reset subtract for files of sinabs and snnTorch. Neurons reset to zero can be compiled for "
        "--timesteps 1, where both are the same.",
    ),
    Code(
        id="W760",
        title="readers that reset to zero compute another network",
        what="The exported graph was run as NIR defines its neuron: it starts at 0 and is reset to zero.",
        why="The program subtracts the threshold, and NIR has no place to say so; tools read a file in both ways.",
        example="W760 a reader that resets to zero, as NIR defines, computes another network: 41210 of 125952 spike "
        "counts differ, and 1 of 4 classes",
        fix="Use a reader that subtracts; run.py beside the graph loads it with sinabs and snnTorch and compares. At "
        "T = 1 with v0 = 0 both are the same.",
    ),
    Code(
        id="W761",
        title="readers that ignore v0 compute another network",
        what="The exported graph was run with neurons that start at 0 and subtract the threshold.",
        why="The program's neurons start each window at v0, for which NIR has no place; it is in the metadata.",
        example="W761 a reader that begins at potential 0 in place of v0 computes another network: 30112 of 125952 "
        "spike counts differ, and 0 of 4 classes",
        fix="Set the initial potentials of the metadata before each sample, as run.py does.",
    ),
    Code(
        id="W762",
        title="NIR reader may differ, or not load the graph",
        what="A layer can saturate where the state ends, or has several thresholds in the graph.",
        why="No NIR reader saturates from above, and snnTorch's takes one threshold for a layer.",
        example="W762 layer 'fc': the potential saturates where the state ends, which no NIR reader does",
        fix="Run the check on your data: export --check, or run.py beside the graph.",
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
