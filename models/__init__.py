"""Networks, their activations, training, data sets and checkpoints. Importing it needs no torch; its modules may."""
