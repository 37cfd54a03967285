"""Can be read from what a model makes of a sample how the sample was recorded?

A probe is a ridge regression (:mod:`~iceframe.measure.beyond_maps.held_out_ridge`) from the first
principal components of the latents, standardised, to a nuisance quantity, each sample left out in
turn; of a label (a detector) the probe foretells membership, and R² is over all of it. Three
questions are asked of every quantity, each against random deals *within groups of the target*, so
that what the target explains does not count, and adjusted for their number
(:mod:`~.multiplicity`):

* ``held``: R² of the part of the quantity that groups of the target do not explain;
* ``tells``: the share of the target's groups that the quantity tells (the share of variance between
  them, ε², corrected for chance; here the deals are over all samples);
* ``errs``: the squared rank correlation of the quantity with the model's error of a held-out
  sample, signed for a regression.

What is held *and* tells the target is a way round the material that is open to the model. What is
held but tells nothing costs capacity at most. Traps: a network holds everything that its images
show; brightness may be the material; with few samples nothing is found.

References: Alain & Bengio 2016, https://arxiv.org/abs/1610.01644 (probes); Phipson & Smyth 2010,
doi:10.2202/1544-6115.1585 (p-values of random deals).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from iceframe.core.seeds import generator
from iceframe.core.values import Finding
from iceframe.measure.audits.multiplicity import benjamini_hochberg, permutation_p
from iceframe.measure.audits.outcome import SURE, Examined
from iceframe.measure.beyond_maps.held_out_ridge import HeldOutRidge

KIND = "probes"
DRAWS = 999
MOST_COMPONENTS = 30
SAMPLES_A_COMPONENT = 10
FEWEST = 30
LOOKS = ("mean grey", "contrast", "sharpness", "file size")
"""Of images: these may be the material itself."""
MATTERS_HELD = 0.1
MATTERS_TELLS = 0.05
BATCH = 2**22


@dataclass(frozen=True)
class Probe:
    """Answers for one quantity: shares in [0, 1], the level that chance reaches in 5 % of deals,
    and adjusted p-values. ``itself``: the model is given the quantity as a feature."""

    name: str
    held: float
    held_by_chance: float
    held_p: float
    tells: float
    tells_p: float
    errs: float
    errs_p: float
    itself: bool = False

    @property
    def a_way_round(self) -> bool:
        """Held by the model and telling the target, both beyond chance and beyond trifles."""
        held = self.itself or (self.held_p < SURE and self.held >= MATTERS_HELD)
        return bool(held and self.tells_p < SURE and self.tells >= MATTERS_TELLS)


def probe(
    latents: np.ndarray,
    nuisances: Mapping[str, np.ndarray],
    groups: np.ndarray,
    errors: np.ndarray | None = None,
    *,
    given: tuple[str, ...] = (),
    seed: int = 0,
) -> tuple[Probe, ...]:
    """Probe ``latents`` ``(n, d)`` for each of ``nuisances``, numbers or labels ``(n,)``.

    Parameters
    ----------
    groups : the target's group of each sample ``(n,)``, codes from 0; −1 where unknown.
    errors : of held-out predictions ``(n,)``, NaN where there is none.
    given : names of the nuisances that are features of the model.

    Raises
    ------
    ValueError : fewer than :data:`FEWEST` samples whose group is known.
    """
    known = np.asarray(groups) >= 0
    if known.sum() < FEWEST:
        raise ValueError(f"{FEWEST} samples or more")
    ridge = HeldOutRidge(_components(np.asarray(latents, float)[known]))
    group = np.asarray(groups)[known]
    missed = None if errors is None else np.asarray(errors, float)[known]
    raw = [
        _one(ridge, name, np.asarray(values)[known], group, missed, name in given, seed)
        for name, values in nuisances.items()
    ]
    adjusted = {
        name: benjamini_hochberg(np.array([getattr(one, name) for one in raw]))
        for name in ("held_p", "tells_p", "errs_p")
    }
    return tuple(
        Probe(**{**asdict(one), **{name: float(p[i]) for name, p in adjusted.items()}})
        for i, one in enumerate(raw)
    )


def _components(latents: np.ndarray) -> np.ndarray:
    """Principal components of standardised latents, of unit variance ``(m, r)``."""
    x = np.where(np.isfinite(latents), latents, np.nan)
    empty = np.isnan(x).all(axis=0)
    x = x[:, ~empty]
    x = np.where(np.isnan(x), np.nanmedian(x, axis=0), x) if x.size else np.zeros((len(x), 1))
    x = x - x.mean(axis=0)
    spread = x.std(axis=0)
    x = x[:, spread > 1e-12] / spread[spread > 1e-12]
    if not x.shape[1]:
        return np.zeros((len(latents), 1))
    u, s, _ = np.linalg.svd(x, full_matrices=False)
    most = max(1, min(MOST_COMPONENTS, len(x) // SAMPLES_A_COMPONENT))
    kept = np.flatnonzero(s > 1e-6 * s[0])[:most]
    return np.asarray(u[:, kept] * np.sqrt(len(x)))


def _one(
    ridge: HeldOutRidge,
    name: str,
    values: np.ndarray,
    group: np.ndarray,
    errors: np.ndarray | None,
    itself: bool,
    seed: int,
) -> Probe:
    y = _as_numbers(values)
    rng = generator(seed, "probe", name)
    own = _less_groups(y, group)
    held = _r2(ridge, own[:, :, None])[0]
    null = np.concatenate([_r2(ridge, part) for part in _dealt(own, group, rng)])
    tells, tells_p = _told(y, group, rng)
    errs, errs_p = _erring(y, errors, group, rng)
    return Probe(
        name, 1.0 if itself else max(float(held), 0.0), float(np.quantile(null, 0.95)),
        1 / (1 + DRAWS) if itself else permutation_p(float(held), null),
        tells, tells_p, errs, errs_p, itself,
    )  # fmt: skip


def _as_numbers(values: np.ndarray) -> np.ndarray:
    """Ranks of numbers ``(m, 1)``, or membership of labels ``(m, q)``; missing ones at the mean."""
    from scipy.stats import rankdata

    if np.asarray(values).dtype.kind in "OUSb":
        labels, codes = np.unique(np.asarray(values).astype(str), return_inverse=True)
        return (codes[:, None] == np.arange(len(labels))).astype(float)
    x = np.asarray(values, float)
    known = np.isfinite(x)
    ranks = np.full(len(x), np.nan)
    ranks[known] = rankdata(x[known])
    return np.where(known, ranks, ranks[known].mean() if known.any() else 0.0)[:, None]


def _less_groups(y: np.ndarray, group: np.ndarray) -> np.ndarray:
    """What the mean of its group leaves of each row ``(m, q)``."""
    member = (group[:, None] == np.unique(group)).astype(float)
    return np.asarray(y - member @ ((member.T @ y) / member.sum(axis=0)[:, None]))


def _r2(ridge: HeldOutRidge, y: np.ndarray) -> np.ndarray:
    """Held-out R² ``(k,)`` of centred targets ``(m, q, k)``, over all of their q columns."""
    m, q, k = y.shape
    flat = y.reshape(m, q * k)
    missed = (flat - ridge.z @ ridge.weights(flat)) / np.maximum(1 - ridge.leverage, 1e-9)[:, None]
    spread = (flat**2).sum(axis=0).reshape(q, k).sum(axis=0) * (m / (m - 1)) ** 2
    lost = (missed**2).sum(axis=0).reshape(q, k).sum(axis=0)
    return np.asarray(np.where(spread > 0, 1 - lost / np.where(spread > 0, spread, 1), 0.0))


def _dealt(y: np.ndarray, group: np.ndarray, rng: np.random.Generator) -> Any:
    """Parts ``(m, q, k)`` of :data:`DRAWS` deals of the rows of ``y`` within their groups."""
    m, q = y.shape
    step = max(1, BATCH // (m * q))
    order = np.argsort(group, kind="stable")
    for start in range(0, DRAWS, step):
        k = min(step, DRAWS - start)
        # Sorted by group, then at random: a deal within each group.
        key = group[:, None] + rng.random((m, k))
        dealt = np.empty((m, k), int)
        dealt[order] = np.argsort(key, axis=0)
        yield np.moveaxis(y[dealt], 1, 2)


def _told(y: np.ndarray, group: np.ndarray, rng: np.random.Generator) -> tuple[float, float]:
    """ε² of the quantity between groups of the target, and its p-value."""
    codes = np.unique(group, return_inverse=True)[1]
    member = (codes[:, None] == np.arange(codes.max() + 1)).astype(float)
    sizes = member.sum(axis=0)[:, None]
    centred = y - y.mean(axis=0)
    total = float((centred**2).sum())
    if total <= 0:
        return 0.0, 1.0
    m, k = member.shape

    def share(order: np.ndarray) -> float:
        between = float(((member.T @ centred[order]) ** 2 / sizes).sum()) / total
        return 1 - (1 - between) * (m - 1) / (m - k)

    found = share(np.arange(m))
    null = np.array([share(rng.permutation(m)) for _ in range(DRAWS)])
    return max(found, 0.0), permutation_p(found, null)


def _erring(
    y: np.ndarray, errors: np.ndarray | None, group: np.ndarray, rng: np.random.Generator
) -> tuple[float, float]:
    """Squared multiple correlation of the quantity with the ranks of the errors, within groups."""
    from scipy.stats import rankdata

    if errors is None or np.isfinite(errors).sum() < FEWEST:
        return float("nan"), float("nan")
    known = np.isfinite(errors)
    x = _less_groups(y[known], group[known])
    e = _less_groups(rankdata(errors[known])[:, None], group[known])
    basis = np.linalg.svd(x, full_matrices=False)[0] if x.any() else np.zeros_like(x)
    basis = basis[:, : max(1, np.linalg.matrix_rank(x))]
    total = float((e**2).sum())
    if total <= 0 or not x.any():
        return 0.0, 1.0
    found = float(((basis.T @ e) ** 2).sum() / total)
    null = [
        ((basis.T @ part[:, 0, :]) ** 2).sum(axis=0) / total
        for part in _dealt(e, group[known], rng)
    ]
    return found, permutation_p(found, np.concatenate(null))


def examine(probes: tuple[Probe, ...], source: str, samples: int) -> Examined:
    """Findings on :func:`probe`'s answers; ``source``: what the latents are."""
    findings: list[Finding] = []
    cues: dict[int, str] = {}
    for one in sorted(probes, key=lambda p: -p.tells):
        if one.a_way_round:
            if one.itself:
                cues[len(findings)] = f"column {one.name}"
            findings.append(_way_round(one, source))
    silent = [
        p for p in probes
        if not p.a_way_round and not p.itself and p.held_p < SURE and p.held >= MATTERS_HELD
    ]  # fmt: skip
    if silent:
        names = ", ".join(f"{p.name} (R² {p.held:.2f})" for p in silent)
        findings.append(
            Finding(
                "nuisance-held",
                "note",
                f"The {source} hold how samples were recorded: {len(silent)} quantities",
                f"{names}, beyond what the target explains; none of them tells the target.",
                "nothing today; watch it where new samples are recorded in another way",
                value=max(p.held for p in silent),
            )
        )
    erring = [p for p in probes if p.errs_p < SURE]
    if erring:
        names = ", ".join(f"{p.name} (r² {p.errs:.2f}, p = {p.errs_p:.2g})" for p in erring)
        findings.append(
            Finding(
                "errors-follow-nuisance",
                "warning",
                f"Errors depend on how samples were recorded: {len(erring)} quantities",
                f"Held-out errors follow {names}, within groups of the target.",
                "record alike, or look at each condition by itself (`iceframe audit` does, for "
                "named groups)",
                value=max(p.errs for p in erring),
            )
        )
    facts = {"source": source, "samples": samples, "probes": [asdict(p) for p in probes]}
    return Examined(KIND, tuple(findings), facts, cues=cues)


def _way_round(one: Probe, source: str) -> Finding:
    how = (
        "the model is given it as a feature"
        if one.itself
        else f"held-out R² {one.held:.2f} beyond the target (by chance up to "
        f"{max(one.held_by_chance, 0):.2f}, p = {one.held_p:.2g})"
    )
    maybe = one.name in LOOKS and not one.itself
    return Finding(
        "nuisance-in-latents" if not one.itself else "nuisance-feature",
        "note" if maybe else "warning",
        f"The model may use '{one.name}' in place of the material"
        + (", or that is the material" if maybe else ""),
        f"The {source} hold it: {how}; and it tells the target: {one.tells:.0%} of its variance "
        f"lies between groups of the target (p = {one.tells_p:.2g}).",
        f"leave it out: --drop '{one.name}'"
        if one.itself
        else "record all samples alike, or normalise it away, and compare the scores",
        value=one.tells,
    )
