"""What a descriptor is: named numbers computed from a sample, without looking at its target.

To add one, write one file in ``iceframe/scale/descriptors/``: a subclass of :class:`Descriptor` (or
of :class:`ImageDescriptor`) decorated with ``@DESCRIPTORS.register(name)``. Heavy imports go inside
the methods.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Protocol, Self, runtime_checkable

import numpy as np

from iceframe.core.errors import InputError
from iceframe.core.registry import Registry
from iceframe.core.values import Representation
from iceframe.scale.blocks import Block, Tally
from iceframe.scale.image_format import PHASE_TOLERANCE, ImageFormat, batches

if TYPE_CHECKING:
    from iceframe.core.dataset import Dataset, ImageSource

Need = Literal["columns", "composition", "crystal", "image"]
"""What a descriptor may look at, in the order in which features stand in a table."""

NEEDED: Mapping[Need, str] = {
    "columns": "feature columns",
    "composition": "a composition column",
    "crystal": "crystal structures",
    "image": "images",
}

Progress = Callable[[int, int], None]
"""Called with the number of samples done and the number of samples in all."""


@dataclass(frozen=True)
class Feature:
    """One column of a representation: its name, its unit ("" for a pure number), its family."""

    name: str
    unit: str
    block: str


class Descriptor(ABC):
    """Named features of samples. ``fit`` learns what must stay the same on new data.

    Class attributes
    ----------------
    title : what a person calls it. reference : where it comes from (DOI).
    needs : what a data set must have: plain ``columns``, a ``composition``, a ``crystal`` or an
        ``image``.
    default : whether it is used where the user names no descriptors.
    by_blocks : whether the features of a volume can be gathered from its blocks, so that it need
        not fit into memory. masked : whether pixels that were not measured can be left out.

    Attributes
    ----------
    notes : what the latest ``transform`` met that a person should know, in sentences.
    """

    name: ClassVar[str]
    title: ClassVar[str]
    summary: ClassVar[str]
    reference: ClassVar[str]
    needs: ClassVar[Need]
    default: ClassVar[bool] = True
    by_blocks: ClassVar[bool] = False
    masked: ClassVar[bool] = False

    notes: tuple[str, ...] = ()

    @classmethod
    def suits(cls, data: Dataset) -> bool:
        """Whether this data set has what the descriptor needs."""
        if cls.needs == "columns":
            return bool(data.features)
        if cls.needs == "composition":
            return data.composition is not None
        if cls.needs == "crystal":
            return data.crystals is not None
        return data.images is not None

    @property
    def needed(self) -> str:
        """What a data set must have, in words."""
        return NEEDED[self.needs]

    @classmethod
    def reads(cls, data: Dataset) -> tuple[str, ...]:
        """Columns that it reads the meaning of, so that they are no plain columns beside it."""
        return ()

    @abstractmethod
    def fit(self, data: Dataset) -> Self:
        """Learn categories, elements or the image format from ``data``."""

    @abstractmethod
    def transform(self, data: Dataset) -> Representation:
        """The features of ``data``: float64 ``(n, d)``, NaN where undefined."""

    @abstractmethod
    def state(self) -> dict[str, Any]:
        """What was learned, as JSON values."""

    @classmethod
    @abstractmethod
    def from_state(cls, state: Mapping[str, Any]) -> Self:
        """The fitted descriptor that :meth:`state` described."""

    def missing(self, data: Dataset) -> list[str]:
        """Columns that :meth:`transform` needs and ``data`` lacks."""
        return []


def represent(values: np.ndarray, features: Sequence[Feature], reference: str) -> Representation:
    """A :class:`Representation` of ``values`` ``(n, d)`` with the blocks that ``features`` name."""
    blocks: dict[str, tuple[int, ...]] = {}
    for position, feature in enumerate(features):
        blocks[feature.block] = (*blocks.get(feature.block, ()), position)
    return Representation(
        np.asarray(values, np.float64),
        tuple(f.name for f in features),
        tuple(f.unit for f in features),
        blocks,
        (reference,),
    )


@runtime_checkable
class PartlyMeasured(Protocol):
    """Images that know where they were measured; elsewhere their pixels mean nothing."""

    def measured(self, index: Sequence[int] | np.ndarray) -> np.ndarray:
        """Bool ``(len(index), *grid)``."""
        ...


class ImageDescriptor(Descriptor):
    """Features of images, one scalar field at a time.

    A subclass says which features a field has (:meth:`features`) and measures them
    (:meth:`measure`); reading, phases, channels and storage are done here. ``default_kinds`` names
    the kinds of images for which it is used where the user names no descriptors.

    With ``by_blocks`` or ``masked`` it has a :meth:`tally`.
    """

    needs: ClassVar[Need] = "image"
    default_kinds: ClassVar[tuple[str, ...]] = ("grey", "phase", "multichannel", "orientation")

    format: ImageFormat

    @abstractmethod
    def features(self) -> list[Feature]:
        """The features of one scalar field, given ``self.format``."""

    @abstractmethod
    def measure(self, fields: np.ndarray) -> np.ndarray:
        """Features ``(b, d)`` of scalar fields ``(b, *grid)`` float32; NaN where undefined."""

    def tally(self, number: int) -> Tally:
        """What gathers the features of ``number`` fields from their blocks, one after another."""
        raise NotImplementedError  # by_blocks and masked say where there is one

    def measure_valid(self, fields: np.ndarray, valid: np.ndarray) -> np.ndarray:
        """:meth:`measure` of those pixels only that are ``valid``, bool ``(b, *grid)``.

        Raises
        ------
        InputError : the descriptor has no meaning, or no known value, where pixels are missing.
        """
        refuse_unmasked(self)
        tally = self.tally(len(fields))
        tally.add(Block.whole(fields, self.format.periodic, valid))
        return tally.finish()

    def fit(self, data: Dataset) -> Self:
        """Learn the format of the images."""
        if data.images is None:
            raise InputError(f"The descriptor '{self.name}' needs images.", where=data.name)
        return self.fit_format(ImageFormat.of(data.images))

    def fit_format(self, image_format: ImageFormat) -> Self:
        """Fit to a format that is already known, without reading an image."""
        self.format = image_format
        self.features()  # an image too small for any feature is refused here
        return self

    def columns(self) -> list[Feature]:
        """The features of one image: those of each of its fields."""
        fields, features = self.format.fields, self.features()
        if fields == ("",):
            return features
        return [
            Feature(f"{f.name}, {field}", f.unit, f.block) for field in fields for f in features
        ]

    def describe(self, batch: np.ndarray, valid: np.ndarray | None = None) -> np.ndarray:
        """Features ``(b, d)`` of images ``(b, channels, *grid)``, of the pixels that are valid.

        ``valid``: bool ``(b, *grid)``; all of them where it is not given.
        """
        fields = self.format.split(batch)
        flat = fields.reshape(-1, *fields.shape[2:])
        if valid is None or valid.all():
            found = self.measure(flat)
        else:
            found = self.measure_valid(flat, np.repeat(valid, fields.shape[1], axis=0))
        return np.asarray(found, np.float64).reshape(len(batch), -1)

    def transform(self, data: Dataset) -> Representation:
        """The features of every image: float64 ``(n, d)``."""
        (representation,) = describe_images([self], data)
        return representation

    def state(self) -> dict[str, Any]:
        """The image format."""
        return {"format": asdict(self.format)}

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> Self:
        """The descriptor fitted to a stored image format."""
        held = state["format"]
        return cls().fit_format(
            ImageFormat(
                tuple(int(s) for s in held["shape"]),
                bool(held["periodic"]),
                str(held["kind"]),
                tuple(float(v) for v in held["levels"]),
                held.get("longest"),
            )
        )


def refuse_unmasked(descriptor: ImageDescriptor) -> None:
    """An :class:`InputError` where a descriptor cannot leave out pixels that were not measured."""
    if not descriptor.masked:
        honour = [n for n, d in DESCRIPTORS.items() if d.masked]
        raise InputError(
            f"The descriptor '{descriptor.name}' cannot leave out pixels that were not measured.",
            allowed=", ".join(honour),
            hint="name other descriptors, or cut the images where all pixels are measured",
        )


def describe_images(
    descriptors: Sequence[ImageDescriptor], data: Dataset, progress: Progress | None = None
) -> list[Representation]:
    """The features of all images by every descriptor; each image is read once, in batches.

    Where the images say which pixels were measured, only those are described.
    """
    if data.images is None:
        raise InputError(
            "This data set has no images, and the model looks at images.", where=data.name
        )
    images, n = data.images, len(data.images)
    for descriptor in descriptors:
        _check_format(descriptor.format, images)
    columns = [descriptor.columns() for descriptor in descriptors]
    values = [np.empty((n, len(c))) for c in columns]
    for batch_index in batches(images):
        batch = images.read(batch_index)
        _check_pixels(batch, batch_index, images, descriptors[0].format)
        valid = images.measured(batch_index) if isinstance(images, PartlyMeasured) else None
        for descriptor, table in zip(descriptors, values, strict=True):
            table[batch_index] = descriptor.describe(batch, valid)
        if progress is not None:
            progress(int(batch_index[-1]) + 1, n)
    for descriptor, table in zip(descriptors, values, strict=True):
        descriptor.notes = _undefined(descriptor, table, images.names)
    return [
        represent(table, c, descriptor.reference)
        for descriptor, c, table in zip(descriptors, columns, values, strict=True)
    ]


def _check_format(fitted: ImageFormat, images: ImageSource) -> None:
    if tuple(images.shape) != fitted.shape or images.kind != fitted.kind:
        raise InputError(
            "These images differ in format from those that the model was fitted on.",
            where=images.names[0] if len(images) else None,
            got=f"{images.kind}, channels and size {tuple(images.shape)}",
            allowed=f"{fitted.kind}, channels and size {fitted.shape}",
            hint="read them with the same size and fit as before",
        )


def _check_pixels(
    batch: np.ndarray, index: np.ndarray, images: ImageSource, fitted: ImageFormat
) -> None:
    good = np.isfinite(batch)
    if fitted.levels:
        good &= np.any([np.abs(batch - v) <= PHASE_TOLERANCE for v in fitted.levels], axis=0)
    bad = index[~good.reshape(len(batch), -1).all(axis=1)]
    if len(bad):
        known = ", ".join(f"{v:g}" for v in fitted.levels)
        raise InputError(
            "Images hold pixel values that cannot be used.",
            where=", ".join(images.names[i] for i in bad[:5]),
            allowed=f"{known} (the phases seen before)" if known else "finite numbers",
        )


def _undefined(
    descriptor: Descriptor, values: np.ndarray, names: tuple[str, ...]
) -> tuple[str, ...]:
    rows = np.flatnonzero(np.isnan(values).any(axis=1))
    if not len(rows):
        return ()
    named = ", ".join(names[i] for i in rows[:3]) + (", …" if len(rows) > 3 else "")
    return (
        f"Some '{descriptor.name}' features are undefined for {len(rows)} of {len(values)} images "
        f"(see the descriptor): {named}.",
    )


DESCRIPTORS: Registry[type[Descriptor]] = Registry("descriptor", "iceframe.scale.descriptors")
