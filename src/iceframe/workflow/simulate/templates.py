"""Recipes to start from: one a subject, each complete, commented and quick to make."""

from __future__ import annotations

import difflib

from iceframe.core.errors import UsageError

_CONDUCTION = """\
# Two phases of random shape, and how well they conduct heat.
generator: random_field        # see: iceframe list generators
shape: [64, 64]                # voxels; three numbers make volumes
samples: 300
seed: 0
voxel: {size: 0.5, unit: um}

factors:                       # what is left out keeps its default
  volume_fraction: [0.2, 0.8]  # uniform in a range
  length: [2, 8]
  anisotropy: [1, 4]
  angle: [0, 180]

property:
  conductivity: {values: [1, 50], unit: W/(m K)}  # one value a phase
"""

_ELASTIC = """\
# Stiffness of a two-phase material, with its exact sensitivity to every voxel.
generator: random_field
shape: [64, 64]
samples: 500
seed: 0

factors:
  volume_fraction: [0.2, 0.8]
  length: [2, 8]

property:
  elasticity:
    young: [70, 400]           # one value a phase; a range [60, 80] or {values: [...]} varies it
    poisson: [0.33, 0.2]
    state: plane strain        # or plane stress
    unit: GPa

sensitivities: true            # or some components, such as [C11, C66]

solver: {tolerance: 1e-5, precision: single, device: cpu, max_iterations: 5000}
"""

_VOLUME = """\
# Volumes of 32³ voxels: conductivity along three axes, the contrast drawn over three decades.
generator: random_field
shape: [32, 32, 32]
samples: 200
seed: 0

factors: all                   # every factor of the generator, over the range that it declares

property:
  conductivity:
    values: [1, {low: 2, high: 1000, log: true}]
    unit: W/(m K)
"""

_POLYCRYSTAL = """\
# Copper grains of random orientation.
generator: voronoi
shape: [64, 64]
samples: 300
seed: 0

property:
  cubic: {c11: 168.4, c12: 121.4, c44: 75.4, unit: GPa}
"""

_METAL = """\
# Dual-phase steel, pearlite and a nickel superalloy: stiffness and conductivity of a mixture.
preset: metal                  # or ceramic, composite: generators, factors and phases are set
shape: [64, 64]
samples: 300
seed: 0

property:                      # the preset brings the constants of its phases
  elasticity: {state: plane strain}
  conductivity: {}
"""

_SPINODAL = """\
# A composition that separates and coarsens, from noise; a model may predict the end from the start.
shape: [64, 64]
samples: 100
seed: 0
voxel: {size: 0.5, unit: nm}

evolution:
  model: cahn_hilliard
  composition: [0.35, 0.65]    # mean, 0 and 1 being the two phases
  noise: 0.02
  barrier: 3.0e+7              # J/m³
  gradient_energy: 9.4e-11     # J/m; the interface is √(κ / 2b) = 1.25 nm wide
  mobility: 1.0e-26            # m⁵/(J s)
  times: [5, 10, 20, 40]       # s; the first frame is the image that models look at
"""

TEMPLATES = {
    "conduction": _CONDUCTION,
    "elastic": _ELASTIC,
    "volume": _VOLUME,
    "polycrystal": _POLYCRYSTAL,
    "metal": _METAL,
    "spinodal": _SPINODAL,
}


def template(name: str) -> str:
    """The text of a recipe.

    Raises
    ------
    UsageError : no recipe of this name; the nearest is offered.

    Examples
    --------
    >>> template("elastic").splitlines()[1]
    'generator: random_field'
    """
    if name not in TEMPLATES:
        near = difflib.get_close_matches(name, TEMPLATES, n=1, cutoff=0.5)
        raise UsageError(
            f"No template is called '{name}'." + (f" Did you mean '{near[0]}'?" if near else ""),
            allowed=", ".join(TEMPLATES),
        )
    return TEMPLATES[name]
