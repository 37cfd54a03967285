"""The sources of the samples: generators in a mixture, each with its factors as drawn."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np

from iceframe.core.errors import InputError, UsageError
from iceframe.core.seeds import generator
from iceframe.physics.generator import GENERATORS, Factor, Generator
from iceframe.physics.presets import PRESETS
from iceframe.workflow.simulate.draws import Draw
from iceframe.workflow.simulate.fields import ALL
from iceframe.workflow.simulate.loading import Loaded
from iceframe.workflow.simulate.recipe import Recipe

NOISE = "noise"
_COMPOSITION = Factor(
    "composition", "mean composition, 0 and 1 being the two phases", 0.5, 0.3, 0.7, 0.0, 1.0
)


@dataclass(frozen=True)
class Family:
    """One generator of a mixture of m, or noise: makes the samples ``number``, ``number + m``, ….

    ``constants``: ``young``, ``poisson`` and ``values`` (conductivity) of the phases, where a
    preset brings them.
    """

    number: int
    name: str
    phase_names: tuple[str, ...]
    factors: tuple[Factor, ...]
    draws: Mapping[str, Draw]
    constants: Mapping[str, tuple[float, ...]] = field(default_factory=dict)

    @property
    def generated(self) -> bool:
        """Whether a generator makes the samples; else they start from noise."""
        return self.name != NOISE

    @property
    def kind(self) -> type[Generator]:
        """The generator's class."""
        return GENERATORS[self.name]


def families_of(loaded: Loaded) -> tuple[Family, ...]:
    """The families of a recipe, every factor checked against what its generator declares."""
    recipe = loaded.recipe
    if recipe.preset is not None:
        found = _members(loaded)
    elif recipe.generator is not None:
        found = [_family(i, name, loaded, {}) for i, name in enumerate(recipe.generator)]
    else:
        return (_noise(loaded),)
    families = tuple(found)
    if recipe.factors != ALL:
        known = list(dict.fromkeys(f.name for family in families for f in family.factors))
        for name in recipe.factors:
            if name not in known:
                raise InputError(
                    unknown_name("factor", name, known),
                    where=loaded.where(f"factors.{name}"),
                    allowed=", ".join(known),
                )
    return families


def _family(
    number: int, name: str, loaded: Loaded, ranges: Mapping[str, tuple[float, float]]
) -> Family:
    kind = _generator(name, loaded)
    dimension = len(loaded.recipe.shape)
    if dimension not in kind.dimensions:
        raise InputError(
            f"The generator '{name}' makes no structures of this dimension.",
            where=loaded.where("shape"),
            got=f"{dimension}-D",
            allowed=" or ".join(f"{d}-D" for d in kind.dimensions),
        )
    declared = tuple(f for f in kind.factors if dimension in f.dimensions)
    draws = {f.name: _draw_of(f, loaded, ranges.get(f.name)) for f in declared}
    return Family(number, name, tuple(kind.phase_names), declared, draws)


def _members(loaded: Loaded) -> list[Family]:
    name = str(loaded.recipe.preset)
    if name not in PRESETS:
        raise UsageError(
            unknown_name("preset", name, list(PRESETS)),
            where=loaded.where("preset"),
            allowed=", ".join(PRESETS),
        )
    return [
        replace(
            _family(i, member.generator, loaded, member.ranges),
            constants={
                "young": member.young,
                "poisson": member.poisson,
                "values": member.conductivity,
            },
        )
        for i, member in enumerate(PRESETS[name].members)
    ]


def _noise(loaded: Loaded) -> Family:
    recipe = loaded.recipe
    if recipe.factors:
        raise InputError(
            "Noise has no factors; its mean is the evolution's composition.",
            where=loaded.where("factors"),
        )
    composition = recipe.evolution.composition  # type: ignore[union-attr]
    return Family(0, NOISE, (), (_COMPOSITION,), {_COMPOSITION.name: composition})


def _generator(name: str, loaded: Loaded) -> type[Generator]:
    try:
        return GENERATORS[name]
    except UsageError as error:
        raise UsageError(
            error.what, where=loaded.where("generator"), got=error.got, allowed=error.allowed
        ) from error


def _draw_of(factor: Factor, loaded: Loaded, usual: tuple[float, float] | None) -> Draw:
    factors = loaded.recipe.factors
    given: Draw | str | None = ALL if factors == ALL else factors.get(factor.name)
    if given is None:
        return Draw(*(usual or (factor.default, factor.default)))
    if isinstance(given, str):  # the word "all"
        return Draw(factor.low, factor.high)
    low, high = given.low, given.high
    # Fractions 0 and 1 leave one phase only: the property is then that phase's, and a note says so.
    if low < factor.minimum or high > factor.maximum:
        raise InputError(
            f"'{factor.name}' is out of range.",
            where=loaded.where(f"factors.{factor.name}"),
            got=low if low < factor.minimum else high,
            allowed=f"from {factor.minimum:.4g} to {factor.maximum:.4g}",
            hint=factor.meaning,
        )
    if factor.whole and any(v != int(v) for v in (low, high, *given.values)):
        raise InputError(
            f"'{factor.name}' takes whole numbers only.",
            where=loaded.where(f"factors.{factor.name}"),
            got=given.written,
            hint=factor.meaning,
        )
    return given


def drawn(name: str, families: tuple[Family, ...], recipe: Recipe) -> np.ndarray:
    """One factor for all samples: NaN where a sample's generator does not have it."""
    values = np.full(recipe.samples, np.nan)
    for family in families:
        factor = next((f for f in family.factors if f.name == name), None)
        if factor is None:
            continue
        rng = generator(recipe.seed, "factor", name)
        numbers = family.draws[name].numbers(recipe.samples, rng, factor.whole)
        mine = np.arange(recipe.samples) % len(families) == family.number
        values[mine] = numbers[mine]
    return values


def unknown_name(what: str, name: str, known: list[str]) -> str:
    """What is wrong with a name, and the nearest that there is."""
    near = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
    return f"Unknown {what} '{name}'." + (f" Did you mean '{near[0]}'?" if near else "")
