"""Every diagnostic code, in one table."""

from __future__ import annotations

from ..code import Code
from . import inputs, numbers, reading, resources, running, targets, topology, training

FAMILIES = (reading, topology, numbers, resources, running, inputs, training, targets)

CODES: dict[str, Code] = {code.id: code for family in FAMILIES for code in family.CODES}
