"""Gradient agreement: does a network weigh every voxel as the physics does?

Per sample, Pearson's correlation over the voxels v of the network's input gradient ``∂f/∂x(v)``
with the property's exact first-order sensitivity ``∂P/∂x(v)``, which the solver knows
(:mod:`iceframe.physics.sensitivity`):

    r = Σ_v (g_v − ḡ)(s_v − s̄) / √(Σ_v (g_v − ḡ)² Σ_v (s_v − s̄)²).

1: the network's linear response to any small change of the material is that of the physics, up to
a scale. It is about the model, not about a map that an explainer makes of it, and over all voxels,
not within phases as PF* (:mod:`iceframe.measure.physical.agreement`). A correlation knows no scale:
the error of the prediction has to be looked at beside it.
"""

from __future__ import annotations

import numpy as np

from iceframe.measure.image_model import ImageModel


def gradient_agreement(gradients: np.ndarray, sensitivities: np.ndarray) -> np.ndarray:
    """Pearson's correlation of each sample's gradient with its sensitivity: ``(n,)``.

    Parameters
    ----------
    gradients, sensitivities : ``(n, *grid)``.

    NaN where it is undefined: one of them is constant or not finite. Direction: higher is better.

    Raises
    ------
    ValueError : the two differ in shape.

    Examples
    --------
    >>> slope = np.array([[1.0, 2.0, 3.0, 6.0]])
    >>> gradient_agreement(2 * slope + 5, slope).round(6).tolist()
    [1.0]
    >>> gradient_agreement(np.ones((1, 4)), slope).tolist()
    [nan]
    """
    gradients, sensitivities = np.asarray(gradients, float), np.asarray(sensitivities, float)
    if gradients.shape != sensitivities.shape:
        raise ValueError(f"gradients {gradients.shape}, sensitivities {sensitivities.shape}")
    a, b = (_centred(values.reshape(len(values), -1)) for values in (gradients, sensitivities))
    with np.errstate(invalid="ignore", divide="ignore"):
        found = (a * b).sum(axis=1) / np.sqrt((a**2).sum(axis=1) * (b**2).sum(axis=1))
    return np.clip(found, -1.0, 1.0)


def _centred(values: np.ndarray) -> np.ndarray:
    """Rows less their means; rows that are constant or not finite become NaN."""
    with np.errstate(invalid="ignore"):
        centred = values - values.mean(axis=1, keepdims=True)
        spread = np.ptp(values, axis=1) if values.shape[1] else np.zeros(len(values))
    dull = ~np.isfinite(spread) | (spread == 0)
    return np.where(dull[:, None], np.nan, centred)


def network_agreement(
    model: ImageModel, images: np.ndarray, sensitivities: np.ndarray
) -> np.ndarray:
    """Of a network that looks at ``images`` ``(n, channels, *grid)``: ``(n,)``.

    ``sensitivities`` ``(n, channels, *grid)``: derivatives of the property to the pixels.
    """
    gradients = model.gradients(model.to_device(images)).double().cpu().numpy()
    return gradient_agreement(gradients, sensitivities)
