"""From a data set to one table of named features, by several descriptors at once.

What the descriptors learned (categories, elements, the image format) is a JSON value, so that a
stored model describes new samples exactly as those it was fitted on.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Self, get_args

import numpy as np

from iceframe.core.dataset import Dataset
from iceframe.core.errors import InputError
from iceframe.core.values import Representation
from iceframe.scale.descriptor import (
    DESCRIPTORS,
    Descriptor,
    ImageDescriptor,
    Need,
    Progress,
    describe_images,
)
from iceframe.scale.image_format import ImageFormat


class Representer:
    """Describe samples by named features.

    Parameters
    ----------
    names : descriptors to use; by default all default ones that the data set has the inputs for.

    Attributes
    ----------
    notes : what the latest ``transform`` met that a person should know, in sentences.

    Examples
    --------
    >>> import pandas as pd
    >>> table = pd.DataFrame({"time": [1.0, 2.0], "route": ["cast", "rolled"]}, index=["a", "b"])
    >>> data = Dataset(table, features=("time", "route"), units={"time": "h"})
    >>> representation = Representer().fit(data).transform(data)
    >>> representation.names, representation.units
    (('time', 'route = cast', 'route = rolled'), ('h', '', ''))
    >>> representation.values.tolist()
    [[1.0, 1.0, 0.0], [2.0, 0.0, 1.0]]
    """

    def __init__(self, names: Sequence[str] | None = None) -> None:
        self.names = tuple(names) if names is not None else None
        self.notes: tuple[str, ...] = ()

    def fit(self, data: Dataset, progress: Progress | None = None) -> Self:
        """Choose the descriptors and let each learn from ``data``.

        Raises
        ------
        UsageError : an unknown descriptor. InputError : nothing that could be described.
        """
        names = default_names(data) if self.names is None else self.names
        self.descriptors_: list[Descriptor] = []
        image_format: ImageFormat | None = None
        read = {column for name in names for column in DESCRIPTORS[name].reads(data)}
        plain = replace(data, features=tuple(c for c in data.features if c not in read))
        for name in names:
            descriptor = DESCRIPTORS[name]()
            if not descriptor.suits(data):
                raise InputError(
                    f"The descriptor '{name}' needs {descriptor.needed}.", where=data.name
                )
            if isinstance(descriptor, ImageDescriptor) and data.images is not None:
                image_format = image_format or ImageFormat.of(data.images)
                try:
                    descriptor.fit_format(image_format)
                except InputError:  # too small for this one: the others are described
                    if self.names is not None:
                        raise
                    continue
            elif descriptor.needs == "columns" and not descriptor.reads(data):
                if not plain.features:  # others have read them all
                    continue
                descriptor.fit(plain)
            else:
                descriptor.fit(data)
            self.descriptors_.append(descriptor)
        if not self.descriptors_:
            raise InputError(
                "The images are too small for every descriptor.",
                where=data.name,
                got=" × ".join(map(str, image_format.grid)) if image_format else None,
                hint="give larger images, or name descriptors",
            )
        if progress is not None:
            progress(len(data), len(data))
        return self

    def transform(self, data: Dataset, progress: Progress | None = None) -> Representation:
        """The features of ``data``, which needs no target: float64 ``(n, d)``, NaN where undefined.

        Raises
        ------
        InputError : columns, compositions or images that the model needs are not there, or hold
            what cannot be read.
        """
        absent = [column for d in self.descriptors_ for column in d.missing(data)]
        if absent:
            raise InputError(
                "Columns that the model needs are missing.",
                where=data.source or data.name,
                got=", ".join(map(str, data.table.columns)) or "no columns",
                allowed=", ".join(dict.fromkeys(absent)),
                hint="add these columns under these names",
            )
        of_images = [d for d in self.descriptors_ if isinstance(d, ImageDescriptor)]
        pending = iter(describe_images(of_images, data, progress) if of_images else ())
        parts = [
            next(pending) if isinstance(d, ImageDescriptor) else d.transform(data)
            for d in self.descriptors_
        ]
        self.notes = tuple(note for d in self.descriptors_ for note in d.notes)
        return side_by_side(parts, len(data))

    def state(self) -> dict[str, Any]:
        """What was chosen and learned, as JSON values."""
        return {
            "version": 1,
            "descriptors": [{"name": d.name, "state": d.state()} for d in self.descriptors_],
        }

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> Self:
        """The fitted representer that :meth:`state` described.

        Raises
        ------
        InputError : the state was edited or written by a newer version.
        """
        try:
            if state["version"] != 1:
                raise ValueError(f"version {state['version']}")
            held = [(str(entry["name"]), entry["state"]) for entry in state["descriptors"]]
            representer = cls([name for name, _ in held])
            representer.descriptors_ = [DESCRIPTORS[name].from_state(s) for name, s in held]
        except (KeyError, TypeError, ValueError) as error:
            raise InputError(
                "The stored representation cannot be read.",
                got=str(error),
                hint="it was edited or written by a newer version; run again",
            ) from error
        return representer


def default_names(data: Dataset) -> tuple[str, ...]:
    """The default descriptors that ``data`` has the inputs for: columns, composition, crystals,
    images.

    Raises
    ------
    InputError : there is nothing to describe.
    """
    order = get_args(Need)
    chosen = [(order.index(d.needs), name) for name, d in DESCRIPTORS.items() if _used(d, data)]
    if not chosen:
        raise InputError(
            "There is nothing to describe: no columns, compositions, crystals or images.",
            where=data.source or data.name,
            hint="check which columns were taken as target, id and groups",
        )
    return tuple(name for _, name in sorted(chosen))


def descriptors_named(names: Sequence[str] | None, data: Dataset) -> tuple[str, ...] | None:
    """The descriptors that a person asked for, each once; ``default`` stands for the default ones.

    Raises
    ------
    UsageError : an unknown descriptor.
    """
    if names is None:
        return None
    found: list[str] = []
    for name in names:
        found += default_names(data) if name == "default" else [name]
    for name in found:
        DESCRIPTORS[name]
    return tuple(dict.fromkeys(found))


def _used(descriptor: type[Descriptor], data: Dataset) -> bool:
    if issubclass(descriptor, ImageDescriptor) and data.images is not None:
        return descriptor.default and data.images.kind in descriptor.default_kinds
    return descriptor.default and descriptor.suits(data)


def side_by_side(parts: Sequence[Representation], n: int) -> Representation:
    """The columns of all ``parts``, which describe the same ``n`` samples, in one table."""
    names: list[str] = []
    units: list[str] = []
    blocks: dict[str, tuple[int, ...]] = {}
    for part in parts:
        for block, positions in part.blocks.items():
            shifted = tuple(len(names) + p for p in positions)
            blocks[block] = (*blocks.get(block, ()), *shifted)
        names += part.names
        units += part.units
    values = np.hstack([part.values for part in parts]) if parts else np.empty((n, 0))
    return Representation(
        values,
        _distinct(names, blocks),
        tuple(units),
        blocks,
        tuple(dict.fromkeys(reference for part in parts for reference in part.references)),
    )


def _distinct(names: Sequence[str], blocks: Mapping[str, tuple[int, ...]]) -> tuple[str, ...]:
    """Names of which no two are equal: a repeated one is followed by its block."""
    block_of = {position: block for block, positions in blocks.items() for position in positions}
    seen: set[str] = set()
    result = []
    for position, name in enumerate(names):
        unique, count = name, 1
        while unique in seen:
            unique = f"{name} [{block_of[position]}{'' if count == 1 else f' {count}'}]"
            count += 1
        seen.add(unique)
        result.append(unique)
    return tuple(result)
