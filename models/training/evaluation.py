"""Accuracy of a torch network on byte images."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ..datasets.device_images import DeviceImages, affordable, consecutive, read_batches

EVALUATION_BATCH = 500


def as_input(images: Tensor) -> Tensor:
    """Scale byte images (N, C, H, W) to float32 in 0..1."""
    return (images.float() / 255).contiguous(memory_format=torch.channels_last)


@torch.no_grad()
def accuracy(network: nn.Module, images: DeviceImages, labels: Tensor) -> float:
    """Share of the images, uint8 (N, C, H, W), that the network in evaluation mode puts into their class."""
    network.eval()
    right = 0
    batches = consecutive(len(images), affordable(EVALUATION_BATCH, images))
    for batch, pixels in zip(batches, read_batches(images, batches), strict=True):
        right += int((network(as_input(pixels)).argmax(1) == labels[batch]).sum())
    return right / len(images)
