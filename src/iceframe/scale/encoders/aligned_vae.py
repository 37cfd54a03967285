"""A descriptor-aligned variational autoencoder: the first latents are named, the rest are free.

For standardised factors ``y`` ``(k,)`` given with the images (descriptors, or what a generator was
told), it minimises, per pixel,

``−E_q ln p(x | a, z) + β KL(q(z | x) ‖ N(0, 1)) + γ mean (a − y)² + λ R*²(z, y)``

with aligned latents ``a(x)`` ``(k,)``, free latents ``z`` and the bias-corrected squared distance
correlation ``R*²`` between the free latents' means and the factors in a batch.

Why so, and not otherwise:

- *Distance correlation* is zero only under independence, so that a free latent that follows a
  factor along a parabola is seen; a covariance penalty would miss it. It needs no second network
  and no second optimiser as an adversary would, and does not oscillate. Uncorrected, it grows with
  few samples even under independence, by more than there is to measure in a batch of 32.
- The decoder gets ``a`` with a little noise and sends no gradient back through it. Else the image's
  likelihood (hundreds of nats) would bend ``a`` away from ``y`` (a few nats), and hide other things
  in its last digits.
- The penalty is against ``y``, not against ``a``: leakage is defined by the factors themselves.

``encode`` gives ``a`` (standardised), then the means of ``z``; :meth:`AlignedVAE.read` gives the
factors in their own units. An orientation θ of an axis comes back to itself after 180°: give it as
cos 2θ and sin 2θ (times a measure of the direction, where some images hardly have one), or as the
angle if no image comes near the place where it is cut. Against a generator's factors no R² is 1: a
finite image does not hold them exactly.

References: Kingma et al. 2014 (part of the latents supervised), https://arxiv.org/abs/1406.5298;
Higgins et al. 2017, https://openreview.net/forum?id=Sy2fzU9gl; Székely & Rizzo 2014,
https://doi.org/10.1214/14-AOS1255; Louizos et al. 2016 (a part kept independent of given factors),
https://arxiv.org/abs/1511.00830.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from iceframe.core.errors import InputError, UsageError
from iceframe.core.values import Representation
from iceframe.scale.encoder import ENCODERS
from iceframe.scale.encoders._network import NetworkEncoder
from iceframe.scale.encoders.vae import evidence_bound

if TYPE_CHECKING:
    from torch import Tensor, nn

    from iceframe.core.dataset import ImageSource
    from iceframe.scale.encoder_networks import Shape, Variational
    from iceframe.scale.image_format import ImageFormat
    from iceframe.scale.training import Loss

NOISE = 0.1
"""Standard deviation of the noise on the aligned latents that the decoder sees, in standard
deviations of the factor: about the accuracy with which a factor can be read off a small image."""

PROBE_FOLDS = 5
LEAST_PROBED = 4 * PROBE_FOLDS


@dataclass(frozen=True)
class Leakage:
    """How much of each factor can be read off which part of the latents, as R² on ``samples``
    images: ``aligned`` is the factor's own latent as it stands; ``free_linear`` and
    ``free_trees`` are a ridge and extremely randomised trees on all free latents, five-fold
    cross-validated. About zero, or less: nothing leaks."""

    factors: tuple[str, ...]
    aligned: tuple[float, ...]
    free_linear: tuple[float, ...]
    free_trees: tuple[float, ...]
    samples: int

    @classmethod
    def from_json(cls, held: Mapping[str, Any]) -> Leakage:
        """What :func:`dataclasses.asdict` gave, after a way through JSON."""
        aligned, linear, trees = (
            tuple(map(float, held[name])) for name in ("aligned", "free_linear", "free_trees")
        )
        return cls(tuple(held["factors"]), aligned, linear, trees, int(held["samples"]))


@ENCODERS.register("aligned_vae")
@dataclass(kw_only=True, eq=False)
class AlignedVAE(NetworkEncoder):
    """``latents`` counts both parts. ``beta``: weight of the divergence; ``alignment`` (γ): weight
    of the factors; ``independence`` (λ): weight of the distance correlation. The ``symmetries``
    must leave the factors unchanged, too.

    Attributes
    ----------
    leakage_ : :class:`Leakage` on the images held out to stop training by; ``None`` where they are
        fewer than 20. Those images chose the epoch: for a clean number, and a narrower one, call
        :meth:`leakage` with others.
    """

    name = "aligned_vae"
    title = "Descriptor-aligned variational autoencoder"
    summary = "The first latents are named descriptors; the others are kept independent of them."
    reference = "Kingma et al. 2014, https://arxiv.org/abs/1406.5298"
    decodes = True
    uses_factors = True

    validation_fraction: float = 0.2
    beta: float = 2.0
    alignment: float = 1.0
    independence: float = 1.0

    @property
    def names(self) -> tuple[str, ...]:
        free = self.latents - len(self.factor_names_)
        return (*self.factor_names_, *(f"latent {i + 1}" for i in range(free)))

    def read(self, images: ImageSource | np.ndarray) -> Representation:
        """The factors ``(n, k)`` that the aligned latents say, in the factors' own units."""
        latents = self.encode(images)[:, : len(self.factor_names_)]
        values = latents * self.factor_width_ + self.factor_centre_
        return Representation(
            values, self.factor_names_, self.factor_units_, references=(self.reference,)
        )

    def leakage(self, images: ImageSource | np.ndarray, factors: Representation) -> Leakage:
        """What the free latents know of the factors, on images that training has not seen.

        Raises
        ------
        InputError : fewer than 20 images, or factors other than those of ``fit``.
        """
        self.require_fitted()
        if factors.names != self.factor_names_:
            raise InputError(
                "These are not the factors that the encoder was fitted with.",
                got=", ".join(factors.names),
                allowed=", ".join(self.factor_names_),
            )
        latents = self.encode(images)
        values = _checked(factors, len(latents))
        if len(latents) < LEAST_PROBED:
            raise InputError(
                "There are too few images to measure leakage on.",
                got=len(latents),
                allowed=f"at least {LEAST_PROBED}, better some hundred",
            )
        k = len(self.factor_names_)
        truth = (values - self.factor_centre_) / self.factor_width_
        linear, trees = _probed(latents[:, k:], truth, int(self.random_state))
        return Leakage(
            self.factor_names_,
            _determination(latents[:, :k], truth),
            _determination(linear, truth),
            _determination(trees, truth),
            len(latents),
        )

    def _targets(self, factors: Representation | None, n: int) -> np.ndarray:
        if factors is None or not factors.names:
            raise UsageError(
                f"The encoder '{self.name}' needs named factors beside the images.",
                hint="pass descriptors of the images, or what their generator was told, to fit",
            )
        if len(factors.names) >= self.latents:
            raise UsageError(
                "There must be more latents than factors: the rest is what they do not say.",
                got=f"{self.latents} latents, {len(factors.names)} factors",
                hint=f"set latents to {len(factors.names) + 4} or more",
            )
        values = _checked(factors, n)
        constant = np.ptp(values, axis=0) == 0
        if constant.any():
            raise InputError(
                "A factor that is the same for all images cannot be learned.",
                where=", ".join(np.array(factors.names)[constant]),
                hint="leave it out",
            )
        self.factor_names_, self.factor_units_ = tuple(factors.names), tuple(factors.units)
        self.factor_centre_, self.factor_width_ = values.mean(axis=0), values.std(axis=0)
        return (values - self.factor_centre_) / self.factor_width_

    def _build(self, shape: Shape, factors: int) -> nn.Module:
        from iceframe.scale.encoder_networks import VariationalAutoencoder

        return VariationalAutoencoder(shape, self.latents - factors, factors, NOISE)

    def _loss(self, shape: Shape, phases: bool) -> Loss:
        from iceframe.scale.encoder_networks import distance_correlation

        bound = evidence_bound(shape, phases, self.beta)

        def loss(answer: Variational, target: Any) -> Tensor:
            fields, factors = target
            total = bound(answer, fields)
            total = total + self.alignment * (answer.aligned - factors).square().mean()
            if self.independence:
                total = total + self.independence * distance_correlation(answer.mean, factors)
            return total

        return loss

    def _finish(
        self, images: ImageSource, factors: Representation | None, held: np.ndarray
    ) -> None:
        self.leakage_: Leakage | None = None
        if factors is not None and len(held) >= LEAST_PROBED:
            held = np.sort(held)
            self.leakage_ = self.leakage(images.take(held), factors.take(held))

    def _check_settings(self, found: ImageFormat) -> None:
        super()._check_settings(found)
        for name in ("beta", "alignment", "independence"):
            if not getattr(self, name) >= 0:
                raise UsageError(
                    f"The weight '{name}' must not be negative.", got=getattr(self, name)
                )

    def state(self) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
        arrays, values = super().state()
        arrays |= {"factor centre": self.factor_centre_, "factor width": self.factor_width_}
        held = None if self.leakage_ is None else asdict(self.leakage_)
        named = {"names": list(self.factor_names_), "units": list(self.factor_units_)}
        return arrays, values | {"factors": named, "leakage": held}

    def restore(self, arrays: Mapping[str, np.ndarray], values: Mapping[str, Any]) -> None:
        self.factor_names_ = tuple(map(str, values["factors"]["names"]))
        self.factor_units_ = tuple(map(str, values["factors"]["units"]))
        self.factor_centre_ = np.array(arrays["factor centre"], np.float64)
        self.factor_width_ = np.array(arrays["factor width"], np.float64)
        k = len(self.factor_names_)
        if not (
            len(self.factor_units_) == len(self.factor_centre_) == len(self.factor_width_) == k
        ):
            raise ValueError("the factors' names, units and scales differ in number")
        held = values["leakage"]
        self.leakage_ = None if held is None else Leakage.from_json(held)
        self._restore(arrays, values, k)


def _checked(factors: Representation, n: int) -> np.ndarray:
    """The factors' values ``(n, k)``, float64, all finite and one row an image."""
    values = np.asarray(factors.values, np.float64)
    if len(values) != n:
        raise InputError("Images and factors must match.", got=(n, len(values)))
    if len(set(factors.names)) < len(factors.names):
        raise InputError("The factors' names must differ.", got=", ".join(factors.names))
    bad = ~np.isfinite(values).all(axis=0)
    if bad.any():
        raise InputError(
            "Factors hold NaN or infinite values.",
            where=", ".join(np.array(factors.names)[bad]),
            hint="leave out those samples, or those factors",
        )
    return values


def _probed(free: np.ndarray, truth: np.ndarray, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Cross-validated predictions ``(n, k)`` of ``truth`` from ``free``: linear, and by trees."""
    from sklearn.ensemble import ExtraTreesRegressor
    from sklearn.linear_model import RidgeCV
    from sklearn.model_selection import KFold, cross_val_predict
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    folds = KFold(PROBE_FOLDS, shuffle=True, random_state=seed)
    ridge = make_pipeline(StandardScaler(), RidgeCV(np.logspace(-3, 3, 13)))
    trees = ExtraTreesRegressor(100, min_samples_leaf=3, random_state=seed)
    linear = cross_val_predict(ridge, free, truth, cv=folds).reshape(truth.shape)
    target = truth[:, 0] if truth.shape[1] == 1 else truth
    return linear, cross_val_predict(trees, free, target, cv=folds).reshape(truth.shape)


def _determination(predicted: np.ndarray, truth: np.ndarray) -> tuple[float, ...]:
    """R² of each column; NaN where the truth is constant."""
    spread = np.square(truth - truth.mean(axis=0)).sum(axis=0)
    missed = np.square(truth - predicted).sum(axis=0)
    return tuple(
        float(1 - m / s) if s > 0 else float("nan") for m, s in zip(missed, spread, strict=True)
    )
