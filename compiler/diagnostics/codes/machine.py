"""Codes 6xx from 644 to 659: the machine that spikec runs on, its libraries, devices and memory."""

from __future__ import annotations

from ..code import Code

CODES: tuple[Code, ...] = (
    Code(
        "E644",
        "library cannot be loaded",
        "A library that the command needs is installed, and fails as it is loaded: a part of it is missing, or was "
        "built for another machine or for another version of what it needs.",
        "Nothing can be computed with it. spikec itself is not at fault.",
        "error E644: torch is installed and cannot be loaded (OSError: libcudart.so.12: cannot open shared object "
        "file)",
        "Install the library again with pip, for this Python and this machine, or remove it where it is optional.",
    ),
    Code(
        "W644",
        "done without a library",
        "A library that only makes work faster is installed, and fails as it is loaded; the work is done without it.",
        "Results are the same, and come more slowly.",
        "warning W644: numba is installed and cannot be loaded (ImportError: numba needs numpy 2.2 or less)",
        "Install the library again, or remove it, and this warning with it.",
    ),
    Code(
        "E646",
        "no such instruction set",
        "SPIKEC_KERNEL names an instruction set that the simulator's kernel does not have on this processor.",
        "The run that was asked for cannot be made; results would be the same on any other.",
        "error E646: SPIKEC_KERNEL names 'avx512', which the simulator's kernel does not have here",
        "Name one that the message lists, 'none' to do without the kernel, or leave the variable out for the best.",
    ),
    Code(
        "W646",
        "kernel cannot be loaded",
        "The simulator's kernel was built with the package, and the system does not load it: it may have been built "
        "for another machine.",
        "numpy does its work: results are the same, and come more slowly.",
        "warning W646: the simulator's kernel is installed and cannot be loaded (wrong ELF class: ELFCLASS32); numpy "
        "does its work",
        "Install spikec again on this machine; 'spikec doctor' tells which kernel is used.",
    ),
    Code(
        "E650",
        "result cannot be printed",
        "Standard output is closed, or on a device that takes no more.",
        "The answer did not arrive where it was sent, so the exit code does not tell it either.",
        "error E650: standard output cannot be written (No space left on device)",
        "Free space on that device or send the output elsewhere. Files named on the command line are whole.",
    ),
    Code(
        "E651",
        "operating system refused",
        "A file or device could not be used, for the reason that the operating system gives.",
        "It is no fault of the model, and none of spikec.",
        "error E651: /tmp: the operating system refused (No space left on device)",
        "Check the path, its permissions and the space on its device.",
    ),
    Code(
        "E652",
        "not enough memory",
        "The machine, or a limit that was set for the process, has not as much memory as the work takes.",
        "Nothing was left half-written.",
        "error E652: there is not enough memory: MemoryError: Unable to allocate 14.5 GiB for an array",
        "Use a smaller model, fewer samples (--limit), or a machine with more memory.",
    ),
    Code(
        "E653",
        "nested too deeply",
        "The input holds parts inside parts inside parts, more than can be followed.",
        "A file like that was damaged, or made to break its readers.",
        "error E653: the input is nested too deeply to be read",
        "Export or write the file again without that nesting.",
    ),
    Code(
        "E655",
        "another Lava than the one that can be mended",
        "On Python 3.11 and newer lava-nc is mended as it is imported, and the one that is installed is not the "
        "version that this was written for.",
        "Another version may fail otherwise, or compute something else without saying so.",
        "error E655: Lava cannot run here: on Python 3.13 it takes lava-nc 0.10.0, this is 0.11.0",
        "'spikec doctor --install-lava' puts lava-nc 0.10.0 in its place. A newer Lava may need no mending, and a "
        "newer spikec may know it.",
    ),
    Code(
        "W655",
        "a Lava that was not tried",
        "The lava-nc that is installed is not the version with which spikec's backends were compared.",
        "Its processes may behave differently, and limits that spikec knows may have moved.",
        "warning W655: spikec was tried with lava-nc 0.10.0, this is 0.11.0",
        "Compare it with 'spikec verify', or install lava-nc 0.10.0.",
    ),
    Code(
        "E656",
        "Lava could not be installed",
        "'spikec doctor --install-lava' found no installer, or pip or uv ended with an error.",
        "Without Lava there are the simulator and the reference, which give the same spikes.",
        "error E656: lava-nc could not be installed: the installer ended with status 1",
        "Read what the installer said. It needs a package registry that it can reach, and the right to write into the "
        "environment of this Python.",
    ),
)
