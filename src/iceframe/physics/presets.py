"""Presets: mixtures of generators with the factors and phase properties of a class of materials.

A recipe that says ``preset: metal`` draws its samples from the members of that preset in equal
numbers. Each member names a generator, the ranges that its factors are drawn from, and Young's
modulus, Poisson's ratio and thermal conductivity of every phase at room temperature, isotropic, in
the order of the generator's ``phase_names``. All numbers are plain; solvers are made elsewhere.
Factors without a range keep their default.

Each phase says where its numbers come from. "Estimate" marks a number that was derived or chosen
within a reported spread, not measured on that very phase: good for a contrast of the right
size, not for design. The cited numbers are those in common use and were not all compared with the
printed page: look them up before a result hangs on the third digit. Pores and cracks are voids to
elasticity, and air to conduction.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

YOUNG_UNIT = "GPa"
CONDUCTIVITY_UNIT = "W/(m K)"


@dataclass(frozen=True)
class PhaseMaterial:
    """One phase: ``young`` in GPa, ``conductivity`` in W/(m K), and the sources of the numbers."""

    material: str
    young: float
    poisson: float
    conductivity: float
    source: str


@dataclass(frozen=True)
class Member:
    """One generator of a preset.

    ``ranges`` factor -> (low, high), good in two and three dimensions; ``phases`` phase name ->
    material, in the order of the generator's ``phase_names``.
    """

    generator: str
    ranges: Mapping[str, tuple[float, float]]
    phases: Mapping[str, PhaseMaterial]

    @property
    def phase_names(self) -> tuple[str, ...]:
        return tuple(self.phases)

    @property
    def young(self) -> tuple[float, ...]:
        """Young's modulus of each phase, GPa; 0 is a void."""
        return tuple(p.young for p in self.phases.values())

    @property
    def poisson(self) -> tuple[float, ...]:
        return tuple(p.poisson for p in self.phases.values())

    @property
    def conductivity(self) -> tuple[float, ...]:
        """Thermal conductivity of each phase, W/(m K)."""
        return tuple(p.conductivity for p in self.phases.values())


@dataclass(frozen=True)
class Preset:
    """A class of materials as a mixture of generators."""

    name: str
    title: str
    members: tuple[Member, ...]


_DOWLING = "elasticity: Dowling, Mechanical Behavior of Materials, table 5.2"
_AIR = "void; conductivity of air at 300 K: CRC Handbook of Chemistry and Physics, sect. 6"

PORE = PhaseMaterial("air", 0.0, 0.0, 0.026, _AIR)
ALUMINA = PhaseMaterial(
    "sintered alpha-alumina",
    416.0,
    0.231,
    33.0,
    "Munro 1997, J. Am. Ceram. Soc. 80, 1919, at 20 degC (NIST SRD 150)",
)
SILICON_CARBIDE = PhaseMaterial(
    "sintered alpha-SiC",
    415.0,
    0.16,
    114.0,
    "Munro 1997, J. Phys. Chem. Ref. Data 26, 1195, at 20 degC, doi:10.1063/1.556000",
)
ALUMINIUM = PhaseMaterial(
    "aluminium",
    70.3,
    0.345,
    237.0,
    f"{_DOWLING}; conductivity at 300 K: CRC Handbook of Chemistry and Physics, sect. 12",
)
E_GLASS = PhaseMaterial(
    "E-glass", 72.4, 0.22, 1.3, f"{_DOWLING}; conductivity: estimate within handbooks' 1.0 to 1.35"
)
EPOXY = PhaseMaterial(
    "epoxy", 3.5, 0.33, 0.2, f"{_DOWLING}; conductivity: estimate within handbooks' 0.17 to 0.25"
)
IRON = PhaseMaterial(
    "ferrite, as pure iron",
    212.0,
    0.293,
    80.0,
    f"{_DOWLING}; conductivity at 300 K: CRC Handbook of Chemistry and Physics, sect. 12",
)
# Wiedemann-Franz with Matthiessen's rule at 300 K: k = 5 + 2.44e-8 · 300 / ρ, the lattice taking
# 5 W/(m K). Iron 10, 1.5 % Mn 7.5 and 0.4 % C in solution 12 (units of 1e-8 ohm m):
# ρ = 17.5 gives 47, ρ = 29.5 gives 30.
FERRITE = PhaseMaterial(
    "ferrite of a steel with 1.5 % Mn",
    212.0,
    0.293,
    47.0,
    f"{_DOWLING} (iron); conductivity: estimate by Matthiessen's rule and Wiedemann-Franz, within "
    "the steels of Peet et al. 2011, doi:10.1016/j.ijheatmasstransfer.2011.01.025",
)
MARTENSITE = PhaseMaterial(
    "martensite with 0.4 % C and 1.5 % Mn",
    201.4,
    0.296,
    30.0,
    "elasticity: steel with 0.75 % C, hardened, Kaye and Laby, Tables of Physical and Chemical "
    "Constants, sect. 2.2.2; conductivity: estimate by Matthiessen's rule and Wiedemann-Franz, "
    "within the steels of Peet et al. 2011, doi:10.1016/j.ijheatmasstransfer.2011.01.025",
)
CEMENTITE = PhaseMaterial(
    "cementite",
    196.0,
    0.28,
    8.0,
    "elasticity: estimate within the measurements reviewed by Umemoto and Ohtsuka 2022, ISIJ Int. "
    "62, 1313, doi:10.2355/isijinternational.isijint-2022-048; conductivity: Helsing and Grimvall "
    "1991, J. Appl. Phys. 70, 1198, doi:10.1063/1.349573",
)
GAMMA = PhaseMaterial(
    "nickel solid solution",
    199.5,
    0.312,
    13.4,
    "elasticity: nickel, soft, Kaye and Laby, Tables of Physical and Chemical Constants, sect. "
    "2.2.2; conductivity: estimate, that of Ni-20Cr",
)
# Hill's mean of Voigt and Reuss for C11, C12, C44 = 223, 148, 125 GPa: K = 173, G = 77 GPa.
GAMMA_PRIME = PhaseMaterial(
    "Ni3Al",
    201.0,
    0.306,
    28.9,
    "elasticity: Hill mean of the crystal constants of Kayser and Stassis 1981, phys. stat. sol. "
    "(a) 64, 335, doi:10.1002/pssa.2210640136; conductivity: Williams, Graves, Weaver and McElroy "
    "1985, MRS Proc. 39, 505 (stoichiometric, 300 K)",
)


def _member(
    generator: str,
    ranges: dict[str, tuple[float, float]],
    phases: dict[str, PhaseMaterial],
) -> Member:
    return Member(generator, MappingProxyType(ranges), MappingProxyType(phases))


_METAL = Preset(
    "metal",
    "Two-phase metals: dual-phase steel, pearlite, nickel superalloys",
    (
        _member(
            "dual_phase",
            {
                "volume_fraction": (0.1, 0.4),
                "grain_size": (10.0, 20.0),
                "island_size": (3.0, 7.0),
                "continuity": (0.0, 1.0),
            },
            {"ferrite": FERRITE, "martensite": MARTENSITE},
        ),
        _member(
            "lamellar",
            {
                # Pearlite holds 12 % of cementite; lamellae thinner than a voxel cannot be drawn.
                "volume_fraction": (0.15, 0.3),
                "spacing": (7.0, 14.0),
                "waviness": (0.0, 0.1),
                "angle": (0.0, 180.0),
            },
            {"ferrite": IRON, "cementite": CEMENTITE},
        ),
        _member(
            "gamma_prime",
            {
                "volume_fraction": (0.3, 0.7),
                "size": (8.0, 14.0),
                "size_spread": (0.0, 0.2),
                "cuboidality": (2.0, 8.0),
                "jitter": (0.0, 0.12),
                "rafting": (1.0, 2.0),
            },
            {"gamma": GAMMA, "gamma_prime": GAMMA_PRIME},
        ),
    ),
)

_CERAMIC = Preset(
    "ceramic",
    "Porous, sintered and cracked alumina",
    (
        _member(
            "overlapping_spheres",
            {"volume_fraction": (0.02, 0.4), "size": (4.0, 10.0), "size_spread": (0.0, 0.4)},
            {"solid": ALUMINA, "pore": PORE},
        ),
        _member(
            "sintered",
            {"porosity": (0.05, 0.4), "sintering": (0.0, 1.0), "size": (6.0, 12.0)},
            {"solid": ALUMINA, "pore": PORE},
        ),
        _member(
            "cracked",
            {
                "density": (0.02, 0.2),
                "length": (8.0, 14.0),
                "thickness": (1.5, 2.5),
                "angle": (0.0, 180.0),
                "alignment": (0.0, 1.0),
                "intergranular": (0.0, 1.0),
            },
            {"solid": ALUMINA, "crack": PORE},
        ),
    ),
)

_COMPOSITE = Preset(
    "composite",
    "Particles and fibres in a matrix, and interpenetrating phases",
    (
        _member(
            "particles",
            {
                "volume_fraction": (0.05, 0.4),
                "size": (5.0, 9.0),
                "size_spread": (0.0, 0.3),
                "aspect": (1.0, 2.0),
                "angle": (0.0, 180.0),
                "alignment": (0.0, 1.0),
                "clustering": (0.0, 1.0),
            },
            {"matrix": ALUMINIUM, "particle": SILICON_CARBIDE},
        ),
        _member(
            "fibres",
            {
                "volume_fraction": (0.05, 0.25),
                "diameter": (3.0, 4.5),
                "aspect": (3.0, 7.0),
                "angle": (0.0, 180.0),
                "alignment": (0.0, 1.0),
            },
            {"matrix": EPOXY, "fibre": E_GLASS},
        ),
        _member(
            "random_field",
            {"volume_fraction": (0.3, 0.7)},
            {"matrix": ALUMINIUM, "second phase": ALUMINA},
        ),
    ),
)

PRESETS: Mapping[str, Preset] = MappingProxyType(
    {p.name: p for p in (_METAL, _CERAMIC, _COMPOSITE)}
)
