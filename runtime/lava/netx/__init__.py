"""Programs as files of lava-dl's netx, which runs them on Lava's own processes."""
