"""What the user types of this folder: ``spikec run``, ``verify`` and ``doctor``."""

from __future__ import annotations

from ...targets.terminal.listing import LOOKING_UP, RUNNING, Listed

COMMANDS = (
    Listed("run", RUNNING, "Run a compiled network on data.", f"{__name__}.run", "run"),
    Listed("verify", RUNNING, "Prove that backends agree, spike by spike.", f"{__name__}.run", "verify"),
    Listed("doctor", LOOKING_UP, "Say what this installation can do.", f"{__name__}.doctor", "doctor"),
)
