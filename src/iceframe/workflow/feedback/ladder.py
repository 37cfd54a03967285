"""The rungs that a search may try, in the order in which they would be climbed, and what is known
of each before it is measured.

Beside the rungs that are named, a search has on offer: ``mean``, by whose loss it is judged which
differences count; each glass box's variant that another rung teaches; and, where the law that makes
the target is known, each network's variant that is taught by physics.
"""

from __future__ import annotations

from collections.abc import Sequence

from iceframe.balance.families import EFFORTS
from iceframe.balance.situation import RungFacts
from iceframe.core.dataset import Dataset, SupervisedImages
from iceframe.core.errors import InputError, UsageError
from iceframe.scale.rung import RUNGS
from iceframe.workflow.physics import testable
from iceframe.workflow.settings import rungs_named

DUMMY = "mean"
PRETRAINED = "micrographs_probe"


def facts_of(rung: str) -> RungFacts:
    """What the field of the ladder says of a rung.

    >>> facts = facts_of("cnn")
    >>> facts.input, facts.supervised_by, facts.glass_box
    ('image', 'sobolev_cnn', False)
    >>> facts_of("sobolev_cnn").supervised, facts_of("micrographs_probe").pretrained
    (True, True)
    """
    kind = RUNGS[rung]
    return RungFacts(
        rung,
        kind.input,
        kind.effort,
        kind.glass_box,
        supervised_by=next(iter(_taught(rung)), ""),
        supervised=kind.supervised,
        pretrained=kind.pretrained,
        distilled=kind.distils,
        family=kind.family,
    )


def knows_sensitivities(data: Dataset) -> bool:
    """Whether the images come with the target's derivative to every pixel."""
    return isinstance(data.images, SupervisedImages) and data.images.supervised


def ladder_for(
    asked: Sequence[str] | None, data: Dataset, forbidden: Sequence[str] = ()
) -> tuple[str, ...]:
    """The rungs on offer for ``data``, those of the least effort first, else in the order given.

    Raises
    ------
    UsageError : an empty ladder, an unknown rung, one that is named twice, or one that does not fit
        the task or the data.
    InputError : a rung that cannot look at such images.
    """
    named = _usual(data) if asked is None else list(asked)
    if not named:
        raise UsageError("The ladder is empty.", hint="name rungs: --ladder ridge,ebm")
    doubled = sorted({name for name in named if named.count(name) > 1})
    if doubled:
        raise UsageError("A rung is named twice in the ladder.", got=", ".join(doubled))
    teachable = testable(data) or knows_sensitivities(data)
    # Their sensitivities are computed when they are first wanted.
    taught = [name for name in named if teachable and RUNGS[name].supervised]
    others = [name for name in named if name not in taught]
    found = list(rungs_named(others, data)) if others else []
    if DUMMY not in found:
        found = [DUMMY, *found]
    if teachable and "supervise" not in forbidden:
        taught += [variant for name in found for variant in _taught(name)]
    distilled = [] if "distil" in forbidden else [s for name in found for s in _students(name)]
    whole = dict.fromkeys([*found, *taught, *distilled])
    return tuple(sorted(whole, key=lambda name: EFFORTS.index(RUNGS[name].effort)))


def _taught(rung: str) -> list[str]:
    """The rungs that are this network, taught by the solver's sensitivities."""
    return [name for name, kind in RUNGS.items() if kind.untaught == rung]


def _students(rung: str) -> list[str]:
    """The rungs that are this glass box once another rung has taught them."""
    return [name for name, kind in RUNGS.items() if kind.distils == rung]


def _usual(data: Dataset) -> list[str]:
    """The default ladder, with the pretrained encoder of micrographs where it can look at these."""
    usual = list(rungs_named(None, data))
    if data.images is None or (data.task or "regression") not in RUNGS[PRETRAINED].tasks:
        return usual
    try:
        RUNGS[PRETRAINED].check_images(data.images)
    except InputError:
        return usual
    return [*usual, PRETRAINED]


def start_of(ladder: Sequence[str]) -> list[str]:
    """The rungs that a search starts with: the light glass boxes, and two at least."""
    cheap = [n for n in ladder if RUNGS[n].effort == "light" and RUNGS[n].glass_box]
    return cheap if len(cheap) > 1 else list(ladder[:2])
