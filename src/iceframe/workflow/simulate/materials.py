"""Constants of the phases: one a phase and property, fixed or drawn for every sample."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import pandas as pd

from iceframe.core.errors import InputError
from iceframe.physics.presets import CONDUCTIVITY_UNIT, YOUNG_UNIT
from iceframe.workflow.simulate.columns import Column
from iceframe.workflow.simulate.draws import Draw
from iceframe.workflow.simulate.families import Family, unknown_name
from iceframe.workflow.simulate.loading import Loaded
from iceframe.workflow.simulate.recipe import Recipe, each_phase

CONSTANTS = {"elasticity": ("young", "poisson"), "conductivity": ("values",), "cubic": ()}


def material_values(
    recipe: Recipe, table: pd.DataFrame, family: Family, prop: str, constant: str
) -> np.ndarray:
    """A constant of the family's phases: ``(k,)``, or ``(len(table), k)`` where samples differ."""
    given = getattr(getattr(recipe.property, prop), constant)
    if given is None:
        return np.array(family.constants[constant])
    draws = dict(_by_phase(given, family.phase_names))
    if not any(draw.varies for draw in draws.values()):
        return np.array([draw.low for draw in draws.values()])
    found = [
        table[_condition_name(prop, constant, key)].to_numpy(float)
        if draw.varies
        else np.full(len(table), draw.low)
        for key, draw in draws.items()
    ]
    return np.stack(found, axis=1)


def conditions(loaded: Loaded, families: tuple[Family, ...]) -> Iterator[tuple[Column, Draw]]:
    """Constants of phases that differ from sample to sample, as columns."""
    wanted = loaded.recipe.property
    for prop in wanted.asked() if wanted else ():
        section = getattr(wanted, prop)
        for constant in CONSTANTS[prop]:
            field = f"property.{prop}.{constant}"
            given = getattr(section, constant)
            if given is None:
                _check_preset(prop, constant, families, loaded)
                continue
            _require_phases(given, families, loaded, field)
            unit = "" if constant == "poisson" else section.unit
            keys = given if isinstance(given, Mapping) else range(len(given))
            for key, (_, draw) in zip(keys, each_phase(field, given), strict=True):
                if draw.varies:
                    name = _condition_name(prop, constant, str(key))
                    yield Column(name, "condition", unit, f"{constant} of phase {key}"), draw


def _check_preset(prop: str, constant: str, families: tuple[Family, ...], loaded: Loaded) -> None:
    """What a preset brings has one unit, and may hold voids."""
    recipe = loaded.recipe
    if constant == "poisson":  # told with the moduli
        return
    unit = YOUNG_UNIT if prop == "elasticity" else CONDUCTIVITY_UNIT
    given = getattr(recipe.property, prop).unit
    if given != unit:
        raise InputError(
            "The constants of a preset have their own unit.",
            where=loaded.where(f"property.{prop}.unit"),
            got=given,
            allowed=unit,
        )
    for family in families:
        if recipe.sensitivities and 0.0 in family.constants[constant]:
            void = family.phase_names[family.constants[constant].index(0.0)]
            raise InputError(
                f"Sensitivities need solids: '{void}' of '{family.name}' is a void.",
                where=loaded.where("sensitivities"),
                hint=f"leave them out, or state {constant} by phase name, the void's small",
            )


def _condition_name(prop: str, constant: str, key: str) -> str:
    return f"{prop if constant == 'values' else constant}_{key.replace(' ', '_')}"


def _by_phase(given: Any, phase_names: tuple[str, ...]) -> Iterator[tuple[str, Draw]]:
    if isinstance(given, Mapping):
        yield from ((name, given[name]) for name in phase_names)
    else:
        yield from ((str(i), draw) for i, draw in enumerate(given))


def _require_phases(given: Any, families: tuple[Family, ...], loaded: Loaded, field: str) -> None:
    for family in families:
        names = family.phase_names
        listed = ", ".join(names)
        if not isinstance(given, Mapping):
            if len(given) != len(names):
                raise InputError(
                    "The number of values is not the number of phases.",
                    where=loaded.where(field),
                    got=len(given),
                    allowed=f"{len(names)}, the phases of '{family.name}': {listed}",
                )
            continue
        missing = [name for name in names if name not in given]
        if missing:
            raise InputError(
                f"The phase '{missing[0]}' of '{family.name}' has no value.",
                where=loaded.where(field),
                got=", ".join(given),
                allowed=listed,
            )
    if isinstance(given, Mapping):
        known = {name for family in families for name in family.phase_names}
        for name in given:
            if name not in known:
                raise InputError(
                    unknown_name("phase", name, sorted(known)),
                    where=loaded.where(f"{field}.{name}"),
                    allowed=", ".join(sorted(known)),
                )
