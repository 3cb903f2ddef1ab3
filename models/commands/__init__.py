"""What the user types of this folder: ``spikec demo``, ``train``, ``calibrate-weights`` and ``zoo``."""

from __future__ import annotations

import click

from .calibrate import calibrate_weights
from .demo import demo
from .train import train
from .zoo import zoo

COMMANDS: tuple[click.Command, ...] = (demo, train, calibrate_weights, zoo)
