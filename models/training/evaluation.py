"""Accuracy of a torch network on images of bytes."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ..datasets.device_images import DeviceImages, affordable, consecutive, read_batches
from ..networks.signal_network import SIGNED_SCALE

EVALUATION_BATCH = 500


def as_input(images: Tensor) -> Tensor:
    """Scale images of bytes (N, C, H, W) to float32: uint8 to 0..1, int8 to -1..1."""
    scale = SIGNED_SCALE if images.dtype == torch.int8 else 255
    return (images.float() / scale).contiguous(memory_format=torch.channels_last)


@torch.no_grad()
def accuracy(network: nn.Module, images: DeviceImages, labels: Tensor) -> float:
    """Share of the images, (N, C, H, W), that the network in evaluation mode puts into their class."""
    network.eval()
    right = 0
    batches = consecutive(len(images), affordable(EVALUATION_BATCH, images))
    for batch, pixels in zip(batches, read_batches(images, batches), strict=True):
        right += int((network(as_input(pixels)).argmax(1) == labels[batch]).sum())
    return right / len(images)
