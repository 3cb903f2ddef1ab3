"""Light augmentation of byte images: random shifts, with zeros or the rest of the picture moved in, and mirroring."""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor


def augment(images: Tensor, shift: int, flip: bool, random: np.random.Generator, margin: int = 0) -> Tensor:
    """Return images (N, C, H, W), each moved by -shift..shift rows and columns.

    ``images`` come with ``margin`` <= shift pixels around, (N, C, H + 2 margin, W + 2 margin), which are moved in
    before zeros are. With ``flip`` half of them, by chance, are mirrored left to right.
    """
    count, (rows, columns) = len(images), (length - 2 * margin for length in images.shape[2:])
    zeros = shift - margin
    down, right = (torch.from_numpy(random.integers(0, 2 * shift + 1, (count, 1))) for _ in range(2))
    mirrored = torch.from_numpy(random.random((count, 1)) < 0.5) & flip
    across = torch.arange(columns).expand(count, -1)
    from_rows = torch.arange(rows) + down
    from_columns = torch.where(mirrored, across.flip(1), across) + right
    padded = F.pad(images, (zeros, zeros, zeros, zeros)).permute(0, 2, 3, 1)
    chosen = (torch.arange(count)[:, None, None], from_rows[:, :, None], from_columns[:, None, :])
    return padded[tuple(index.to(images.device) for index in chosen)].permute(0, 3, 1, 2)
