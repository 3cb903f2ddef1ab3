"""What is trained: architectures, their activations, and the spiking network of each."""
