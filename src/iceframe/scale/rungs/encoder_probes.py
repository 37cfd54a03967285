"""Two rungs for every encoder: a linear probe of its latents, and the encoder tuned on the labels.

They are made in a loop over the registry of encoders: a new encoder has its rungs by being there,
``<encoder>_probe`` and, where it is a network, ``<encoder>_tuned``. Nothing is tuned from outside:
the penalty of the probe is chosen inside the fit. References: Alain & Bengio 2016,
https://arxiv.org/abs/1610.01644; Kumar et al. 2022, https://arxiv.org/abs/2202.10054.
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from iceframe.scale.encoder import ENCODERS, Encoder
from iceframe.scale.rung import RUNGS, Context, Effort, StatefulRung

if TYPE_CHECKING:
    from iceframe.core.dataset import ImageSource

PROBE = "Alain & Bengio 2016, https://arxiv.org/abs/1610.01644"
TUNED = "Kumar et al. 2022, https://arxiv.org/abs/2202.10054"


class EncoderRung(StatefulRung):
    """A linear model of what the encoder named ``encoder`` makes of an image; with ``tuned``, the
    encoder is trained on the labels, too. Settings: those of the encoder's constructor; ``epochs``
    are those of both trainings."""

    input: ClassVar[Literal["table", "image"]] = "image"
    effort: ClassVar[Effort] = "heavy"
    encoder: ClassVar[str]
    tuned: ClassVar[bool]

    @classmethod
    def check_images(cls, images: ImageSource) -> None:
        ENCODERS[cls.encoder].check_images(tuple(images.shape))

    def build(self, settings: Mapping[str, Any], context: Context) -> Any:
        from iceframe.scale import encoder_probe

        regression = context.task == "regression"
        given: dict[str, Any] = {
            "encoder": self.encoder,
            "settings": self._encoder_settings(settings, context),
            "periodic": context.periodic,
            "random_state": context.seed,
        }
        if self.tuned:
            kind = encoder_probe.TunedRegressor if regression else encoder_probe.TunedClassifier
            epochs = settings.get("epochs")
            return kind(**given, symmetries=tuple(context.symmetries), epochs=epochs)
        probe = encoder_probe.ProbeRegressor if regression else encoder_probe.ProbeClassifier
        return probe(**given)

    def _encoder_settings(self, settings: Mapping[str, Any], context: Context) -> dict[str, Any]:
        """What the context says and the encoder can be told, then what is set."""
        told: dict[str, Any] = {"device": context.device, "random_state": context.seed}
        if "epochs" in settings:  # an encoder that is trained already has none
            told["epochs"] = settings["epochs"]
        if context.symmetries:  # unsaid, an encoder that needs some takes its own
            told["symmetries"] = tuple(context.symmetries)
        known = inspect.signature(ENCODERS[self.encoder]).parameters
        others = {name: value for name, value in settings.items() if name != "epochs"}
        return {name: value for name, value in told.items() if name in known} | others


def _rungs_of(name: str, kind: type[Encoder]) -> list[type[EncoderRung]]:
    about = {"__module__": __name__, "encoder": name, "pretrained": kind.pretrained}
    probe = {
        "name": f"{name}_probe",
        "title": f"{kind.title}, linear probe",
        "summary": "A linear model of the latents that the encoder learned without labels.",
        "reference": f"{PROBE}; {kind.reference}",
        "tuned": False,
    }
    tuned = {
        "name": f"{name}_tuned",
        "title": f"{kind.title}, fine-tuned",
        "summary": "The encoder learned without labels, then trained on them with a linear head.",
        "reference": f"{TUNED}; {kind.reference}",
        "tuned": True,
    }
    is_network = kind.trunk_for_tuning is not Encoder.trunk_for_tuning
    return [
        type(f"{kind.__name__}{suffix}", (EncoderRung,), {**about, **body})
        for suffix, body in (("Probe", probe), ("Tuned", tuned))
        if is_network or not body["tuned"]
    ]


for _name, _kind in ENCODERS.items():
    for _rung in _rungs_of(_name, _kind):
        RUNGS.register(_rung.name)(_rung)
