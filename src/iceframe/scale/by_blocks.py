"""Describe one volume on disk in little memory: its blocks one after another.

What descriptors say is exact, the same as of a volume in memory. Those that need all of the volume
at once (``by_blocks`` is false: shortest paths, balls and spectra go through any block) are given
it where it has at most :data:`WHOLE_VOXELS` voxels, and are refused for larger ones: describe a
part of it then.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np

from iceframe.core.errors import InputError
from iceframe.core.values import Representation
from iceframe.scale.blocks import MOST_VOXELS, Block, Tally, block_size, boxes
from iceframe.scale.descriptor import (
    DESCRIPTORS,
    ImageDescriptor,
    Progress,
    refuse_unmasked,
    represent,
)
from iceframe.scale.image_format import ImageFormat

WHOLE_VOXELS = 2**24
"""256³: with three phases, tortuosity and local thickness hold about 3 GiB then."""

LONGEST = 64
"""Longest distance in voxels between two points, if not stated: work and memory grow with it."""


class VolumeSource(Protocol):
    """A volume ``(z, y, x)`` that is read box by box."""

    @property
    def shape(self) -> tuple[int, ...]: ...
    @property
    def name(self) -> str: ...
    @property
    def kind(self) -> str: ...
    @property
    def periodic(self) -> bool: ...
    @property
    def levels(self) -> tuple[float, ...] | None: ...

    def read(self, start: Sequence[int], stop: Sequence[int]) -> np.ndarray:
        """A box as float32; phases are equal steps from 0 to 1."""
        ...

    def measured(self, start: Sequence[int], stop: Sequence[int]) -> np.ndarray | None:
        """Which voxels of a box were measured, bool; None where all were."""
        ...


def volume_format(volume: VolumeSource, longest: int = LONGEST) -> ImageFormat:
    """The format of a volume whose levels are known.

    ``longest``: the longest distance between two points in voxels, at most half the shortest side.
    """
    steps: tuple[float, ...] = ()
    if volume.kind == "phase":
        number = len(volume.levels or (0.0,))
        steps = tuple(i / max(1, number - 1) for i in range(number))
    return ImageFormat((1, *volume.shape), volume.periodic, volume.kind, steps, longest)


def fitted_descriptors(
    names: Sequence[str] | None, image_format: ImageFormat, *, masked: bool
) -> tuple[list[ImageDescriptor], tuple[str, ...]]:
    """The descriptors of a volume, and what was left out, in sentences.

    ``names``: those that are wanted; without, the defaults of its kind that can be had.

    Raises
    ------
    InputError : one that was named cannot describe it, or none can. UsageError : unknown name.
    """
    large = int(np.prod(image_format.grid, dtype=object)) > WHOLE_VOXELS
    found: list[ImageDescriptor] = []
    left_out: list[str] = []
    for name in names if names is not None else DESCRIPTORS.names():
        kind = DESCRIPTORS[name]
        if not issubclass(kind, ImageDescriptor):
            if names is None:
                continue
            raise InputError(f"The descriptor '{name}' does not describe images.")
        descriptor = kind()
        if names is None:
            if not kind.default or image_format.kind not in kind.default_kinds:
                continue
            if (large and not kind.by_blocks) or (masked and not kind.masked):
                left_out.append(name)
                continue
        if large and not kind.by_blocks:
            raise _too_large(name, image_format.grid)
        if masked:
            refuse_unmasked(descriptor)
        try:
            found.append(descriptor.fit_format(image_format))
        except InputError:  # too small for this one
            if names is not None:
                raise
    if not found:
        raise InputError(
            "No descriptor can be used here.",
            got=", ".join(left_out) or None,
            hint="see `iceframe list descriptors`, and name some",
        )
    why = "a mask" if not large else "a volume of this size" + (" and a mask" if masked else "")
    notes = (f"Not possible for {why}: {', '.join(left_out)}.",) if left_out else ()
    return found, notes


def describe_volume(
    descriptors: Sequence[ImageDescriptor],
    volume: VolumeSource,
    *,
    block: tuple[int, ...] | None = None,
    progress: Progress | None = None,
) -> list[Representation]:
    """The features of one volume by every descriptor, one row each.

    Parameters
    ----------
    descriptors : fitted to :func:`volume_format`.
    block : voxels along z, y, x that are looked at at once; chosen where not given. It changes the
        memory and the time, not the result.
    progress : called with the number of blocks done and in all.
    """
    known = descriptors[0].format
    if block is not None and (len(block) != 3 or min(block) < 1):
        raise InputError("A block has three sides.", got=block, allowed="for example 128x128x128")
    number = len(known.fields)

    def read(start: tuple[int, ...], stop: tuple[int, ...]) -> tuple[np.ndarray, np.ndarray | None]:
        fields = known.split(volume.read(start, stop)[None, None])[0]
        measured = volume.measured(start, stop)
        return fields, None if measured is None else measured[None]

    tallies: dict[int, Tally] = {
        i: d.tally(number) for i, d in enumerate(descriptors) if d.by_blocks
    }
    halo = max((tally.halo for tally in tallies.values()), default=0)
    size = block or block_size(known.grid, halo, MOST_VOXELS * 3 // max(3, number))
    listed = list(boxes(known.grid, tuple(map(min, size, known.grid))))
    for done, (start, stop) in enumerate(listed):
        here = Block(known.grid, known.periodic, start, stop, read)
        for tally in tallies.values():
            tally.add(here)
        if progress is not None:
            progress(done + 1, len(listed))
    rows = []
    for i, descriptor in enumerate(descriptors):
        if i in tallies:
            values = tallies.pop(i).finish()
        else:
            values = descriptor.describe(volume.read((0, 0, 0), known.grid)[None, None])
        rows.append(represent(values.reshape(1, -1), descriptor.columns(), descriptor.reference))
    return rows


def _too_large(name: str, grid: tuple[int, ...]) -> InputError:
    possible = [n for n, d in DESCRIPTORS.items() if getattr(d, "by_blocks", False)]
    return InputError(
        f"The descriptor '{name}' needs the whole volume in memory: it has no value by blocks.",
        got=" × ".join(map(str, grid)) + " voxels",
        allowed=f"{WHOLE_VOXELS:,} voxels; larger ones by " + ", ".join(possible),
        hint="describe a part, for example --crop 0:256,0:256,0:256, or name other descriptors",
    )
