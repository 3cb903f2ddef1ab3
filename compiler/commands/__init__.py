"""What the user types of this folder: ``spikec compile``, ``check``, ``report``, ``evaluate``, ``explain`` and more."""

from __future__ import annotations

from ...targets.terminal.listing import COMPILING, LOOKING_UP, METHODS, RUNNING, Listed

_COMPILE, _MEASURE, _METHODS, _BY_LAYER, _PLOT, _PROFILE, _PASSES, _EXPORT = (
    f"{__name__}.{name}"
    for name in ("compile", "measure", "methods", "by_layer", "plot", "profile", "passes", "export")
)
_IMPORT = f"{__name__}.import_nir"
_EXPLAIN = f"{__name__.rpartition('.')[0]}.diagnostics.commands"

COMMANDS = (
    Listed("check", COMPILING, "Say whether a model fits a chip, layer by layer.", _COMPILE, "check"),
    Listed("compile", COMPILING, "Compile a model into integers, with a report.", _COMPILE, "compile_command"),
    Listed("report", COMPILING, "Show the report of a compiled network.", _COMPILE, "report"),
    Listed("export", RUNNING, "Write a compiled network for another tool.", _EXPORT, "export"),
    Listed("import", COMPILING, "Read a NIR graph of another simulator as a model.", _IMPORT, "import_command"),
    Listed("profile", RUNNING, "Measure spikes and operations of each layer.", _PROFILE, "profile"),
    Listed("evaluate", METHODS, "Compare what conversion methods are worth on data.", _MEASURE, "evaluate"),
    Listed("methods", METHODS, "List conversion methods, and which apply to a model.", _METHODS, "methods"),
    Listed("tradeoff", METHODS, "Measure accuracy against latency, gate by gate.", _MEASURE, "tradeoff"),
    Listed("rmpe", METHODS, "Tell the residual potentials that methods leave, by layer.", _BY_LAYER, "rmpe"),
    Listed("unevenness", METHODS, "Tell how spike counts err, in four kinds by layer.", _BY_LAYER, "unevenness"),
    Listed("confidence", METHODS, "Tell which early spikes are right, by layer.", _BY_LAYER, "confidence"),
    Listed("energy", METHODS, "Tell operations and energy against the ANN, by method.", _BY_LAYER, "energy"),
    Listed("plot", METHODS, "Draw a kept table of methods, a picture for each question.", _PLOT, "plot"),
    Listed("explain", LOOKING_UP, "Say what a diagnostic code means and how to fix it.", _EXPLAIN, "explain"),
    Listed("passes", LOOKING_UP, "List the compiler's passes with their equations.", _PASSES, "passes"),
)
