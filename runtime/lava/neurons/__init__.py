"""The Lava processes that spikec adds to the stock ones; Lava executes every file of this folder to find models."""
