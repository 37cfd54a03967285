"""A sample that questions are asked about: its model, and the run's own data around it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from iceframe.core.errors import InputError, UsageError
from iceframe.ingest import read

if TYPE_CHECKING:
    from torch import Tensor

    from iceframe.core.dataset import Dataset
    from iceframe.measure.beyond_maps.layer_tap import LayerTap
    from iceframe.measure.image_model import ImageModel
    from iceframe.scale.fitting import Fitted
    from iceframe.scale.rung import Inputs
    from iceframe.workflow.session import Run


@dataclass(frozen=True)
class Subject:
    """The sample asked about: ``one``, of the data that were ``given``, and its ``inputs`` (one
    row); its model, and ``typical`` samples of the run."""

    run: Run
    fitted: Fitted
    given: Dataset
    one: Dataset
    inputs: Inputs
    typical: Inputs

    @property
    def unit(self) -> str:
        """Of the target."""
        return str(self.run.header["unit"])

    @cached_property
    def known(self) -> Dataset | None:
        """The run's own data: ``given``, if they are the same, or where they were read from;
        ``None`` where they are gone or changed."""
        header, given = self.run.header, self.given
        if given.target == header["target"] and given.fingerprint == header["identity"]["data"]:
            return given
        source = header["facts"]["source"]
        if not source or not Path(source).exists():
            return None
        try:
            data = read(source, **header["reading"])
        except InputError:
            return None
        return data if data.fingerprint == header["identity"]["data"] else None

    @cached_property
    def code(self) -> int | None:
        """The predicted class, which is explained; ``None`` for a regression."""
        if self.fitted.context.task == "regression":
            return None
        return int(self.fitted.predict(self.inputs)[0].argmax())


def network_of(subject: Subject, option: str, what: str) -> ImageModel:
    """The model of a rung that reads images."""
    from iceframe.measure.image_model import ImageModel

    rung = subject.fitted.rung
    if rung.input != "image" or not hasattr(subject.fitted.estimator, "torch_model"):
        raise UsageError(
            f"{what} that read images.",
            where=option,
            got=f"the rung '{rung.name}', which reads {rung.input}s",
            hint="name a network of this run with --rung, or leave this out",
        )
    return ImageModel.of(subject.fitted)


def tap_of(model: ImageModel, one: Tensor) -> LayerTap | None:
    """What enters the last layer with weights; ``None`` for a model that is no network of layers,
    as a regression of two-point statistics."""
    from iceframe.measure.beyond_maps.layer_tap import LayerTap

    try:
        return LayerTap(model, one)
    except UsageError:
        return None


def listed(items: list[str]) -> str:
    """Items as a sentence lists them."""
    return items[0] if len(items) == 1 else f"{', '.join(items[:-1])} and {items[-1]}"
