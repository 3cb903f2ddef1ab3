"""Data sets for training and calibration: digits, Fashion-MNIST, CIFAR-10, CIFAR-100, ImageNet,
human activity, Speech Commands, IMDB."""
