"""A pre-trained encoder for micrographs: it travels with the package, and nothing is learned here.

Its network (:mod:`iceframe.scale.micrograph_network`) was trained once, on structures of this
package's own generators rendered as micrographs (:mod:`iceframe.physics.imaging`), to tell which
generator made a structure, with which factors, what its correlations are, and which two pictures
show the same structure. No real image was used. The model card, ``docs/reference/
micrograph-encoder.md``, says how, and where its limits are; ``scripts/pretrain_micrographs.py``
makes the weights again.

The network sees one plane of grey levels. Phases become grey levels in the order of their pixel
values, evenly spaced; channels are averaged. Each picture is standardised by itself, so brightness
and contrast make no difference.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np

from iceframe.core.errors import InputError, UsageError
from iceframe.scale.encoder import (
    ENCODERS,
    Encoder,
    Fields,
    Progress,
    TrainingProgress,
    as_images,
    check_format,
)

if TYPE_CHECKING:
    from torch import Tensor, nn

    from iceframe.core.dataset import ImageSource
    from iceframe.core.values import Representation
    from iceframe.scale.image_format import ImageFormat
    from iceframe.scale.micrograph_network import MicrographNetwork

LEAST_SIDE = 32
"""Pixels along an axis below which the coarsest stage has nothing to compare."""

LARGEST_SIDE = 1024
"""Pixels along an axis above which images are reduced, unless a factor is set."""

BATCH_PIXELS = 2**20
"""Pixels that go through the network at once; its widest layer holds ten times as many numbers."""

LARGEST_BATCH = 64
WEIGHT = "weight:"


@ENCODERS.register("micrographs")
@dataclass(kw_only=True, eq=False)
class Micrographs(Encoder):
    """The pre-trained micrograph encoder.

    Parameters
    ----------
    factor : whole factor by which images are reduced (default: 1 up to 1024 pixels a side, beyond
        that the smallest that brings them there and leaves 32 pixels along the shorter side). It
        sets the magnification that the network sees.
    device : auto (CUDA where there is one), cpu, cuda, ….

    Attributes
    ----------
    factor_ : the factor in use. centre_, width_ : what fields are standardised by before the
        trunk; nothing, as the network standardises each picture by itself.
    """

    name = "micrographs"
    title = "Pre-trained micrograph encoder"
    summary = "Latents of a network trained on simulated micrographs; nothing is learned anew."
    reference = "He et al. 2016, https://doi.org/10.1109/CVPR.2016.90"
    pretrained: ClassVar[bool] = True

    factor: int | None = None
    device: str = "auto"

    def settings(self) -> dict[str, Any]:
        return {field.name: getattr(self, field.name) for field in fields(self)}

    @property
    def names(self) -> tuple[str, ...]:
        self.require_fitted()
        return tuple(f"latent {i + 1}" for i in range(self.network_.axes.out_features))

    def fit(
        self,
        images: ImageSource | np.ndarray,
        factors: Representation | None = None,
        *,
        kind: str = "grey",
        periodic: bool = False,
        progress: TrainingProgress | None = None,
    ) -> Self:
        """Note the format of the images; one image is enough.

        Raises
        ------
        InputError : volumes, images below 32 pixels a side, or no image at all.
        UsageError : factors, which are not used, or a setting out of range.
        """
        from iceframe.scale.image_format import ImageFormat

        vars(self).pop("format_", None)  # a fit that fails leaves nothing half fitted
        if factors is not None:
            raise UsageError(
                f"The encoder '{self.name}' learns nothing from the images or beside them.",
                got="factors: " + ", ".join(factors.names),
                hint="leave the factors out, or use the encoder 'aligned_vae'",
            )
        source = as_images(images, kind, periodic)
        if not len(source):
            raise InputError("There is no image to learn the format from.")
        self.check_images(tuple(source.shape))
        found = ImageFormat.of(source)
        Fields(source, found).read([0])  # pixels that are no numbers are told now
        return self.for_format(found)

    def for_format(self, found: ImageFormat) -> Self:
        """Be ready for images of a format that is already known.

        Raises
        ------
        InputError : volumes, or images below 32 pixels a side.
        """
        self.check_images(found.shape)
        self._prepare(found, packaged_weights())
        self.format_ = found
        return self

    def encode(
        self, images: ImageSource | np.ndarray, progress: Progress | None = None
    ) -> np.ndarray:
        import torch

        from iceframe.scale.image_batches import reduce
        from iceframe.scale.training import isolated

        self.require_fitted()
        source = as_images(images, self.format_.kind, self.format_.periodic)
        check_format(self.format_, source)
        read, n = Fields(source, self.format_), len(source)
        trunk = self.trunk_for_tuning()
        pixels = math.prod(self.format_.grid)
        size = max(1, min(LARGEST_BATCH, BATCH_PIXELS // pixels))
        device = next(trunk.parameters()).device
        latents = np.empty((n, len(self.names)))
        with isolated(0, device), torch.inference_mode():
            for start in range(0, n, size):
                index = np.arange(start, min(start + size, n))
                x = reduce(torch.tensor(read.read(index)), self.factor_).to(device)
                latents[index] = trunk(x).cpu().numpy()
                if progress is not None:
                    progress(int(index[-1]) + 1, n)
        return latents

    def trunk_for_tuning(self) -> nn.Module:
        import copy

        from torch import nn

        self.require_fitted()
        network = copy.deepcopy(self.network_)
        trunk = nn.Sequential(_grey(self.format_), network).eval()
        return trunk.to(next(network.parameters()).device)

    def state(self) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
        """The weights, too: what was stored stays the same when the package's weights change."""
        weights = {
            WEIGHT + name: value.cpu().numpy() for name, value in self.network_.state_dict().items()
        }
        return weights, {"factor": self.factor_}

    def restore(self, arrays: Mapping[str, np.ndarray], values: Mapping[str, Any]) -> None:
        held = {k.removeprefix(WEIGHT): v for k, v in arrays.items() if k.startswith(WEIGHT)}
        self._prepare(self.format_, held)
        if self.factor_ != int(values["factor"]):
            raise ValueError("the factor does not fit the image format")

    def _prepare(self, found: ImageFormat, weights: Mapping[str, np.ndarray]) -> None:
        import torch

        from iceframe.scale.training import resolve_device

        factor = self.factor
        if factor is None:
            wanted = math.ceil(max(found.grid) / LARGEST_SIDE)
            factor = max(1, min(wanted, min(found.grid) // LEAST_SIDE))
        if factor < 1 or factor != int(factor) or min(found.grid) // factor < LEAST_SIDE:
            raise UsageError(
                "This value of 'factor' cannot be used.",
                where=f"encoder '{self.name}'",
                got=self.factor,
                allowed=f"a whole number that leaves {LEAST_SIDE} pixels along every axis",
            )
        network = _network(weights).to(resolve_device(self.device))
        self.network_ = network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.factor_ = int(factor)
        self.centre_, self.width_ = np.zeros(len(found.fields)), np.ones(len(found.fields))

    @classmethod
    def check_images(cls, shape: tuple[int, ...]) -> None:
        if len(shape) == 3 and min(shape[1:]) >= LEAST_SIDE:
            return
        raise InputError(
            "The micrograph encoder takes pictures, not volumes."
            if len(shape) != 3
            else "These images are too small for the micrograph encoder.",
            got=" × ".join(map(str, shape[1:])),
            allowed=f"height and width of at least {LEAST_SIDE} pixels",
            hint="use sections of the volume, or an encoder that is trained on volumes"
            if len(shape) != 3
            else "use descriptors, or an encoder that is trained on these images",
        )


def packaged_weights() -> dict[str, np.ndarray]:
    """The weights that come with the package, float16.

    Raises
    ------
    InputError : the file is missing or damaged.
    """
    from importlib.resources import files

    from safetensors import SafetensorError
    from safetensors.numpy import load

    file = files("iceframe.scale").joinpath("weights", "micrographs.safetensors")
    try:
        return load(file.read_bytes())
    except (OSError, SafetensorError) as error:
        raise InputError(
            "The weights of the micrograph encoder are missing or damaged.",
            where=str(file),
            got=str(error).splitlines()[0] if str(error) else type(error).__name__,
            hint="install the package again",
        ) from error


def _network(weights: Mapping[str, np.ndarray]) -> MicrographNetwork:
    import torch

    from iceframe.scale.micrograph_network import MicrographNetwork
    from iceframe.scale.training import isolated

    with isolated(0):
        network = MicrographNetwork(latents=len(weights["axes.bias"]))
    network.load_state_dict(
        {name: torch.as_tensor(np.array(value, np.float32)) for name, value in weights.items()}
    )
    return network.eval()


def _grey(found: ImageFormat) -> nn.Module:
    """One plane of grey levels ``(n, 1, h, w)`` from the fields ``(n, fields, h, w)`` of a format.

    Indicators of phases are weighted from 0 to 1 in the order of the phases, channels equally.
    """
    import torch
    from torch import nn

    class Grey(nn.Module):
        share: Tensor

        def __init__(self, share: Tensor) -> None:
            super().__init__()
            self.register_buffer("share", share.view(1, -1, 1, 1))

        def forward(self, x: Tensor) -> Tensor:
            return (x * self.share).sum(dim=1, keepdim=True)

    count = len(found.fields)
    if count == 1:
        return Grey(torch.ones(1))
    return Grey(torch.linspace(0, 1, count) if found.levels else torch.full((count,), 1 / count))
