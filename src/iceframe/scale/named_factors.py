"""Named factors of images, measured on the images themselves, for encoders that need some.

Segmented images: the volume fraction of each phase (of two phases, the second) and its correlation
length along each axis. Others: mean and standard deviation of the grey level of each channel, and
the correlation lengths. References: see the descriptors ``two_point`` and ``intensity``.
"""

from __future__ import annotations

import numpy as np

from iceframe.core.dataset import Dataset, ImageSource
from iceframe.core.errors import InputError
from iceframe.core.values import Representation

FRACTIONS = ("volume fraction",)
LEVELS = ("mean grey level", "standard deviation of grey level")
LENGTHS = ("correlation length along",)


def named_factors(images: ImageSource, most: int) -> Representation:
    """At most ``most`` factors ``(n, k)``, float64, finite, none of them constant.

    What is undefined for an image (the correlation length of a constant one) is the median of the
    others'. Fractions and grey levels come before lengths.

    Raises
    ------
    InputError : no factor varies.
    """
    import pandas as pd

    from iceframe.scale.descriptor import DESCRIPTORS, ImageDescriptor, describe_images

    data = Dataset(pd.DataFrame(index=range(len(images))), images=images)
    used = ("two_point",) if images.kind == "phase" else ("intensity", "two_point")
    descriptors = [DESCRIPTORS[name]().fit(data) for name in used]
    parts = describe_images([d for d in descriptors if isinstance(d, ImageDescriptor)], data)
    names = [name for part in parts for name in part.names]
    units = [unit for part in parts for unit in part.units]
    values = np.hstack([part.values for part in parts])
    chosen = [
        j
        for family in (FRACTIONS, LEVELS, LENGTHS)
        for j, name in enumerate(names)
        if name.startswith(family) and _varies(values[:, j])
    ][:most]
    if not chosen:
        raise InputError(
            "None of the descriptors that could name a latent varies between these images.",
            where=images.names[0],
            hint="name factors of your own, or use an encoder that needs none",
        )
    picked = values[:, chosen]
    middle = np.nanmedian(picked, axis=0)
    return Representation(
        np.where(np.isfinite(picked), picked, middle),
        tuple(names[j] for j in chosen),
        tuple(units[j] for j in chosen),
        references=tuple(r for part in parts for r in part.references),
    )


def _varies(column: np.ndarray) -> bool:
    known = column[np.isfinite(column)]
    return len(known) > 0 and np.ptp(known) > 1e-9 * np.abs(known).max()
