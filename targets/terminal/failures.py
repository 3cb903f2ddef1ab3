"""What ended a command other than an answer: the machine, a library, or a fault of ours, each told as what it is."""

from __future__ import annotations

from ..diagnostic import Diagnostic, Place
from ..libraries import broken_library

_OUT_OF_MEMORY = ("can't allocate memory", "not enough memory", "CUDA out of memory")
"""What torch says in a RuntimeError where Python would raise MemoryError."""

_REPORT_IT = "set SPIKEC_TRACEBACK=1, run the command again and report what it prints"


def failure_of(error: BaseException) -> Diagnostic:
    """The diagnostic for an exception that nothing else has turned into one.

    E650 stdout takes nothing, E651 the operating system refused, E652 no memory, E653 nested too deeply, E644 a library
    that cannot be loaded; E902 for everything else, which is a fault of spikec.
    """
    reason = _one_line(error)
    if isinstance(error, MemoryError) or any(words in reason for words in _OUT_OF_MEMORY):
        hint = "use a smaller model, fewer samples (--limit) or a machine with more memory"
        return Diagnostic("E652", f"there is not enough memory: {reason}", hint=hint)
    if isinstance(error, RecursionError):
        hint = "flatten what is nested: a graph inside a graph, brackets inside brackets"
        return Diagnostic("E653", "the input is nested too deeply to be read", hint=hint)
    if isinstance(error, OSError):
        return _of_system(error)
    if isinstance(error, ImportError) and not (error.name or "").startswith("spikec"):
        return broken_library((error.name or "a library").partition(".")[0], error)
    return Diagnostic("E902", reason, hint=_REPORT_IT)


def unwritable_stdout(error: OSError) -> Diagnostic:
    """E650: the result could not be told."""
    hint = "free space on that device, or send the output elsewhere"
    return Diagnostic("E650", f"standard output cannot be written ({error.strerror or error})", hint=hint)


def _of_system(error: OSError) -> Diagnostic:
    place = Place(file=None if error.filename is None else str(error.filename))
    hint = "check the path, its permissions, and the space on its device"
    return Diagnostic("E651", f"the operating system refused ({error.strerror or _one_line(error)})", place, hint=hint)


def _one_line(error: BaseException) -> str:
    text = " ".join(str(error).split())
    name = type(error).__name__
    return f"{name}: {text[:300]}" if text else name
