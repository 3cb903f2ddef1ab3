"""The networks of a comparison of conversion methods: which they are, and training them, one seed after the other."""

from __future__ import annotations

from .costs import Cost, costs
from .listing import Entry, Zoo, load_zoo, shipped_zoos
from .training import train_zoo

__all__ = ["Cost", "Entry", "Zoo", "costs", "load_zoo", "shipped_zoos", "train_zoo"]
