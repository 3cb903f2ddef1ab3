"""The three levels a network passes through, their printing, their invariants."""
