"""The columns of a simulated table: names as the field writes them, roles, units, symmetries.

Stiffness in Voigt's notation, ``C11`` … ``C66`` (in two dimensions 1, 2, 6 are xx, yy, xy);
conductivity by its axes, ``k_xx``, ``k_xy``, ….
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Literal

from iceframe.physics.components import tensor_names
from iceframe.physics.properties import AXES, VOIGT
from iceframe.workflow.simulate.recipe import CahnHilliardRecipe, Recipe

Role = Literal["id", "generator", "factor", "condition", "property", "solver"]

SOLVED = ("status", "iterations", "residual")
EVOLVED = ("status", "steps")


@dataclass(frozen=True)
class Column:
    """One column. ``condition``: drawn, but not to be seen in the image (a constant of a phase).

    ``symmetries``: operations on the image that leave the column as it is.
    """

    name: str
    role: Role
    unit: str = ""
    meaning: str = ""
    symmetries: tuple[str, ...] = ("translate",)

    def plain(self) -> dict[str, Any]:
        """As JSON values."""
        return {**asdict(self), "symmetries": list(self.symmetries)}


def result_columns(recipe: Recipe) -> tuple[Column, ...]:
    """The columns that solving or evolving fills, in order; none for bare structures."""
    if recipe.evolution is not None:
        solved = [Column(name, "solver") for name in EVOLVED]
        return (*_evolution_columns(recipe), *solved)
    if recipe.property is not None:
        return (*_property_columns(recipe), *(Column(name, "solver") for name in SOLVED))
    return ()


def _evolution_columns(recipe: Recipe) -> list[Column]:
    dimension = len(recipe.shape)
    unit = recipe.voxel.unit if recipe.voxel else ""
    symmetries = ("flip", "rotate90", "translate")
    if isinstance(recipe.evolution, CahnHilliardRecipe):
        found = [("final_domain_size", unit, "2π over the first moment of the structure factor")]
    else:
        power, size = ("²", "area") if dimension == 2 else ("³", "volume")
        found = [
            ("final_grain_count", "", "grains in the cell"),
            (f"final_mean_grain_{size}", unit + power, f"mean {size} of the grains"),
        ]
    found.append(("final_energy", "J/m" if dimension == 2 else "J", "free energy of the cell"))
    return [
        Column(name, "property", unit, f"{text}, last frame", symmetries)
        for name, unit, text in found
    ]


def _property_columns(recipe: Recipe) -> list[Column]:
    assert recipe.property is not None
    dimension = len(recipe.shape)
    found = []
    for prop in recipe.property.asked():
        unit = getattr(recipe.property, prop).unit
        parts = AXES[:dimension] if prop == "conductivity" else VOIGT[dimension]
        pairs = [a + b for i, a in enumerate(parts) for b in parts[i:]]
        for name, letters in zip(tensor_names(prop, dimension), pairs, strict=True):
            # Mirrored along one axis, a component changes sign with each of its letters. Crystals
            # would have to be mirrored too.
            even = all(letters.count(axis) % 2 == 0 for axis in AXES)
            symmetric = even and prop != "cubic"
            symmetries = ("flip", "translate") if symmetric else ("translate",)
            law = "effective conductivity" if prop == "conductivity" else "effective stiffness"
            found.append(Column(name, "property", unit, law, symmetries))
    return found
