"""A network for sets of words: a bag of embeddings, then one hidden layer."""

from __future__ import annotations

from collections.abc import Callable

from torch import nn


class BagNet(nn.Sequential):
    """Two layers (w, w) and one head on (words, 1, 1), as convolutions of one pixel, so that batch norm goes with them.

    The first layer's weights are the words' embeddings, which it adds up for the words that are there. At width 32 and
    4,000 words: 129 k weights, of which a review takes some hundred rows.
    """

    def __init__(self, words: int, classes: int, width: int, activation: Callable[[], nn.Module]) -> None:
        super().__init__(
            *_pixel_norm_activation(words, width, activation),
            *_pixel_norm_activation(width, width, activation),
            nn.Flatten(),
            nn.Linear(width, classes),
        )


def _pixel_norm_activation(inputs: int, outputs: int, activation: Callable[[], nn.Module]) -> list[nn.Module]:
    return [nn.Conv2d(inputs, outputs, 1, bias=False), nn.BatchNorm2d(outputs), activation()]
