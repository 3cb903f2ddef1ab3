"""What the user types of this folder: ``spikec compile``, ``check``, ``report``, ``profile``, ``evaluate`` and more."""

from __future__ import annotations

import click

from .compile import check, compile_command, passes, report
from .measure import evaluate, tradeoff
from .profile import profile

COMMANDS: tuple[click.Command, ...] = (compile_command, check, report, profile, evaluate, tradeoff, passes)
