"""A foundation model's energy, corrected in the open: linear in it and in the composition.

    y = b₀ + Σ_el b_el (x_el − x̄_el) + Σ_{el,a} p_el,a (x_el x_a − mean)
        + c (E − Ē) + d (I − Ī) + f (ln v − mean ln v)

``x_el`` atomic fraction of an element; ``E`` CHGNet's energy per atom; ``I`` ionicity, the variance
of the electronegativity χ over the atoms, ``Σ_{a<b} x_a x_b (χ_a − χ_b)²``: the part of the bond
energies that Pauling ascribed to differences in χ (1932, https://doi.org/10.1021/ja01348a011);
``v`` volume per atom. The element offsets ``b_el`` turn an energy into a heat of formation with
whatever references the target has, ``c`` turns an energy per atom into the target's own measure,
and ``d`` and ``f`` take up what two calculations with different functionals disagree on in ionic
and in spacious crystals. The pair offsets ``p_el,a`` of an element with an anion former ``a`` (a
nonmetal) let that disagreement be another for an oxide than for a nitride of the same metal; a
product of fractions, and so in proportion to the number of such neighbours in a random mixture.
With mixed anions each counts by its share. The penalty (ridge) is chosen by the leave-one-out
error. Fractions are penalised as they are, so that an element seen in few crystals stays near the
average.

Offsets are told against the average atom of the training data (``Σ_el x̄_el b_el = 0``), for which
an element that was not there counts as well. Where CHGNet cannot describe a crystal, its energy
counts as the median.

Correction of calculated energies by fitted element offsets: Stevanović et al. 2012,
https://doi.org/10.1103/PhysRevB.85.115104; by anion: Wang et al. 2021,
https://doi.org/10.1038/s41598-021-94550-5.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.utils.validation import check_is_fitted

from iceframe.core.crystals import Crystals
from iceframe.core.errors import InputError
from iceframe.scale.foundation.chgnet_features import energies

PENALTIES = np.logspace(-6, 3, 28)
"""For fractions as they are and standardised others."""

N_ELEMENTS = 118
ANION_FORMERS = (1, 6, 7, 8, 9, 15, 16, 17, 34, 35, 53)
"""H, C, N, O, F, P, S, Cl, Se, Br, I."""
PAIR_SCALE = 4.0
"""Of a product of two fractions, at most a quarter, so that it is penalised as they are."""


@dataclass(frozen=True)
class Term:
    """One summand. ``step``: by how much a sentence lets it rise."""

    name: str
    unit: str
    step: float


ENERGY = Term("CHGNet energy per atom", "eV/atom", 1.0)
IONICITY = Term("ionicity (variance of electronegativity)", "", 0.1)
VOLUME = Term("logarithm of the volume per atom", "", 0.1)


def element_fractions(crystals: Crystals) -> np.ndarray:
    """Atomic fractions ``(n, 118)``, column Z − 1."""
    places = crystals.owners * N_ELEMENTS + crystals.numbers - 1
    counts = np.bincount(places, minlength=len(crystals) * N_ELEMENTS)
    return counts.reshape(len(crystals), N_ELEMENTS) / crystals.sizes[:, None]


def ionicity(crystals: Crystals) -> np.ndarray:
    """Variance of the electronegativity over the atoms ``(n,)``, in Pauling's units squared.

    Atoms without a known electronegativity are left out.

    Examples
    --------
    Caesium (0.79) and chlorine (3.16), half and half: ((3.16 − 0.79)/2)².

    >>> salt = Crystals(4.12 * np.eye(3)[None], np.array([0, 2]), np.array([55, 17]),
    ...     np.array([[0, 0, 0], [0.5, 0.5, 0.5]]), ("CsCl",))
    >>> ionicity(salt).round(4).tolist()
    [1.4042]
    """
    scale = _electronegativities()
    known = np.isfinite(scale)
    shares = element_fractions(crystals)[:, known]
    shares = shares / np.maximum(shares.sum(axis=1, keepdims=True), 1e-12)
    mean = shares @ scale[known]
    return np.einsum("ne,ne->n", shares, (scale[known] - mean[:, None]) ** 2)


@lru_cache(maxsize=1)
def _electronegativities() -> np.ndarray:
    """Of each element ``(118,)``, column Z − 1; NaN where there is none."""
    from iceframe.scale.descriptors.magpie import PROPERTIES, element_table

    scale = np.array(element_table()[:, list(PROPERTIES).index("Electronegativity")], float)
    scale[~(scale > 0)] = np.nan
    return scale


def composition_terms(crystals: Crystals, extended: bool) -> np.ndarray:
    """What the correction looks at besides fractions: energies, and with ``extended`` ionicity and
    the logarithm of the volume per atom ``(n, 1)`` or ``(n, 3)``."""
    columns = [energies(crystals)]
    if extended:
        columns += [ionicity(crystals), np.log(crystals.volumes / crystals.sizes)]
    return np.column_stack(columns)


class EnergyCorrection(RegressorMixin, BaseEstimator):
    """The correction, fitted to crystals and a target ``(n,)``.

    Parameters
    ----------
    extended : with ionicity and volume, or with element fractions and the energy alone.
    pairs : with offsets for pairs of an element and an anion former.

    Attributes
    ----------
    elements_ : atomic numbers in the training data. pairs_ : atomic numbers ``(q, 2)`` of element
        and anion former that occur together there.
    coefficients_ : of the terms ``(p,)``, in the target's unit per the term's own.
    centre_, spread_ : mean and standard deviation of the terms in the training data ``(p,)``.
    intercept_ : the prediction at the centre.
    """

    def __init__(self, *, extended: bool = True, pairs: bool = True) -> None:
        self.extended, self.pairs = extended, pairs

    def fit(self, X: Crystals, y: np.ndarray) -> EnergyCorrection:
        """Fit to crystals ``X`` and target ``y`` ``(n,)``."""
        from sklearn.linear_model import RidgeCV

        y = np.asarray(y, float)
        self.elements_ = np.unique(X.numbers)
        self.pairs_ = _pairs(X) if self.pairs else np.zeros((0, 2), np.int64)
        self.median_ = _median(energies(X))
        terms = self._terms(X)
        self.centre_, self.spread_ = terms.mean(axis=0), terms.std(axis=0)
        fractions = len(self.elements_)
        scale = np.where(self.spread_ > 1e-9 * np.abs(self.centre_), self.spread_, 1.0)
        scale[:fractions] = 1.0
        scale[fractions : fractions + len(self.pairs_)] = 1.0 / PAIR_SCALE
        model = RidgeCV(PENALTIES).fit((terms - self.centre_) / scale, y)
        self.intercept_ = float(model.intercept_)
        self.coefficients_ = np.ascontiguousarray(model.coef_ / scale)
        offsets = self.coefficients_[:fractions]
        self.coefficients_[:fractions] = offsets - offsets @ self.centre_[:fractions]
        return self

    def predict(self, X: Crystals) -> np.ndarray:
        """Predictions ``(n,)``."""
        return self.intercept_ + self.contributions(X).sum(axis=1)

    def contributions(self, X: Crystals) -> np.ndarray:
        """What each term adds ``(n, p)``; with the intercept they sum to the prediction."""
        check_is_fitted(self, "coefficients_")
        return (self._terms(X) - self.centre_) * self.coefficients_

    def terms(self) -> list[Term]:
        """What the contributions belong to."""
        from iceframe.scale.descriptors._compositions import symbols

        names = symbols()
        fractions = [Term(f"{names[z - 1]} fraction", "", 0.1) for z in self.elements_]
        pairs = [
            Term(f"{names[z - 1]}–{names[a - 1]} pairs (product of fractions)", "", 0.1)
            for z, a in self.pairs_
        ]
        return [*fractions, *pairs, ENERGY, *((IONICITY, VOLUME) if self.extended else ())]

    def describe(self) -> list[dict[str, Any]]:
        """A row a term, the most important first. ``coefficient``: what one standard deviation more
        does to the prediction; ``slope``: what one unit more does; ``meaning``: in words."""
        rows = []
        for j, term in enumerate(self.terms()):
            slope, spread = float(self.coefficients_[j]), float(self.spread_[j])
            ends = np.array([-2.0, 2.0]) * spread
            rows.append(
                {
                    "term": term.name,
                    "importance": abs(slope * spread),
                    "coefficient": slope * spread,
                    "slope": slope,
                    "unit": term.unit,
                    "meaning": _sentence(term, slope),
                    "x": (self.centre_[j] + ends).tolist(),
                    "y": (slope * ends).tolist(),
                }
            )
        return sorted(rows, key=lambda row: -row["importance"])

    def n_parameters(self) -> int:
        """Coefficients and intercept."""
        return len(self.coefficients_) + 1

    def state(self) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
        """Arrays and JSON values that :meth:`restore` needs."""
        arrays = {
            "elements": self.elements_,
            "pairs": self.pairs_,
            "coefficients": self.coefficients_,
            "centre": self.centre_,
            "spread": self.spread_,
        }
        return arrays, {"intercept": self.intercept_, "median": self.median_, **weights_state()}

    def restore(self, arrays: Mapping[str, np.ndarray], values: Mapping[str, Any]) -> Any:
        """Become the fitted estimator that gave this state.

        Raises
        ------
        InputError : the state is of another estimator, or of other weights of CHGNet.
        """
        check_weights(values)
        try:
            self.elements_ = np.array(arrays["elements"])
            self.pairs_ = np.array(arrays["pairs"]).reshape(-1, 2)
            self.coefficients_ = np.array(arrays["coefficients"])
            self.centre_, self.spread_ = np.array(arrays["centre"]), np.array(arrays["spread"])
            self.intercept_, self.median_ = float(values["intercept"]), float(values["median"])
        except (KeyError, TypeError, ValueError) as error:
            raise damaged(error) from error
        if len(self.coefficients_) != len(self.terms()):
            raise damaged(f"{len(self.coefficients_)} coefficients of {len(self.terms())} terms")
        return self

    def _terms(self, X: Crystals) -> np.ndarray:
        others = composition_terms(X, self.extended)
        others[:, 0] = np.where(np.isfinite(others[:, 0]), others[:, 0], self.median_)
        shares = element_fractions(X)
        pairs = shares[:, self.pairs_[:, 0] - 1] * shares[:, self.pairs_[:, 1] - 1]
        return np.hstack([shares[:, self.elements_ - 1], pairs, others])


def weights_state() -> dict[str, str]:
    """What a stored model says of the weights that its energies came from."""
    from iceframe.scale.foundation.chgnet_network import weights_digest

    return {"chgnet": weights_digest()}


def check_weights(values: Mapping[str, Any]) -> None:
    """Raise an :class:`InputError` where a stored model was made with other weights of CHGNet."""
    from iceframe.scale.foundation.chgnet_network import weights_digest

    if values.get("chgnet") != weights_digest():
        raise InputError(
            "CHGNet has other weights than when this model was made.",
            got=weights_digest(),
            allowed=values.get("chgnet"),
            hint="install the version of chgnet that made it, or run again",
        )


def damaged(reason: object) -> InputError:
    """The error for a stored model that lacks something."""
    return InputError(
        "This stored model does not fit its settings.",
        got=reason,
        hint="restore the rung's folder from a copy, or delete it and run again",
    )


def _pairs(crystals: Crystals) -> np.ndarray:
    """Atomic numbers ``(q, 2)`` of element and anion former that some crystal holds together."""
    there = element_fractions(crystals) > 0
    together = there.T.astype(np.int64) @ there.astype(np.int64) > 0
    formers = [a for a in ANION_FORMERS if there[:, a - 1].any()]
    found = [
        (z, a)
        for a in formers
        for z in np.flatnonzero(together[a - 1]) + 1
        if z != a and not (z in formers and z < a)  # a pair of two formers counts once
    ]
    return np.array(found, np.int64).reshape(-1, 2)


def _median(values: np.ndarray) -> float:
    known = values[np.isfinite(values)]
    return float(np.median(known)) if len(known) else 0.0


def _sentence(term: Term, slope: float) -> str:
    change = f"changes the prediction by {slope * term.step:+.3g}"
    if term.name.endswith(" fraction"):
        symbol = term.name.removesuffix(" fraction")
        return f"{term.step:g} more {symbol} in place of the average atom {change}."
    unit = f" {term.unit}" if term.unit else ""
    return f"{term.step:g}{unit} more of the {term.name} {change}, all else equal."
