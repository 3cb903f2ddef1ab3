"""Weights fitted to T time steps after training, layer by layer."""
