"""Discrete Fourier transforms of batches of real fields, two fields to one complex transform.

A real operator in Fourier space maps real fields to real fields, hence the two halves of
``f + i g`` independently: packing two fields needs no unpacking in between, and complex transforms
of packed fields are faster than transforms of real ones. Sides with a large prime factor, where
fast transforms are slow, are multiplied by the matrix of the transform.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import torch

# Sides up to here whose largest prime factor exceeds this are multiplied by a matrix on processors:
# 31³ in float32 takes 2.0 ms that way and 5.2 ms by fast transform; 33³ 2.1 and 1.5 ms.
_LARGEST_FACTOR = 13
_LONGEST_MATRIX = 97


class PackedTransform:
    """Forth and back for fields ``(fields, …, *shape)``; ``like`` gives type and device."""

    def __init__(self, shape: tuple[int, ...], like: torch.Tensor) -> None:
        import torch

        self.shape = shape
        d = len(shape)
        self._matrices: dict[int, torch.Tensor] = {}
        self._fast: list[int] = []
        kind = torch.complex64 if like.dtype == torch.float32 else torch.complex128
        for axis, side in enumerate(shape):
            slow = largest_prime_factor(side) > _LARGEST_FACTOR and side <= _LONGEST_MATRIX
            if slow and like.device.type == "cpu":
                turns = np.outer(np.arange(side), np.arange(side)) % side
                matrix = np.exp(-2j * np.pi * turns / side)
                self._matrices[axis - d] = torch.as_tensor(matrix, dtype=kind, device=like.device)
            else:
                self._fast.append(axis - d)

    def forth(self, fields: torch.Tensor) -> torch.Tensor:
        """Transforms of ``fields[:h] + i fields[h:]``: ``(h, …, *shape)``, h half of them."""
        import torch

        half = (len(fields) + 1) // 2
        pairs = fields.new_empty((half, *fields.shape[1:], 2))
        pairs[..., 0].copy_(fields[:half])
        pairs[: len(fields) - half, ..., 1].copy_(fields[half:])
        if 2 * half > len(fields):
            pairs[-1, ..., 1].zero_()
        packed = torch.view_as_complex(pairs)
        if self._fast:
            packed = torch.fft.fftn(packed, dim=self._fast)
        for axis, matrix in self._matrices.items():
            packed = _along(matrix, packed, axis)
        return packed

    def back(self, packed: torch.Tensor, fields: int) -> torch.Tensor:
        """The real ``(fields, …, *shape)`` behind :meth:`forth`, times the number of voxels."""
        import torch

        for axis, matrix in self._matrices.items():
            packed = _along(matrix.conj(), packed, axis)
        if self._fast:
            packed = torch.fft.ifftn(packed, dim=self._fast, norm="forward")
        half = len(packed)
        pairs = torch.view_as_real(packed)
        out = pairs.new_empty((fields, *packed.shape[1:]))
        out[:half].copy_(pairs[..., 0])
        out[half:].copy_(pairs[: fields - half, ..., 1])
        return out


def _along(matrix: torch.Tensor, field: torch.Tensor, axis: int) -> torch.Tensor:
    """``matrix`` (symmetric) applied along a grid axis, counted from the last, −1."""
    shape = field.shape
    if axis == -1:
        return (field.reshape(-1, shape[-1]) @ matrix).view(shape)
    after = int(np.prod(shape[axis + 1 :]))
    return (matrix @ field.reshape(-1, shape[axis], after)).view(shape)


def largest_prime_factor(number: int) -> int:
    """Of a positive integer; 1 for 1.

    Examples
    --------
    >>> [largest_prime_factor(n) for n in (1, 31, 62, 63, 64)]
    [1, 31, 31, 7, 2]
    """
    factor, largest = 2, 1
    while factor * factor <= number:
        while number % factor == 0:
            largest, number = factor, number // factor
        factor += 1
    return max(largest, number)
