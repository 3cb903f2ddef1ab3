"""Byte images as networks take them: tensors on a device, all at once or, of lazy sets, batch by batch."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor

from ...targets.records import dataclass
from .images import ImageSet
from .lazy_images import ByteImages, Chosen, LazyImages


@dataclass(frozen=True, slots=True, eq=False)
class StreamedImages:
    """Lazy images whose batches are decoded on the host and moved to ``device``; indexed like a tensor (N, C, H, W)."""

    images: LazyImages
    device: torch.device

    @property
    def shape(self) -> tuple[int, ...]:
        """Images, channels, rows, columns."""
        return self.images.shape

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, chosen: slice | Tensor) -> Tensor:
        return self._placed(self.images[_on_host(chosen)])

    def read_ahead(self, batches: Sequence[slice | Tensor], margin: int) -> Iterator[Tensor]:
        """Yield batch after batch with ``margin`` pixels of the picture around, the next being decoded meanwhile."""
        yield from map(self._placed, self.images.read_ahead([_on_host(batch) for batch in batches], margin))

    def _placed(self, images: ByteImages) -> Tensor:
        return torch.from_numpy(images).to(self.device)


DeviceImages = Tensor | StreamedImages
"""(N, C, H, W) uint8; both have ``shape`` and ``len``, and give a tensor on the device for a slice or indices."""


def tensors(images: ImageSet, device: torch.device) -> tuple[DeviceImages, Tensor]:
    """Images and labels for the device; lazy images stay in their files."""
    labels = torch.tensor(images.labels, device=device)
    if isinstance(images.images, LazyImages):
        return StreamedImages(images.images, device), labels
    return torch.tensor(images.images, device=device), labels


def read_batches(images: DeviceImages, batches: Sequence[slice | Tensor], margin: int = 0) -> Iterator[Tensor]:
    """Yield the chosen images batch by batch; ``margin`` > 0, pixels around them, is for streamed ones alone."""
    if isinstance(images, StreamedImages):
        yield from images.read_ahead(batches, margin)
    else:
        assert not margin, "images in memory have no pixels around them"
        yield from (images[batch] for batch in batches)


def consecutive(count: int, batch: int) -> list[slice]:
    """Cut 0..``count`` into slices of at most ``batch``."""
    return [slice(start, min(start + batch, count)) for start in range(0, count, batch)]


def affordable(count: int, images: DeviceImages, side: int = 32) -> int:
    """Return ``count`` for images of up to ``side`` x ``side`` pixels; of larger ones, as many as have the same pixels.

    Activations grow with the pixels: a batch that is right for CIFAR would take 49 times the memory on ImageNet.
    """
    rows, columns = images.shape[2:]
    return max(1, min(count, count * side * side // (rows * columns)))


def _on_host(chosen: slice | Tensor) -> Chosen:
    return chosen if isinstance(chosen, slice) else chosen.cpu().numpy()
