"""Explanations through a decoder: which way in latent space raises the score, as images.

An encoder's latents ``z`` ``(d,)`` are few, named numbers that a decoder ``D`` turns back into a
structure. With ``s_j`` the standard deviation of latent ``j`` over background images, the score
``f(D(z))`` rises fastest, per standard deviation walked, along

    u_j = s_j ∂f(D(z))/∂z_j / slope,     slope = √Σ (s_j ∂f(D(z))/∂z_j)²

``u_j²`` are shares that add up to 1. The strip of images ``D(z + t s u)`` shows what changes, and
``f`` of each what the model says of it. The derivatives are central differences over ``0.1 s_j``:
any decoder and any model will do. Where decoded images jump (the most probable of three phases or
more), or on demand, ``u`` is the direction of a ridge regression of the scores on the background's
latents: one and the same for all samples.

Traps. It is a picture of model *and* decoder: what the decoder cannot paint is not seen. The
decoded image is not the image: compare ``decoded`` with ``original`` scores, and do not believe a
strip that spans less than they lie apart. Of two phases a decoder gives the expected pixel value,
grey at interfaces, which the model may never have met. Far along, latents are like no image's:
``usual`` says where. Latents that vary together share out an effect between them by their spread.

References: Bengio, Courville & Vincent 2013, doi:10.1109/TPAMI.2013.50 (latents that generate);
Joshi et al. 2019, https://arxiv.org/abs/1907.09615 (explanations along a decoder's manifold).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from iceframe.core.errors import InputError, UsageError
from iceframe.measure.beyond_maps.held_out_ridge import HeldOutRidge

if TYPE_CHECKING:
    from torch import Tensor

    from iceframe.measure.image_model import ImageModel
    from iceframe.scale.encoder import Encoder

REFERENCE = "Joshi et al. 2019, https://arxiv.org/abs/1907.09615"

STEPS = (-3.0, -2.0, -1.0, 0.0, 1.0, 2.0, 3.0)
"""Standard deviations walked."""

HALF_STEP = 0.05
"""Of the central differences, in standard deviations: above float32's rounding, below a curve."""

LEAST_IMAGES = 20
USUAL = 0.99
"""Share of the background whose latents count as usual."""

VOXELS_DECODED = 2**22
"""Decoded at once for the differences."""

Method = Literal["gradient", "ridge"]


@dataclass(frozen=True)
class LatentDirections:
    """For each of ``n`` images, the way in latent space that raises its score fastest.

    ``direction`` ``(n, d)``: change of the latents ``names`` in one step (a standard deviation in
    all). ``shares`` ``(n, d)``: of each latent in it, from 0, adding up to 1; NaN where the score
    does not depend on the latents. ``slope`` ``(n,)``: promised change of the score per step.

    ``steps`` ``(S,)``; ``images`` ``(n, S, channels, *grid)`` decoded along the way; ``scores``
    ``(n, S)`` of them; ``usual`` bool ``(n, S)``: latents no further from the middle of the
    background (Mahalanobis) than 99 % of it.

    ``original``, ``decoded`` ``(n,)``: scores of the image and of its reconstruction. ``r2``: held
    out, of the scores of the background (of the output most explained) by its latents, linearly: at
    least so much of what the model looks at is in the latents.
    """

    names: tuple[str, ...]
    direction: np.ndarray
    shares: np.ndarray
    slope: np.ndarray
    steps: np.ndarray
    images: np.ndarray
    scores: np.ndarray
    usual: np.ndarray
    original: np.ndarray
    decoded: np.ndarray
    r2: float
    method: Method
    reference: str = REFERENCE

    @property
    def believable(self) -> np.ndarray:
        """Bool ``(n,)``: the strip's scores span more than decoding changes the score by."""
        span = self.scores.max(axis=1) - self.scores.min(axis=1)
        return span > np.abs(self.decoded - self.original)


def latent_directions(
    model: ImageModel,
    encoder: Encoder,
    x: Tensor,
    background: Tensor,
    *,
    codes: Tensor | None = None,
    method: Method | None = None,
    steps: Sequence[float] = STEPS,
) -> LatentDirections:
    """The way through latent space that raises each score fastest, decoded.

    Parameters
    ----------
    encoder : fitted, with a decoder. x : images ``(n, channels, *grid)``, 2-D or 3-D, in the format
        of the encoder. background : images ``(m, …)``, at least 20, that latents are scaled by.
    codes : outputs to explain ``(n,)``, the first if ``None``; with ``ridge`` all the same.
    method : by default the gradient, where decoded images do not jump.
    steps : standard deviations to walk.

    Raises
    ------
    UsageError : an encoder without a decoder, or classes that differ with ``ridge``.
    InputError : too few background images, or images of another format.
    """
    if len(background) < LEAST_IMAGES:
        raise InputError(
            "Latents need background images to be scaled by.",
            got=len(background),
            allowed=f"at least {LEAST_IMAGES}",
        )
    z = encoder.encode(x.cpu().numpy())
    there = encoder.encode(background.cpu().numpy())
    spread = there.std(axis=0)
    chosen: Method = method or ("gradient" if len(encoder.format_.levels) <= 2 else "ridge")
    one = _one_code(codes, len(background), chosen)
    targets = model.scores(background, one).cpu().numpy().astype(float)[:, None]
    scale = np.where(spread > 0, spread, 1.0)
    ridge = HeldOutRidge((there - there.mean(axis=0)) / scale)
    targets -= targets.mean(axis=0)
    if chosen == "gradient":
        slopes = _slopes(model, encoder, z, spread, codes)
    else:
        slopes = np.repeat(ridge.weights(targets).T, len(z), axis=0)
    size = np.linalg.norm(slopes, axis=1)
    with np.errstate(invalid="ignore"):
        unit = slopes / size[:, None]
    walk = np.nan_to_num(unit) * spread
    at = z[:, None] + np.asarray(steps, float)[:, None] * walk[:, None]  # (n, S, d)
    flat = encoder.decode(at.reshape(-1, z.shape[1]))
    again = None if codes is None else codes.repeat_interleave(len(steps))
    scores = model.scores(model.to_device(flat), again).cpu().numpy().astype(float)
    decoded = model.scores(model.to_device(encoder.decode(z)), codes)
    return LatentDirections(
        names=tuple(encoder.names),
        direction=walk,
        shares=unit**2,
        slope=size,
        steps=np.asarray(steps, float),
        images=flat.reshape(len(z), len(steps), *flat.shape[1:]),
        scores=scores.reshape(len(z), len(steps)),
        usual=_usual(at, there),
        original=model.scores(x, codes).cpu().numpy().astype(float),
        decoded=decoded.cpu().numpy().astype(float),
        r2=float(ridge.r2(targets)[0]),
        method=chosen,
    )


def _one_code(codes: Tensor | None, m: int, method: Method) -> Tensor | None:
    """The output that the background is scored by ``(m,)``: for a ridge there can be only one."""
    if codes is None:
        return None
    if method == "ridge" and bool((codes != codes[0]).any()):
        raise UsageError(
            "One regression explains one class.",
            where="codes",
            got=sorted(set(codes.tolist())),
            hint="explain the samples of each class apart",
        )
    return codes.mode().values.expand(m)


def _slopes(
    model: ImageModel, encoder: Encoder, z: np.ndarray, spread: np.ndarray, codes: Tensor | None
) -> np.ndarray:
    """Derivatives ``(n, d)`` of the score of the decoded image, per standard deviation."""
    n, d = z.shape
    step = max(1, VOXELS_DECODED // (2 * d * int(np.prod(encoder.format_.shape))))
    moves = HALF_STEP * np.concatenate([np.diag(spread), -np.diag(spread)])  # (2d, d)
    found = np.empty((n, d))
    for start in range(0, n, step):
        part = slice(start, min(start + step, n))
        moved = (z[part, None] + moves).reshape(-1, d)
        chosen = None if codes is None else codes[part].repeat_interleave(2 * d)
        scores = model.scores(model.to_device(encoder.decode(moved)), chosen)
        up, down = scores.cpu().numpy().astype(float).reshape(-1, 2, d).transpose(1, 0, 2)
        found[part] = (up - down) / (2 * HALF_STEP)
    return found


def _usual(z: np.ndarray, background: np.ndarray) -> np.ndarray:
    """Which latents ``(…, d)`` lie where the background lies."""
    centre = background.mean(axis=0)
    inverse = np.linalg.pinv(np.atleast_2d(np.cov(background.T)))

    def distance(at: np.ndarray) -> np.ndarray:
        return np.einsum("...i,ij,...j->...", at - centre, inverse, at - centre)

    return np.asarray(distance(z) <= np.quantile(distance(background), USUAL))
