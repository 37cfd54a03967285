"""What an encoder is: a few numbers learned from images, that stand for an image.

``fit`` learns from images alone (or, where the encoder says so, with named factors beside them);
``encode`` maps an image to ``d`` latents; ``decode``, where it exists, maps latents back to images.

To add one, write one file in ``iceframe/scale/encoders/``: a subclass of :class:`Encoder` (or of
:class:`~iceframe.scale.encoders._network.NetworkEncoder`, which trains a torch network) decorated
with ``@ENCODERS.register(name)``. Heavy imports go inside the methods. Reference for the idea:
Bengio, Courville & Vincent 2013, https://doi.org/10.1109/TPAMI.2013.50.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np

from iceframe.core.dataset import ArrayImages, ImageSource
from iceframe.core.errors import InputError, UsageError
from iceframe.core.registry import Registry
from iceframe.scale.image_format import PHASE_TOLERANCE, ImageFormat

if TYPE_CHECKING:
    import pandas as pd
    from torch import nn

    from iceframe.core.values import Representation

Progress = Callable[[int, int], None]
"""Called with the number of images done and the number of images in all."""

TrainingProgress = Callable[[int, int, float], None]
"""Called with the epoch (from 1), the number of epochs, and the loss on held-out images."""

LEAST_SAMPLES = 10
"""With fewer images nothing can be held out to stop training by."""

LEAST_SIDE = 4
"""Pixels along an axis below which there is nothing to coarsen."""

KINDS = ("phase", "grey", "multichannel", "orientation")

RESTORE = "restore the encoder's folder from a copy, or fit it again"


class Encoder(ABC):
    """Latents of images.

    Class attributes
    ----------------
    title : what a person calls it. reference : where it comes from (DOI).
    decodes : whether :meth:`decode` exists.
    uses_factors : whether ``fit`` needs named factors beside the images.
    pretrained : whether it comes with weights, and learns nothing from the images.

    Attributes
    ----------
    format_ : the format of the images it was fitted on.
    """

    name: ClassVar[str]
    title: ClassVar[str]
    summary: ClassVar[str]
    reference: ClassVar[str]
    decodes: ClassVar[bool] = False
    uses_factors: ClassVar[bool] = False
    pretrained: ClassVar[bool] = False

    format_: ImageFormat

    @classmethod  # noqa: B027
    def check_images(cls, shape: tuple[int, ...]) -> None:
        """Raise an ``InputError`` where images ``(channels, *grid)`` can never be encoded."""

    @abstractmethod
    def settings(self) -> dict[str, Any]:
        """The constructor's arguments, as JSON values."""

    @abstractmethod
    def fit(
        self,
        images: ImageSource | np.ndarray,
        factors: Representation | None = None,
        *,
        kind: str = "grey",
        periodic: bool = False,
        progress: TrainingProgress | None = None,
    ) -> Self:
        """Learn from images.

        Parameters
        ----------
        images : an image source, or an array ``(n, channels, *grid)`` of finite numbers whose
            ``kind`` and ``periodic`` are said beside it (a source says them itself).
        factors : named numbers ``(n, k)`` of the same samples, for encoders that use them.
        progress : called after every epoch.

        Raises
        ------
        InputError : too few or too small images, NaN, or all images one and the same constant.
        UsageError : factors that are missing or not used, or a setting out of range.
        """

    @abstractmethod
    def encode(
        self, images: ImageSource | np.ndarray, progress: Progress | None = None
    ) -> np.ndarray:
        """Latents ``(n, d)``, float64, of images in the format seen at ``fit``.

        An array is taken to be of the kind seen at ``fit``. The latents of an image do not depend
        on the images beside it. Every image has some: a constant one, and one of a single phase,
        too.

        Raises
        ------
        InputError : images of another size, channel count or kind, or pixels that are NaN or no
            phase seen at ``fit``.
        """

    def decode(self, latents: np.ndarray) -> np.ndarray:
        """Images ``(n, channels, *grid)``, float32, that latents ``(n, d)`` stand for.

        Grey levels and two phases: the expected pixel value. More phases: the most probable one.

        Raises
        ------
        UsageError : this encoder has no decoder.
        InputError : latents of another number, or not finite.
        """
        able = [name for name, entry in ENCODERS.items() if entry.decodes]
        raise UsageError(
            f"The encoder '{self.name}' has no decoder.", allowed=", ".join(able) or None
        )

    @property
    @abstractmethod
    def names(self) -> tuple[str, ...]:
        """Names of the latents ``(d,)``."""

    @abstractmethod
    def state(self) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
        """What was learned, besides the image format: arrays and JSON values."""

    @abstractmethod
    def restore(self, arrays: Mapping[str, np.ndarray], values: Mapping[str, Any]) -> None:
        """Become the fitted encoder that gave this state; ``format_`` is set already."""

    def trunk_for_tuning(self) -> nn.Module:
        """A copy of the network that encodes, to be trained further on labels.

        It maps images ``(n, fields, *grid)`` to the latents ``(n, d)`` that :meth:`encode` gives.
        They are reduced by the attribute ``factor_`` and standardised with ``centre_`` and
        ``width_`` before, where the encoder has these. It is differentiable, and in evaluation
        mode samples do not mix.

        Raises
        ------
        UsageError : this encoder is no network.
        """
        raise UsageError(f"The encoder '{self.name}' is no network that could be tuned.")

    def whole_state(self) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
        """Everything that :meth:`from_state` needs: arrays and JSON values."""
        self.require_fitted()
        arrays, values = self.state()
        held = {
            "encoder": self.name,
            "settings": self.settings(),
            "format": asdict(self.format_),
            "latents": list(self.names),
            "fitted": values,
        }
        return arrays, held

    def save(self, folder: Path) -> None:
        """Store the fitted encoder in ``folder`` as safetensors and JSON."""
        from iceframe.scale.storage import save_state

        save_state(*self.whole_state(), folder)

    @staticmethod
    def load(folder: Path) -> Encoder:
        """The encoder that :meth:`save` stored, of whatever class it was; executes nothing stored.

        Raises
        ------
        InputError : files that are missing, damaged, or do not belong together.
        UsageError : an encoder that is not registered here.
        """
        from iceframe.scale.storage import load_state

        return Encoder.from_state(*load_state(folder), where=folder)

    @staticmethod
    def from_state(
        arrays: Mapping[str, np.ndarray], values: Mapping[str, Any], where: Path | None = None
    ) -> Encoder:
        """The encoder that gave :meth:`whole_state`; ``where`` it was stored, for messages.

        Raises
        ------
        InputError : arrays and values that do not belong together.
        UsageError : an encoder that is not registered here.
        """
        name = values.get("encoder")
        if not isinstance(name, str):
            raise InputError("This is not a stored encoder.", where=where, hint=RESTORE)
        kind = ENCODERS[name]
        try:
            encoder = kind(**values["settings"])
            encoder.format_ = _format_from(values["format"])
            encoder.restore(arrays, values["fitted"])
            if list(encoder.names) != values["latents"]:
                raise ValueError("the names of the latents differ")
        except (
            ArithmeticError,
            AttributeError,
            IndexError,
            KeyError,
            RuntimeError,
            TypeError,
            ValueError,
            UsageError,
        ) as error:
            reason = str(error).splitlines()
            raise InputError(
                "This stored encoder is damaged: its parts do not belong together.",
                where=where,
                got=f"{type(error).__name__}: {reason[0] if reason else ''}",
                hint=RESTORE,
            ) from error
        return encoder

    def require_fitted(self) -> None:
        """Refuse to go on without a fit."""
        if not hasattr(self, "format_"):
            raise UsageError(f"The encoder '{self.name}' is not fitted.", hint="call fit first")


def _format_from(held: Mapping[str, Any]) -> ImageFormat:
    return ImageFormat(
        tuple(int(side) for side in held["shape"]),
        bool(held["periodic"]),
        str(held["kind"]),
        tuple(float(level) for level in held["levels"]),
    )


def as_images(images: ImageSource | np.ndarray, kind: str, periodic: bool) -> ImageSource:
    """``images`` as a source; an array ``(n, channels, *grid)`` gets the kind that is said.

    Raises
    ------
    InputError : an array of another shape, or of something else than numbers.
    UsageError : an unknown kind.
    """
    if isinstance(images, ImageSource):
        return images
    if kind not in KINDS:
        raise UsageError("Unknown kind of image.", got=kind, allowed=", ".join(KINDS))
    values = np.asarray(images)
    if values.ndim not in (4, 5) or values.dtype.kind not in "fiub" or 0 in values.shape[1:]:
        raise InputError(
            "Images must be numbers (n, channels, *grid).", got=(values.shape, str(values.dtype))
        )
    return ArrayImages(values, periodic, kind)


def format_to_fit(images: ImageSource) -> ImageFormat:
    """The format of the images to learn from.

    Raises
    ------
    InputError : too few of them, or too small.
    """
    if len(images) < LEAST_SAMPLES:
        raise InputError(
            "There are too few images to learn an encoding from.",
            got=len(images),
            allowed=f"at least {LEAST_SAMPLES}, better some hundred",
            hint="add images, or use descriptors, which need no training",
        )
    if min(images.shape[1:]) < LEAST_SIDE:
        raise InputError(
            "These images are too small to encode.",
            got=tuple(images.shape[1:]),
            allowed=f"at least {LEAST_SIDE} pixels along every axis",
        )
    return ImageFormat.of(images)


def check_format(fitted: ImageFormat, images: ImageSource) -> None:
    """Refuse images of another size, channel count or kind than those of ``fit``."""
    if tuple(images.shape) != fitted.shape or images.kind != fitted.kind:
        raise InputError(
            "These images differ in format from those that the encoder was fitted on.",
            where=images.names[0] if len(images) else None,
            got=f"{images.kind}, channels and size {tuple(images.shape)}",
            allowed=f"{fitted.kind}, channels and size {fitted.shape}",
            hint="read them with the same size, or fit an encoder on images like these",
        )


@dataclass(frozen=True)
class Fields:
    """The scalar fields of a source's images as a source: an indicator for each phase (of two
    phases, the second), or each channel. Unusable pixels are an :class:`InputError` when read."""

    source: ImageSource
    format: ImageFormat

    @property
    def shape(self) -> tuple[int, ...]:
        return (len(self.format.fields), *self.format.grid)

    @property
    def names(self) -> tuple[str, ...]:
        return self.source.names

    @property
    def periodic(self) -> bool:
        return self.format.periodic

    @property
    def kind(self) -> str:
        return self.format.kind

    @property
    def fingerprint(self) -> str:
        return self.source.fingerprint

    def __len__(self) -> int:
        return len(self.source)

    def read(self, index: Sequence[int] | np.ndarray) -> np.ndarray:
        """Fields ``(len(index), fields, *grid)``, float32."""
        pixels = np.asarray(self.source.read(index), np.float32)
        good = np.isfinite(pixels)
        levels = [v for v in self.format.levels if np.isfinite(v)]  # found before looking closely
        if levels:
            good &= np.any([np.abs(pixels - v) <= PHASE_TOLERANCE for v in levels], axis=0)
        bad = np.flatnonzero(~good.reshape(len(pixels), -1).all(axis=1))
        if len(bad):
            known = ", ".join(f"{v:g}" for v in levels)
            raise InputError(
                "Images hold pixel values that cannot be encoded.",
                where=", ".join(self.names[int(np.asarray(index)[i])] for i in bad[:5]),
                allowed=f"{known} (the phases seen at fit)" if known else "finite numbers",
            )
        return self.format.split(pixels)

    def metadata(self) -> pd.DataFrame:
        return self.source.metadata()

    def take(self, index: Sequence[int] | np.ndarray) -> Fields:
        return Fields(self.source.take(index), self.format)


ENCODERS: Registry[type[Encoder]] = Registry("encoder", "iceframe.scale.encoders")
