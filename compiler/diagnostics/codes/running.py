"""Codes 5xx: running programs on a backend."""

from __future__ import annotations

from ..code import Code

CODES: tuple[Code, ...] = (
    Code(
        id="E501",
        title="Lava cannot run here",
        what="A backend that needs Intel Lava was asked for, and this Python or machine has none, or not all of it.",
        why="The metadata of lava-nc 0.10.0 admits Python 3.10 only, so that newer Pythons get it by a command of its "
        "own; the guard that keeps a hanging Lava from staying behind uses what Linux offers.",
        example="E501 Lava cannot run here: lava-nc is not installed",
        fix="'spikec doctor --install-lava' installs it for any Python from 3.10 on, and 'spikec doctor' says how to "
        "do so by hand. The simulator backend needs neither Lava nor Linux and gives the same spikes.",
    ),
    Code(
        id="E502",
        title="a Lava process failed",
        what="One of the operating system processes of a Lava run raised an error, was killed, or ended early. The "
        "whole run was ended and nothing of it was left behind.",
        why="Lava itself would wait for the lost process for ever and show no error.",
        example="E502 Lava process 'conv2' failed: MemoryError: Unable to allocate 1.2 GiB",
        fix="Read the last lines in the hint. Exit code -9 without an error is most often the system that ran out of "
        "memory: run fewer samples, or use the simulator. Otherwise it is a bug worth reporting.",
    ),
    Code(
        id="E503",
        title="Lava ran into its deadline",
        what="The run took longer than its deadline and was ended.",
        why="A Lava that hangs looks like one that is slow. The default deadline is many times what the size of the "
        "network needs.",
        example="E503 Lava was stopped at its deadline with 12 of 200 samples done (600 s)",
        fix="Run fewer samples, give a longer deadline, or use a faster backend: lava-stock is hundreds of times "
        "slower than lava, and lava slower than the simulator.",
    ),
    Code(
        id="E504",
        title="synaptic input too wide for Lava",
        what="The sum that one neuron receives in one step can exceed the integers in which Lava adds it: 24 bits in "
        "Lava's own Conv model, 32 bits between any two processes.",
        why="Lava wraps around silently, so the run would differ from the network that was compiled.",
        example="E504 synaptic input of one step can exceed the 24 signed bits that Lava adds up (12000000 > 8388607 "
        "weight units)",
        fix="Compile with fewer weight bits or a coarser input. Beyond 24 bits the backend lava still runs it.",
    ),
    Code(
        id="E505",
        title="geometry too large for Lava's own Conv",
        what="Lava's own Conv model keeps kernel size, stride, padding, dilation and groups in 8 signed bits; a "
        "convolution needs more. Asymmetric padding counts with the larger kernel that expresses it.",
        why="The value wraps silently; a depthwise layer of 128 channels gives only zeros.",
        example="E505 groups 128 wraps in the int8 of Lava's own Conv model (128 > 127 groups)",
        fix="Use the backend lava: the same processes with a Conv model that has no such limit.",
    ),
    Code(
        id="E506",
        title="samples are not the program's",
        what="The encoded samples have another shape than the program's input, are none at all, or hold values "
        "outside the range for which the program was proved free of overflow.",
        why="Outside that range a potential may saturate, and results differ from those that were evaluated.",
        example="E506 encoded input 300 is outside 0..255",
        fix="Encode the samples with the program's own input encoding, as spikec run does.",
    ),
    Code(
        id="E508",
        title="no Loihi 2 can be reached",
        what="Intel's closed extension lava-loihi is not installed, or Lava was not told which host to use.",
        why="Without it Lava has nothing but CPU models of its processes.",
        example="E508 Loihi 2 is not available: lava.utils.loihi2_profiler (Intel's lava-loihi extension) is not "
        "installed",
        fix="Members of Intel's research community install lava-loihi and choose a host with "
        "lava.utils.loihi.use_slurm_host or use_ethernet_host. Everyone else runs the backend lava.",
    ),
    Code(
        id="E509",
        title="a process would run on the host",
        what="Lava's run configuration for Loihi 2 finds no neurocore model of a process and would run its Python "
        "model on the host.",
        why="It does so silently: the run would be reported as one on the chip, and its energy and speed would be "
        "those of another network.",
        example="E509 IntegrateFire has no model for a neurocore, so it would run on the host",
        fix="Install a lava-loihi that has a model of the process, or run the backend lava and call it a simulation.",
    ),
    Code(
        id="E510",
        title="no room for the files of a run",
        what="A Lava run talks to its processes through files in a temporary folder, which could not be written.",
        why="The program, the samples and the recorded spikes all go there: about eight bytes per weight and one bit "
        "per neuron and step.",
        example="E510 files of the run cannot be written: No space left on device",
        fix="Free space in the temporary folder, or set TMPDIR to a folder on a larger disk.",
    ),
    Code(
        id="E511",
        title="the simulator cannot run like that",
        what="The simulator was given a batch or a number of threads below 1, a device that is not there, or a way "
        "to compute a layer that it does not have.",
        why="On another device than the one that was asked for, a run may take a hundred times as long.",
        example="E511 torch finds no GPU for the device 'cuda'",
        fix="Leave the argument out: the simulator then runs on the processor. For 'cuda' install a torch that "
        "was built for the GPU's driver.",
    ),
    Code(
        id="E512",
        title="Lava has no such neuron",
        what="The program's neurons keep more state than the integrate-and-fire processes on Lava have.",
        why="Plain neurons in their place would give other spikes, without anything looking wrong.",
        example="E512 Lava has no neuron of the model 'srp', which needs 1 mask bit per neuron and sample, which gates "
        "its output",
        fix="Run the program on the backends simulator or reference; for Lava compile with plain neurons (--neuron if),"
        " with --schedule exact where counts have to be exact.",
    ),
)
