"""The Lava process of several fused populations; Lava executes every file of this folder to find models."""
