"""All that the controller may know, as values: what was measured, and what could be done.

A *candidate* is a rung at one state of the data. The data start as they were given (variant
``""``); an action that changes them makes another variant (``"simulated 200"``).
The candidate ``cnn`` on the first is called ``cnn``, on the other ``cnn @ simulated 200``; that
name stands in the ``rung`` of its Evidence, so that everything that compares rungs compares
candidates. Variants share the held-out samples of every fold, so the comparisons are paired.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from iceframe.core.values import Evidence, Task

GIVEN = ""  # the variant of the data as they were given


def candidate_name(rung: str, variant: str = GIVEN) -> str:
    """What a rung at a variant of the data is called.

    >>> candidate_name("cnn"), candidate_name("cnn", "simulated 200")
    ('cnn', 'cnn @ simulated 200')
    """
    return f"{rung} @ {variant}" if variant else rung


@dataclass(frozen=True)
class RungFacts:
    """What is known of a rung before it is measured: the field of the ladder.

    ``input``: ``table``, ``image`` or ``crystal``. ``effort``: ``light`` … ``extreme``.
    ``family``: the models that fail for the same reasons, as the rung names them; empty where it
    does not.
    ``supervised_by``: the rung that is the same network trained with the solver's sensitivities;
    ``supervised``: it is itself such a one. ``pretrained``: it starts from weights or features that
    were learned elsewhere. ``distilled``: the glass box it is (``ebm``), where a teacher makes it.
    """

    name: str
    input: str
    effort: str
    glass_box: bool
    supervised_by: str = ""
    supervised: bool = False
    pretrained: bool = False
    distilled: str = ""
    family: str = ""


@dataclass(frozen=True)
class Measured:
    """A candidate that was measured: its ``rung``, the ``variant`` of the data, which ``step`` of
    the trajectory measured it, the ``seconds`` that took, and the message where it ``failed``."""

    rung: str
    variant: str
    step: int
    seconds: float
    failed: str = ""


@dataclass(frozen=True)
class Situation:
    """What was measured so far, and what could be done next.

    Attributes
    ----------
    task, loss, rope, rope_source, level, n_train, n_test : as for
        :func:`iceframe.balance.decision.decide`; ``rope`` in the unit of the loss.
    n : labelled samples.
    ladder : the rungs that may be tried, in the order in which they would be climbed.
    candidates : by name, what was measured.
    evidence : all rows of all candidates; ``rung`` holds the candidate's name.
    findings : codes of what audits found, worst first, each with ``severity``, ``title``,
        ``remedy``, ``cue`` (what it is, for a nuisance cue), ``samples`` (how many are touched) and
        ``repaired`` (by which variant, else ``""``).
    physics : the law that makes the target is known and can be computed.
    sensitivities : how many of the samples have the solver's sensitivities.
    generator : new samples can be simulated from the recipe that made these.
    unlabelled : inputs without a target that are at hand.
    variants : the variants of the data that exist, ``""`` first, each with ``n`` (labelled samples
        to train on) and ``by`` (the action that made it).
    elapsed : seconds spent so far.
    """

    task: Task
    loss: str
    n: int
    n_train: float
    n_test: float
    ladder: tuple[RungFacts, ...]
    rope: float | None = None
    rope_source: str = "repeat error"
    level: float = 0.9
    candidates: Mapping[str, Measured] = field(default_factory=dict)
    evidence: tuple[Evidence, ...] = ()
    findings: tuple[Mapping[str, Any], ...] = ()
    physics: bool = False
    sensitivities: int = 0
    generator: bool = False
    unlabelled: int = 0
    variants: Mapping[str, Mapping[str, Any]] = field(
        default_factory=lambda: {GIVEN: {"n": 0, "by": ""}}
    )
    elapsed: float = 0.0
