"""A data set: a table of samples with roles for its columns, crystals, and images that stay on
disk."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, Protocol, runtime_checkable

import numpy as np
import pandas as pd

from iceframe.core.crystals import Crystals
from iceframe.core.hashing import content_hash
from iceframe.core.values import Law, Sample, Task


@runtime_checkable
class ImageSource(Protocol):
    """Images of one common shape, read in batches.

    ``shape`` is ``(channels, height, width)`` or ``(channels, depth, height, width)``; ``names``
    holds one file name an image; ``periodic`` tells whether opposite edges meet; ``fingerprint``
    is a content hash of all pixels as they will be read.
    """

    @property
    def shape(self) -> tuple[int, ...]: ...
    @property
    def names(self) -> tuple[str, ...]: ...
    @property
    def periodic(self) -> bool: ...
    @property
    def kind(self) -> str: ...
    @property
    def fingerprint(self) -> str: ...

    def __len__(self) -> int: ...

    def read(self, index: Sequence[int] | np.ndarray) -> np.ndarray:
        """Images at ``index`` as float32 ``(len(index), *shape)``, grey levels in [0, 1]."""
        ...

    def metadata(self) -> pd.DataFrame:
        """One row an image, without looking at the material: size, file size, mode, …"""
        ...

    def take(self, index: Sequence[int] | np.ndarray) -> ImageSource: ...


@runtime_checkable
class SupervisedImages(Protocol):
    """Images that also know how the target depends on every pixel, as simulated ones may."""

    @property
    def supervised(self) -> bool: ...

    def gradients(self, index: Sequence[int] | np.ndarray) -> np.ndarray:
        """Derivatives of the target to the pixels at ``index``: float32 ``(len(index), *shape)``.

        In the target's unit, per unit of what :meth:`ImageSource.read` returns.
        """
        ...


@dataclass(frozen=True)
class ArrayImages:
    """Images in memory: float32 ``(n, channels, *grid)``, for simulations and tests.

    ``derivatives``, shaped like ``values``: of the target to every pixel, where they are known.

    Examples
    --------
    >>> images = ArrayImages(np.zeros((3, 1, 4, 4), np.float32))
    >>> len(images), images.shape, images.take([0, 2]).names
    (3, (1, 4, 4), ('image0', 'image2'))
    """

    values: np.ndarray
    periodic: bool = False
    kind: str = "grey"
    names: tuple[str, ...] = ()
    derivatives: np.ndarray | None = None

    def __post_init__(self) -> None:
        if self.values.ndim not in (4, 5):
            raise ValueError(f"expected (n, channels, *grid), got shape {self.values.shape}")
        if self.derivatives is not None and self.derivatives.shape != self.values.shape:
            raise ValueError(f"derivatives {self.derivatives.shape} of {self.values.shape}")
        if not self.names:
            object.__setattr__(self, "names", tuple(f"image{i}" for i in range(len(self.values))))

    @property
    def shape(self) -> tuple[int, ...]:
        return tuple(self.values.shape[1:])

    @property
    def supervised(self) -> bool:
        return self.derivatives is not None

    def gradients(self, index: Sequence[int] | np.ndarray) -> np.ndarray:
        if self.derivatives is None:
            raise ValueError("these images have no derivatives")
        return np.asarray(self.derivatives[np.asarray(index, int)], np.float32)

    @cached_property
    def fingerprint(self) -> str:
        parts = [self.values] if self.derivatives is None else [self.values, self.derivatives]
        return content_hash(*parts)

    def __len__(self) -> int:
        return len(self.values)

    def read(self, index: Sequence[int] | np.ndarray) -> np.ndarray:
        return np.asarray(self.values[np.asarray(index, int)], np.float32)

    def metadata(self) -> pd.DataFrame:
        return pd.DataFrame(index=range(len(self)))

    def take(self, index: Sequence[int] | np.ndarray) -> ArrayImages:
        index = np.asarray(index, int)
        return ArrayImages(
            self.values[index],
            self.periodic,
            self.kind,
            tuple(self.names[i] for i in index),
            None if self.derivatives is None else self.derivatives[index],
        )


@dataclass(frozen=True)
class Dataset:
    """A table of samples.

    ``table`` is indexed by unique sample ids (strings). ``features`` are the plain columns that a
    model may use; ``composition`` names a formula column; ``images`` and ``crystals`` are aligned
    with the rows.
    ``groups`` maps a role (``specimen``, ``material_class``, or a user's own) to a column.
    ``layout`` tells how it was stored (``table``, ``matbench``, ``image-folder``, ``arrays``).
    ``recipe`` holds the options that read it, so that a run can read it again. ``law`` is the
    physics that makes the target from the phases of the images, where it is known.
    """

    table: pd.DataFrame
    target: str | None = None
    task: Task | None = None
    features: tuple[str, ...] = ()
    composition: str | None = None
    images: ImageSource | None = None
    groups: Mapping[str, str] = field(default_factory=dict)
    units: Mapping[str, str] = field(default_factory=dict)
    name: str = "data"
    source: str = ""
    layout: str = "table"
    notes: tuple[str, ...] = ()
    recipe: Mapping[str, Any] = field(default_factory=dict)
    law: Law | None = None
    crystals: Crystals | None = None

    def __post_init__(self) -> None:
        for what, held in (("images", self.images), ("crystals", self.crystals)):
            if held is not None and len(held) != len(self.table):
                raise ValueError(f"{len(held)} {what} for {len(self.table)} rows")

    def __len__(self) -> int:
        return len(self.table)

    @property
    def ids(self) -> np.ndarray:
        """Sample ids ``(n,)``."""
        return self.table.index.to_numpy(dtype=object)

    @cached_property
    def classes(self) -> tuple[str, ...]:
        """Sorted class names; empty for a regression."""
        if self.task != "classification" or self.target is None:
            return ()
        return tuple(sorted(self.table[self.target].astype(str).unique()))

    @cached_property
    def y(self) -> np.ndarray:
        """The target: float64 ``(n,)``, or class names ``(n,)`` (str) for a classification."""
        if self.target is None:
            raise ValueError("this data set has no target")
        column = self.table[self.target]
        if self.task == "classification":
            return column.astype(str).to_numpy(dtype=str)
        return column.to_numpy(dtype=float)

    @cached_property
    def fingerprint(self) -> str:
        """Provenance: a hash of everything a model could see."""
        images = self.images.fingerprint if self.images is not None else ""
        roles = [self.target, self.task, self.features, self.composition, dict(self.groups)]
        crystals = [] if self.crystals is None else [self.crystals.fingerprint]
        return content_hash(self.table.astype(str), roles, images, *crystals)

    def take(self, index: Sequence[int] | np.ndarray) -> Dataset:
        """The samples at positions ``index``."""
        index = np.asarray(index, int)
        images = self.images.take(index) if self.images is not None else None
        crystals = self.crystals.take(index) if self.crystals is not None else None
        return replace(self, table=self.table.iloc[index], images=images, crystals=crystals)

    def sample(self, position: int) -> Sample:
        """One sample as a value."""
        row = self.table.iloc[position]
        modalities: dict[str, Any] = {}
        if self.images is not None:
            modalities["image"] = self.images.names[position]
        if self.crystals is not None:
            modalities["crystal"] = self.crystals.take([position])
        if self.composition is not None:
            modalities["composition"] = row[self.composition]
        properties = {}
        if self.target is not None and self.target in row.index:  # new samples have none
            properties[self.target] = row[self.target]
        return Sample(
            id=str(self.table.index[position]),
            modalities=modalities,
            conditions={name: row[name] for name in self.features},
            properties=properties,
            specimen=_role(row, self.groups, "specimen"),
            material_class=_role(row, self.groups, "material_class"),
        )


def _role(row: pd.Series, groups: Mapping[str, str], role: str) -> str | None:
    return str(row[groups[role]]) if role in groups else None
