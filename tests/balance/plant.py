"""A plant for the controller: it carries out what is proposed and invents the evidence.

The loss of a rung at n samples to train on is ``floor + slope (n/100)^-power``, times what its fold
and chance do to it; complexity and transparency are given. All follows from the seed and the names.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from iceframe.balance.action import Proposal
from iceframe.balance.controller import init, step
from iceframe.balance.goal import Goal
from iceframe.balance.record import goal_record, step_records
from iceframe.balance.situation import GIVEN, Measured, RungFacts, Situation, candidate_name
from iceframe.balance.state import Outcome, State
from iceframe.core.seeds import generator
from iceframe.core.values import Evidence

FOLDS = 5
EFFORT_SECONDS = {"light": 1.0, "medium": 4.0, "heavy": 20.0, "extreme": 200.0}


@dataclass(frozen=True)
class Truth:
    """What a rung would reach: see the module; ``agreement`` is PF*, where it has maps."""

    floor: float
    complexity: float
    slope: float = 0.0
    power: float = 0.5
    agreement: float = float("nan")
    fails: bool = False


FACTS = {
    "mean": RungFacts("mean", "table", "light", True, family="constant"),
    "ridge": RungFacts("ridge", "table", "light", True, family="linear"),
    "tree": RungFacts("tree", "table", "light", True, family="rules"),
    "ebm": RungFacts("ebm", "table", "heavy", True, family="additive"),
    "svm": RungFacts("svm", "table", "light", False, family="kernel"),
    "gp": RungFacts("gp", "table", "heavy", False, family="kernel"),
    "extra_trees": RungFacts("extra_trees", "table", "medium", False, family="trees"),
    "mlp": RungFacts("mlp", "table", "medium", False, family="network"),
    "cnn": RungFacts("cnn", "image", "heavy", False, supervised_by="sobolev_cnn"),
    "sobolev_cnn": RungFacts("sobolev_cnn", "image", "heavy", False, supervised=True),
    "micrographs_probe": RungFacts("micrographs_probe", "image", "medium", False, pretrained=True),
    "distilled_ebm": RungFacts("distilled_ebm", "table", "heavy", True, distilled="ebm"),
}
COMPLEXITIES = {
    "mean": 0.0,
    "ridge": 0.2,
    "tree": 0.3,
    "ebm": 0.4,
    "distilled_ebm": 0.41,
    "svm": 0.5,
    "micrographs_probe": 0.52,
    "gp": 0.55,
    "extra_trees": 0.6,
    "mlp": 0.65,
    "sobolev_cnn": 0.7,
    "cnn": 0.8,
}
TABLE = ("mean", "ridge", "tree", "ebm", "svm", "gp", "extra_trees", "mlp")
IMAGE = (*TABLE, "cnn")
LEVELS = {"constant": 0, "linear": 1, "additive": 2, "interacting": 3, "image": 4}
REACH = {  # the level of truth that a rung can follow
    "mean": 0,
    "ridge": 1,
    "tree": 1,
    "ebm": 2,
    "svm": 3,
    "gp": 3,
    "extra_trees": 3,
    "mlp": 3,
    "cnn": 4,
}


def planted(truth: str, noise: float = 0.3, waste: float = 0.03) -> dict[str, Truth]:
    """What each rung reaches on data of a known kind: the noise where it can follow, with a waste
    for every level that it could have been simpler; more where it cannot."""
    need = LEVELS[truth]
    found = {}
    for rung, reach in REACH.items():
        missing = 0.0 if reach >= need else 0.25 * (need - reach)
        floor = min(noise + missing, 1.0) if need else 1.0
        found[rung] = Truth(floor + waste * max(0, reach - need), COMPLEXITIES[rung])
    return found


@dataclass
class Plant:
    """Data of which the truth is known, and what was measured on them."""

    truth: Mapping[str, Truth]
    ladder: Sequence[str] = TABLE
    n: int = 300
    noise: float = 0.04
    seed: int = 0
    start: Sequence[str] = ("mean", "ridge")
    findings: list[dict[str, Any]] = field(default_factory=list)
    options: Mapping[str, Any] = field(default_factory=dict)
    flattery: Mapping[str, float] = field(default_factory=dict)  # loss shares a cue gives, by rung
    floors: str = "mae"

    def __post_init__(self) -> None:
        self.variants: dict[str, dict[str, Any]] = {GIVEN: {"n": self.n, "by": ""}}
        self.measured: dict[str, Measured] = {}
        self.evidence: list[Evidence] = []
        self.elapsed = 0.0
        self.clean: set[str] = set()
        for rung in self.start:
            self.measure(rung, GIVEN, 0)

    def situation(self) -> Situation:
        return Situation(
            **{
                "task": "regression",
                "loss": "mae",
                "n": self.n,
                "n_train": 0.8 * self.n,
                "n_test": 0.2 * self.n,
                "ladder": tuple(FACTS[name] for name in self.ladder),
                "candidates": dict(self.measured),
                "evidence": tuple(self.evidence),
                "findings": tuple(dict(f) for f in self.findings),
                "variants": {name: dict(about) for name, about in self.variants.items()},
                "elapsed": self.elapsed,
                **self.options,
            }
        )

    def perform(self, proposal: Proposal, number: int) -> None:
        arguments = dict(proposal.arguments)
        variant = arguments["variant"]
        if proposal.action == "simulate":
            variant = self._vary(variant, f"simulated {number}", arguments["samples"], "simulate")
        elif proposal.action in ("neutralise", "repair"):
            new = self._vary(variant, f"mended {number}", 0, proposal.action)
            for finding in self.findings:
                if finding["code"] == arguments["finding"]:
                    finding["repaired"] = new
            self.clean.add(new)
            variant = new
        self.measure(arguments.get("student") or arguments["rung"], variant, number)

    def _vary(self, base: str, name: str, more: int, by: str) -> str:
        self.variants[name] = {"n": self.variants[base]["n"] + more, "by": by}
        if base in self.clean:
            self.clean.add(name)
        return name

    def measure(self, rung: str, variant: str, number: int) -> None:
        name, truth = candidate_name(rung, variant), self.truth[rung]
        seconds = EFFORT_SECONDS[FACTS[rung].effort] * self.variants[variant]["n"] / self.n
        self.elapsed += seconds
        self.measured[name] = Measured(
            rung, variant, number, seconds, "it does not fit" * truth.fails
        )
        if truth.fails:
            return
        n = self.variants[variant]["n"] - 0.2 * self.n
        loss = truth.floor + truth.slope * (n / 100) ** -truth.power
        if variant not in self.clean:
            loss *= 1 - self.flattery.get(rung, 0.0)
        shared = generator(self.seed, "folds").normal(0, self.noise, FOLDS)
        own = generator(self.seed, "own", rung, variant).normal(0, self.noise / 3, FOLDS)
        folds = tuple(float(f) for f in loss * (1 + shared + own))
        self._add(name, "fidelity", "mae", float(np.mean(folds)), folds, "lower")
        scatter = generator(self.seed, "complexity", rung, variant).normal(0, 0.002)
        value = max(truth.complexity + float(scatter) * bool(truth.complexity), 0.0)
        for metric in ("complexity", "c1", "c2", "c3"):
            self._add(name, "complexity", metric, value, (), "lower")
        if np.isfinite(truth.agreement):
            wobble = generator(self.seed, "maps", rung, variant).normal(0, 0.01, FOLDS)
            maps = tuple(float(v) for v in truth.agreement + wobble)
            self._add(name, "transparency", "pf_star", float(np.mean(maps)), maps, "higher")

    def _add(self, name, axis, metric, value, folds, better) -> None:  # type: ignore[no-untyped-def]
        self.evidence.append(
            Evidence(name, axis, metric, value, folds=folds, better=better, n=self.n)
        )


@dataclass
class Search:
    """A search that ended: its states, what was proposed, and its record."""

    states: list[State]
    proposals: list[Proposal]
    outcome: Outcome
    records: list[tuple[str, dict[str, Any]]]

    @property
    def chosen(self) -> str | None:
        return self.outcome.equilibrium.rung

    @property
    def status(self) -> str:
        return str(self.outcome.equilibrium.status)

    @property
    def actions(self) -> list[str]:
        return [p.action for p in self.proposals]


def search(plant: Plant, goal: Goal | None = None) -> Search:
    """Drive the controller until it ends."""
    goal = goal or Goal()
    state, previous = init(goal), None
    records = [goal_record(goal)]
    states, proposals = [], []
    for number in range(1, goal.most_actions + 3):
        situation = plant.situation()
        state, result = step(state, situation)
        records += step_records(state, situation, result, previous)
        previous = situation
        states.append(state)
        if isinstance(result, Outcome):
            return Search(states, proposals, result, records)
        proposals.append(result)
        plant.perform(result, number)
    raise AssertionError("the search did not end")


def with_truth(truth: Mapping[str, Truth], **changes: Truth) -> dict[str, Truth]:
    return {**truth, **changes}


def reaching(truth: Truth, **changes: Any) -> Truth:
    return replace(truth, **changes)
