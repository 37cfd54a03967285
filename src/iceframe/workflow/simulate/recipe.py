"""A recipe: what to simulate, as plain values whose every field is checked before any work.

:func:`iceframe.workflow.simulate.loading.load_recipe` makes one from a YAML file or a mapping, and
says with line and field what is wrong.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from iceframe.workflow.simulate.draws import Draw
from iceframe.workflow.simulate.fields import (
    AS_WRITTEN,
    METRES,
    Names,
    Number,
    Phases,
    Positive,
    Times,
    Whole,
    to_draw,
    to_factors,
    to_sensitivities,
    to_shape,
    written,
    wrong,
)

MOST_SAMPLES = 10**7
MOST_VOXELS = 2**28  # a work array of float64 then takes 2 GiB, and there are a dozen


class Section(BaseModel):
    """A part of a recipe: unknown fields are errors."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class Voxel(Section):
    """Physical length of a voxel's edge."""

    size: Annotated[Number, Field(gt=0)]
    unit: Annotated[str, Field(min_length=1)] = "um"


class ElasticityRecipe(Section):
    """Isotropic phases: Young's moduli and Poisson's ratios; a preset brings its own."""

    young: Phases | None = None
    poisson: Phases | None = None
    state: Literal["plane strain", "plane stress"] = "plane strain"
    unit: str = "GPa"

    @model_validator(mode="after")
    def _physical(self) -> ElasticityRecipe:
        for where, draw in each_phase("young", self.young):
            if draw.low < 0:
                raise wrong("A Young's modulus is negative.", where=where, got=draw.low,
                            allowed="0 (a void) or more")  # fmt: skip
        for where, draw in each_phase("poisson", self.poisson):
            if draw.low <= -1 or draw.high >= 0.5:
                got = draw.low if draw.low <= -1 else draw.high
                raise wrong(
                    "A Poisson's ratio is out of range.",
                    where=where,
                    got=got,
                    allowed="above -1, below 0.5",
                    hint="for a nearly incompressible phase take 0.49",
                )
        _same_phases(self.young, self.poisson, "poisson", "young")
        return self


class CubicRecipe(Section):
    """Crystals of one cubic material, turned as the generator's grains are."""

    c11: Number
    c12: Number
    c44: Number
    state: Literal["plane strain", "plane stress"] = "plane strain"
    unit: str = "GPa"

    @model_validator(mode="after")
    def _stable(self) -> CubicRecipe:
        if not (self.c44 > 0 and self.c11 > abs(self.c12) and self.c11 + 2 * self.c12 > 0):
            raise wrong(
                "This cubic crystal is not stable.",
                got=f"c11 = {self.c11:g}, c12 = {self.c12:g}, c44 = {self.c44:g}",
                allowed="c44 > 0, c11 > |c12|, c11 + 2 c12 > 0 (Born's conditions)",
            )
        return self


class ConductivityRecipe(Section):
    """Conductivity of heat or charge, diffusivity or permittivity: one law, another unit."""

    values: Phases | None = None
    unit: str = "W/(m K)"

    @model_validator(mode="after")
    def _physical(self) -> ConductivityRecipe:
        for where, draw in each_phase("values", self.values):
            if draw.low < 0:
                raise wrong("A conductivity is negative.", where=where, got=draw.low,
                            allowed="0 (a void) or more")  # fmt: skip
        return self


class PropertyRecipe(Section):
    """What to compute of each microstructure."""

    elasticity: ElasticityRecipe | None = None
    cubic: CubicRecipe | None = None
    conductivity: ConductivityRecipe | None = None

    @model_validator(mode="after")
    def _something(self) -> PropertyRecipe:
        if not self.asked():
            raise wrong("No property is named.", allowed="elasticity, cubic, conductivity")
        if self.elasticity is not None and self.cubic is not None:
            raise wrong("Two stiffnesses are asked for.", allowed="elasticity or cubic, not both")
        return self

    def asked(self) -> tuple[str, ...]:
        """The properties to compute, in the order of their columns."""
        return tuple(n for n in type(self).model_fields if getattr(self, n) is not None)


class CahnHilliardRecipe(Section):
    """A composition that separates into two phases; see :mod:`iceframe.physics.phase_field`.

    Starts from the generator's two phases, else from noise about ``composition`` with standard
    deviation ``noise`` (both in units of the distance between the phases).
    """

    model: Literal["cahn_hilliard"]
    times: Times
    barrier: Positive
    gradient_energy: Positive
    mobility: Positive
    composition: Annotated[Draw, BeforeValidator(to_draw), AS_WRITTEN] = Draw(0.5, 0.5)
    noise: Positive = 0.02
    tolerance: Positive = 1e-4
    max_steps: Annotated[Whole, Field(ge=1)] = 100_000

    @model_validator(mode="after")
    def _physical(self) -> CahnHilliardRecipe:
        if self.composition.low <= 0 or self.composition.high >= 1:
            raise wrong(
                "A mean composition lies between the two phases.",
                where="composition",
                got=self.composition.written,
                allowed="above 0, below 1",
            )
        return self


class GrainGrowthRecipe(Section):
    """Grain growth from the generator's grains; see :mod:`iceframe.physics.phase_field`."""

    model: Literal["grain_growth"]
    times: Times
    boundary_width: Positive
    boundary_energy: Positive
    boundary_mobility: Positive
    orders: Annotated[Whole, Field(ge=2)] = 20
    tolerance: Positive = 1e-4
    max_steps: Annotated[Whole, Field(ge=1)] = 100_000


class SolverRecipe(Section):
    """How exactly, and where; see :func:`iceframe.physics.homogenize`."""

    tolerance: Annotated[Number, Field(gt=0, lt=1)] = 1e-5
    precision: Literal["single", "double"] = "single"
    device: Annotated[str, Field(min_length=1)] = "cpu"
    max_iterations: Annotated[Whole, Field(ge=1)] = 5000


class Recipe(Section):
    """A data set to simulate; see ``docs/how-to/simulate-a-data-set.md``."""

    generator: Names | None = None
    preset: str | None = None
    shape: Annotated[tuple[Annotated[Whole, Field(ge=3)], ...], BeforeValidator(to_shape)]
    samples: Annotated[Whole, Field(ge=1, le=MOST_SAMPLES)]
    seed: Annotated[Whole, Field(ge=0, lt=2**63)] = 0
    voxel: Voxel | None = None
    factors: Annotated[Any, BeforeValidator(to_factors), AS_WRITTEN] = Field(default_factory=dict)
    property: PropertyRecipe | None = None
    evolution: (
        Annotated[CahnHilliardRecipe | GrainGrowthRecipe, Field(discriminator="model")] | None
    ) = None
    sensitivities: Annotated[Any, BeforeValidator(to_sensitivities), AS_WRITTEN] = False
    solver: SolverRecipe = SolverRecipe()

    @model_validator(mode="after")
    def _agrees(self) -> Recipe:
        voxels = math.prod(self.shape)
        if voxels > MOST_VOXELS:
            raise wrong("A sample of this shape does not fit into memory.", where="shape",
                        got=f"{voxels:,} voxels", allowed=f"{MOST_VOXELS:,}")  # fmt: skip
        noise = isinstance(self.evolution, CahnHilliardRecipe)
        if (self.generator is None) == (self.preset is None) and not (noise and not self.preset):
            raise wrong(
                "A recipe names one source of microstructures.",
                got="both a generator and a preset" if self.preset else "neither",
                allowed="generator or preset",
                hint="list the generators: iceframe list generators",
            )
        if self.sensitivities and self.property is None:
            raise wrong("Sensitivities of what?", where="sensitivities", got=self.sensitivities,
                        hint="name a property")  # fmt: skip
        if self.evolution is not None:
            self._evolves()
        self._constants()
        self._sensitive()
        return self

    def _constants(self) -> None:
        """Presets bring the constants of their phases; generators do not."""
        if self.property is None or self.preset is not None:
            return
        for name, constant in (("elasticity", "young"), ("conductivity", "values")):
            section = getattr(self.property, name)
            if section is not None and getattr(section, constant) is None:
                where = f"property.{name}.{constant}"
                raise wrong(f"The field '{constant}' is missing.", where=where, got="nothing",
                            allowed="one value for each phase of the generator")  # fmt: skip

    def _evolves(self) -> None:
        if self.property is not None:
            raise wrong(
                "A recipe has a property or an evolution.",
                where="property",
                got="both",
                hint="simulate the property of generated structures in a data set of its own",
            )
        if self.voxel is None or self.voxel.unit not in METRES:
            raise wrong(
                "An evolution needs the length of a voxel.",
                where="voxel",
                got=self.voxel.unit if self.voxel else "none",
                allowed="voxel: {size: 0.5, unit: nm}, the unit one of " + ", ".join(METRES),
            )

    def _sensitive(self) -> None:
        """With voids the derivative exists, but the displacement inside a void does not."""
        if not self.sensitivities or self.property is None:
            return
        if self.property.cubic is not None:
            raise wrong(
                "Sensitivities of crystals are not computed.",
                where="sensitivities",
                got=self.sensitivities,
                hint="leave them out, or use elasticity",
            )
        stiff = self.property.elasticity.young if self.property.elasticity else ()
        heat = self.property.conductivity.values if self.property.conductivity else ()
        for name, phases in (("elasticity.young", stiff), ("conductivity.values", heat)):
            for where, draw in each_phase(f"property.{name}", phases):
                if draw.low == 0:
                    raise wrong(
                        "Sensitivities need a solid: this phase is a void.",
                        where=where,
                        got=draw.low,
                        allowed="above 0",
                        hint="give the void a small value, for instance 1e-4 of the matrix's",
                    )

    def plain(self) -> dict[str, Any]:
        """The recipe as JSON or YAML values, complete with its defaults."""
        return self.model_dump(mode="json", exclude_none=True)


def each_phase(name: str, phases: Any) -> Iterator[tuple[str, Draw]]:
    """The draws of a property with the field that each stands in; none where a preset has them."""
    if phases is None:
        return
    if isinstance(phases, Mapping):
        yield from ((f"{name}.{key}", draw) for key, draw in phases.items())
    else:
        yield from ((f"{name}[{i}]", draw) for i, draw in enumerate(phases))


def _same_phases(first: Any, second: Any, where: str, other: str) -> None:
    keys = [
        set(phases) if isinstance(phases, Mapping) else set(range(len(phases or ())))
        for phases in (first, second)
    ]
    if keys[0] != keys[1]:
        raise wrong(
            f"'{where}' and '{other}' do not name the same phases.",
            where=where,
            got=written(second),
            allowed="one value for each phase of " + other,
        )
