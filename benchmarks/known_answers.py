"""Generalised degrees of freedom of models whose number is known, as a Markdown table.

python benchmarks/known_answers.py
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from sklearn.linear_model import LinearRegression
from sklearn.neighbors import KNeighborsRegressor

from iceframe.measure.complexity import generalised_degrees_of_freedom

N, REPLICATES = 300, 2000


def main() -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(N, 40))
    y = x[:, 0] - 2 * x[:, 1] + rng.normal(size=N)
    cases: list[tuple[str, float, Callable[[np.ndarray], np.ndarray]]] = [
        (
            f"least squares, {p} terms",
            p,
            lambda t, p=p: LinearRegression().fit(x[:, : p - 1], t).predict(x[:, : p - 1]),
        )
        for p in (3, 10, 40)
    ]
    cases += [
        (
            f"{k}-nearest neighbours",
            N / k,
            lambda t, k=k: KNeighborsRegressor(k).fit(x[:, :3], t).predict(x[:, :3]),
        )
        for k in (1, 5, 15)
    ]
    print("| model | known | τ = 0.5 sd (95 %) | τ = 0.1 sd (95 %) | largest deviation |")
    print("|---|---|---|---|---|")
    for name, known, refit in cases:
        estimates = [
            generalised_degrees_of_freedom(refit, y, tau_fraction=tau, replicates=REPLICATES)
            for tau in (0.5, 0.1)
        ]
        shown = [f"{e.value:.2f} ({e.low:.2f}–{e.high:.2f})" for e in estimates]
        off = max(abs(e.value / known - 1) for e in estimates)
        print(f"| {name} | {known:g} | {shown[0]} | {shown[1]} | {off:.1%} |")


if __name__ == "__main__":
    main()
