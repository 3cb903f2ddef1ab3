"""Programs on Lava's own processes alone, neurons included: what they compute, as which process, and how they run."""
