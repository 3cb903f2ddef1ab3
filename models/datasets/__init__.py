"""Image data sets for training and calibration: digits, Fashion-MNIST, CIFAR-10."""
