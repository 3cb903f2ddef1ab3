"""A whole program as one hierarchical Lava process; Lava executes every file of this folder to find models."""
