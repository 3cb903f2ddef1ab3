"""The Lava process of graded neurons; Lava executes every file of this folder to find models."""
