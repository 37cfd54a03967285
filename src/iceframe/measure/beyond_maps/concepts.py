"""Which physical descriptors a network uses: regression concept vectors, tested against chance.

``a`` ``(f,)`` are the activations of one layer, averaged over positions, ``g`` the gradient of the
score to them (all positions moved alike), and ``c`` ``(k,)`` descriptors (volume fraction, length,
anisotropy, …), standardised over background images. The linear regression ``a ≈ a₀ + Σ_j p_j c_j``
gives each concept's direction ``p_j``: how the activations move when the image has one standard
deviation more of the descriptor while the others listed stay. Then

    concept sensitivity     S_j = g·p_j      (score per standard deviation of the descriptor)
    TCAV score              share of samples with S > 0
    bidirectional score     Br = R² · mean S / sd S

* **Present**: ``R²`` of the opposite regression, of the descriptor on the activations (ridge, each
  image left out in turn), exceeds that of the descriptor's values dealt to the images anew.
* **Used**: ``|mean S|`` exceeds that of random concepts: what the other descriptors leave of this
  one, dealt to the images anew. p-values are ``(b + 1)/(draws + 1)`` (Phipson & Smyth), adjusted
  over concepts (Benjamini & Hochberg).

Kim's and Graziani's direction is instead the normal ``w`` of the regression of ``c`` on ``a``. It
leans on whatever cancels noise in reading the concept off, and a step along it is no step that an
image can cause: for a convolutional network with R² 0.99 for a conductivity, the step that raises
``w·a`` by one standard deviation of the volume fraction moved the score by a tenth of what that
does to the conductivity; along ``p`` it was all of it (Haufe et al. 2014; Pahde et al. 2022).

Traps. *Present is not used*: layers hold much that the answer ignores. *Correlated concepts*: a
concept that is **not** listed but varies with one that is makes that one look used; list all that
could matter. Listed ones are told apart as far as the background does; the table says where they
vary together. *A concept used both ways* (its effect changes sign between samples) cancels in the
mean: look at the share. *Significant is not large*: look at the sensitivity. *The last layer*: with
a linear map behind it, S is the same for all samples, and what the prediction follows, whichever
way it comes about. It is about the network, never about the material.

References: Kim et al. 2018, https://arxiv.org/abs/1711.11279 (TCAV); Graziani et al. 2018,
https://arxiv.org/abs/1904.04520 (regression concept vectors, Br); Haufe et al. 2014,
doi:10.1016/j.neuroimage.2013.10.067, and Pahde et al. 2022, https://arxiv.org/abs/2202.03482
(patterns, not filters); Hardin et al. 2024, https://arxiv.org/abs/2406.07756 (permutations in
multiple regression); Phipson & Smyth 2010, doi:10.2202/1544-6115.1585; Benjamini & Hochberg 1995,
doi:10.1111/j.2517-6161.1995.tb02031.x.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from iceframe.core.errors import InputError, UsageError
from iceframe.core.seeds import generator
from iceframe.measure.beyond_maps.held_out_ridge import HeldOutRidge
from iceframe.measure.beyond_maps.layer_tap import LayerTap

if TYPE_CHECKING:
    from torch import Tensor

    from iceframe.core.values import Representation
    from iceframe.measure.image_model import ImageModel

REFERENCE = "Kim et al. 2018, https://arxiv.org/abs/1711.11279"

LEAST_IMAGES = 20
IMAGES_PER_CONCEPT = 3
"""With fewer background images nothing can be said of a concept with the others held."""

LEAST_DRAWS = 50

CORRELATED = 0.7
"""From this correlation on, the table warns that two concepts cannot be told apart well."""

FOLLOWS = 1e-3
"""Standard deviation, over its own, of what is left of a concept that follows from others."""

ROUNDING = 1e-4
"""Share of the slopes' spread below which what is left of them is rounding."""

RESAMPLES = 200
TABLE = [
    "concept", "unit", "sd", "r2", "present", "sensitivity", "low", "high", "share", "br", "p",
    "p_adjusted", "used", "note",
]  # fmt: skip


@dataclass(frozen=True)
class ConceptUse:
    """Which of ``k`` concepts a layer holds and the score depends on.

    ``table``: one row a concept, in the order given.

    * ``sd``: standard deviation of the descriptor over the background, in ``unit``.
    * ``r2``: of the concept in the layer, held out; ``present``: more than by chance.
    * ``sensitivity``: mean over samples, in the score's unit per ``sd``, with a 95 % bootstrap
      interval ``low``, ``high`` over background and samples.
    * ``share``: of samples with a positive sensitivity. ``br``: bidirectional score, NaN where all
      samples have the same sensitivity.
    * ``p``, ``p_adjusted``: of being used. ``used``: significant, and present.
    * ``note``: what to keep in mind; empty if nothing.

    ``sensitivities`` ``(n, k)``: of each sample. ``directions`` ``(k, f)``: change of the pooled
    activations per ``sd``. Rows of concepts that do not vary, or follow from those before them in
    the list, are NaN. ``layer``: where it looked.
    """

    table: pd.DataFrame
    sensitivities: np.ndarray
    directions: np.ndarray
    layer: str
    draws: int
    level: float
    reference: str = REFERENCE


def concept_use(
    model: ImageModel,
    x: Tensor,
    background: Tensor,
    concepts: Representation,
    *,
    layer: str | None = None,
    codes: Tensor | None = None,
    draws: int = 1000,
    level: float = 0.05,
    seed: int = 0,
) -> ConceptUse:
    """Test which descriptors a network uses.

    Parameters
    ----------
    x : images to explain ``(n, channels, *grid)``, 2-D or 3-D. background : images ``(m, …)`` that
        the concepts are learned from, at least 20, better several times the layer's channels.
    concepts : descriptors ``(m, k)`` of the background.
    layer : name of the module whose output is looked at; default what enters the last layer with
        weights (after pooling, in a usual network).
    codes : outputs to explain ``(n,)``, the first if ``None``.
    draws : random concepts per descriptor. level : of false discoveries.

    Raises
    ------
    InputError : too few background images, or another number of rows than of images.
    UsageError : an unknown layer, too few draws.
    """
    k, m = len(concepts.names), len(background)
    fewest = max(LEAST_IMAGES, IMAGES_PER_CONCEPT * k)
    if m != len(concepts) or m < fewest:
        raise InputError(
            "Concepts need background images, one row of descriptors each.",
            got=f"{m} images, {len(concepts)} rows",
            allowed=f"as many rows as images, at least {fewest} for {k} concepts",
        )
    least = max(LEAST_DRAWS, int(np.ceil(k / level)))
    if draws < least:
        raise UsageError(
            "Too few random concepts: nothing could become significant.",
            where="draws",
            got=draws,
            allowed=f"at least {least} for {k} concepts at level {level}",
        )
    tap = LayerTap(model, background[:1], layer)
    activations, slopes = tap.activations(background), tap.gradients(x, codes)
    values = np.asarray(concepts.values, float)
    c, kept, why = _usable(values)
    deals = np.argsort(generator(seed, "random concepts").random((m, draws)), axis=0)
    r2, p_present = _presence(activations, c, deals)
    directions = _patterns(c, activations)  # (kept, f)
    each = slopes @ directions.T  # (n, kept)
    p = _p_used(activations @ slopes.mean(axis=0), c, deals)
    low, high = _interval(activations, slopes, c, generator(seed, "resamples"))
    mean, p_adjusted = each.mean(axis=0), _adjusted(p)
    present = p_present <= level
    table = pd.DataFrame({"concept": concepts.names, "unit": concepts.units})
    columns = {
        "sd": values[:, kept].std(axis=0),
        "r2": r2,
        "sensitivity": mean,
        "low": low,
        "high": high,
        "share": (each > 0).mean(axis=0),
        "br": _bidirectional(r2, mean, each.std(axis=0)),
        "p": p,
        "p_adjusted": p_adjusted,
    }
    for name, found in columns.items():
        table[name] = _spread_out(found, kept)
    for name, flag in {"present": present, "used": present & (p_adjusted <= level)}.items():
        table[name] = _spread_out(flag, kept) == 1.0
    table["note"] = _notes(table, c, kept, why)
    return ConceptUse(
        table[TABLE],
        _spread_out(each.T, kept).T,
        _spread_out(directions, kept),
        tap.name,
        draws,
        level,
    )


def _usable(values: np.ndarray) -> tuple[np.ndarray, np.ndarray, dict[int, str]]:
    """Standardised concepts ``(m, kept)`` that can be told from those before them; which they are,
    bool ``(k,)``; and why others are not."""
    columns: list[np.ndarray] = []
    why: dict[int, str] = {}
    for j, value in enumerate(values.T):
        if not np.isfinite(value).all():
            why[j] = "not known for every background image"
        elif value.std() <= 1e-9 * np.abs(value).max():
            why[j] = "does not vary"
        else:
            standard = (value - value.mean()) / value.std()
            if _left(standard, np.array(columns).reshape(-1, len(value)).T).std() <= FOLLOWS:
                why[j] = "follows from those before it"
            else:
                columns.append(standard)
    kept = np.array([j not in why for j in range(values.shape[1])], bool)
    return np.array(columns).reshape(-1, len(values)).T, kept, why


def _patterns(c: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Coefficients ``(k, q)`` of the regression of ``y`` ``(m, q)`` on all concepts ``(m, k)``."""
    return np.linalg.lstsq(c - c.mean(axis=0), y - y.mean(axis=0), rcond=None)[0]


def _left(y: np.ndarray, c: np.ndarray) -> np.ndarray:
    """What concepts ``c`` ``(m, k)`` leave of ``y`` ``(m,)``."""
    y = y - y.mean()
    return y - (c - c.mean(axis=0)) @ _patterns(c, y[:, None])[:, 0]


def _presence(
    activations: np.ndarray, c: np.ndarray, deals: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Held-out R² of concepts in the layer and adjusted p-values ``(k,)``."""
    spread = activations.std(axis=0)
    live = spread > 1e-6 * np.abs(activations).max(axis=0, initial=0.0)
    if not live.any():
        raise InputError(
            "The activations of this layer are the same for all background images.",
            hint="name another layer, or give images that differ",
        )
    z = (activations[:, live] - activations[:, live].mean(axis=0)) / spread[live]
    if z.shape[1] > len(z):  # as many principal axes as images hold all there is
        left, size, _ = np.linalg.svd(z, full_matrices=False)
        z = left * size
    ridge = HeldOutRidge(z)
    r2 = ridge.r2(c)
    chance = [ridge.r2(column[deals]) for column in c.T]
    return r2, _adjusted([_p(r, dealt) for r, dealt in zip(r2, chance, strict=True)])


def _p_used(score: np.ndarray, c: np.ndarray, deals: np.ndarray) -> np.ndarray:
    """p-values ``(k,)`` of the sensitivities, for ``score`` ``(m,) = a·mean g`` of the background:
    its regression on the concepts has the mean sensitivities as coefficients."""
    found = np.ones(c.shape[1])
    for j in range(len(found)):
        others = np.delete(c, j, axis=1)
        own, rest = _left(c[:, j], others), _left(score, others)
        if rest.std() > ROUNDING * score.std():
            found[j] = _p(abs(own @ rest), np.abs(rest @ own[deals]))
    return found


def _interval(
    activations: np.ndarray, slopes: np.ndarray, c: np.ndarray, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """2.5 % and 97.5 % of the mean sensitivities ``(k,)``, background and samples redrawn."""
    m, n = len(activations), len(slopes)
    found = np.empty((RESAMPLES, c.shape[1]))
    for row in found:
        images = rng.integers(m, size=m)
        slope = slopes[rng.integers(n, size=n)].mean(axis=0)
        row[:] = _patterns(c[images], activations[images] @ slope[:, None])[:, 0]
    low, high = np.percentile(found, [2.5, 97.5], axis=0)
    return low, high


def _p(value: float, chance: np.ndarray) -> float:
    """Share of random concepts that reach the value, with the value itself among them."""
    reached = chance >= value - 1e-9 * abs(value)
    return float((1 + reached.sum()) / (1 + len(chance)))


def _adjusted(p: Any) -> np.ndarray:
    """Benjamini–Hochberg p-values."""
    from scipy.stats import false_discovery_control

    return np.asarray(false_discovery_control(p)) if len(p) else np.zeros(0)


def _bidirectional(r2: np.ndarray, mean: np.ndarray, spread: np.ndarray) -> np.ndarray:
    differs = spread > 1e-6 * np.abs(mean)
    return np.where(differs, r2 * mean / np.where(differs, spread, 1.0), np.nan)


def _spread_out(found: np.ndarray, where: np.ndarray) -> np.ndarray:
    """Rows ``found`` at ``where``, NaN elsewhere."""
    out = np.full((len(where), *found.shape[1:]), np.nan)
    out[where] = found
    return out


def _notes(table: pd.DataFrame, c: np.ndarray, kept: np.ndarray, why: dict[int, str]) -> list[str]:
    """What to keep in mind of each concept."""
    names = table["concept"][kept].tolist()
    correlation = np.atleast_2d(np.corrcoef(c.T)) - np.eye(len(names)) if names else np.zeros(0)
    notes, position = [], 0
    for j, row in enumerate(table.itertuples()):
        if j in why:
            notes.append(why[j])
            continue
        said = [] if row.present else ["not in the layer"]
        if row.present and not row.used:
            said.append("present, not used")
        together = [
            f"'{name}' (r = {r:.2f})"
            for name, r in zip(names, correlation[position], strict=True)
            if abs(r) >= CORRELATED
        ]
        if together:
            said.append("varies with " + ", ".join(together))
        notes.append("; ".join(said))
        position += 1
    return notes
