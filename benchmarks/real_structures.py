"""Effective stiffness of real segmented micrographs: computed property, sensitivity map, bounds.

    python benchmarks/real_structures.py --data DATA [--picture docs/images/real-structures.png]

DATA holds ``micrographs/superalloy/masks`` (γ′ in Ni superalloys) and ``micrographs/classes`` (one
segmented image of each of seven classes), laid out as in the project's notes on real data. Phase 1
(γ′, or the phase labelled 1; a third phase 2 likewise) is 1.2 or 10 times as stiff as phase 0,
Poisson's ratios 0.3, plane strain, in units of phase 0's Young's modulus.

The images are not periodic. They are taken as they are, opposite edges joined; what that costs is
estimated by the same image mirrored into a periodic cell four times its size.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

from iceframe.physics import Elasticity, homogenize
from iceframe.physics.bounds import (
    bulk_and_shear,
    hashin_shtrikman_moduli,
    isotropised_moduli,
    voigt_reuss,
)

RATIOS = (1.2, 10.0)
POISSON = 0.3
CLASSES = ("alloy", "carbonate", "ceramics", "composite", "copolymer", "pmma", "sandstone")
SHOWN = ("spot1_0d_0", "alloy", "ceramics", "composite", "sandstone")
MIRRORED = {*CLASSES, "spot1_0d_0", "me3_15kx_3kv_2"}  # the others take as long as all the rest


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--picture", type=Path)
    asked = parser.parse_args()
    structures = dict(load(asked.data / "micrographs"))
    results = {}
    for ratio in RATIOS:
        print(
            f"\nStiffness ratio {ratio:g}: bulk modulus K and shear modulus G over phase 0's Young"
        )
        print(
            "| structure | f | K | bounds of K (HS) | G | bounds of G (HS) | anisotropy | edges |"
        )
        print("|---|---|---|---|---|---|---|---|")
        for name, phases in structures.items():
            results[name, ratio] = row(name, phases, ratio)
        gamma = [results[n, ratio] for n in structures if n not in CLASSES]
        for key in ("K", "G", "place K", "place G"):
            values = np.array([r[key] for r in gamma])
            print(f"γ′, {len(gamma)} masks, {key}: {values.mean():.4f} ± {values.std():.4f}")
    if asked.picture:
        draw({n: structures[n] for n in SHOWN}, results, asked.picture)


def load(folder: Path):
    """Pairs of a name and phases ``(height, width)``."""
    from PIL import Image

    for path in sorted((folder / "superalloy" / "masks").glob("*.png")):
        # Secondary and tertiary γ′ are one phase to elasticity.
        yield path.stem, (np.asarray(Image.open(path)) > 0).astype(np.uint8)
    for name in CLASSES:
        yield name, np.load(folder / "classes" / f"{name}.npy")


def law(k: int, ratio: float) -> Elasticity:
    young = np.ones(k)
    young[1:] = ratio if k == 2 else np.geomspace(np.sqrt(ratio), ratio, k - 1)
    return Elasticity(young, np.full(k, POISSON))


def row(name: str, phases: np.ndarray, ratio: float) -> dict:
    k = int(phases.max()) + 1
    properties = law(k, ratio)
    found = homogenize(phases[None], properties, precision="single", sensitivities=True)
    assert found.converged.all(), found.status
    tensor = found.tensor[0]
    bulk, shear = isotropised_moduli(tensor)
    fractions = np.bincount(phases.ravel(), minlength=k) / phases.size
    moduli = bulk_and_shear(np.asarray(properties.young), POISSON, "plane strain")
    hs = hashin_shtrikman_moduli(fractions, *moduli, 2)
    wide = voigt_reuss(fractions, properties.matrices(2))
    for lower, upper in ((wide.lower, tensor), (tensor, wide.upper)):
        assert np.linalg.eigvalsh(upper - lower).min() > -1e-9, "outside Voigt and Reuss"
    # Zener-like: 1 where the plane is isotropic.
    anisotropy = 2 * tensor[2, 2] / (0.5 * (tensor[0, 0] + tensor[1, 1]) - tensor[0, 1])
    low, high = hs.bulk, hs.shear
    edges = f"{edge_effect(phases, properties, bulk, shear):.2%}" if name in MIRRORED else "–"
    print(
        f"| {name} | {1 - fractions[0]:.3f} | {bulk:.4f} | {low.lower:.4f} to {low.upper:.4f} "
        f"| {shear:.4f} | {high.lower:.4f} to {high.upper:.4f} | {anisotropy:.3f} | {edges} |"
    )
    return {
        "K": bulk,
        "G": shear,
        "place K": float((bulk - low.lower) / (low.upper - low.lower)),
        "place G": float((shear - high.lower) / (high.upper - high.lower)),
        "low": low,
        "map": found.sensitivities[0, 0, 0] * phases.size,
        "tensor": tensor,
        "voigt": wide.upper[0, 0],
        "reuss": wide.lower[0, 0],
    }


def edge_effect(phases: np.ndarray, properties: Elasticity, bulk: float, shear: float) -> float:
    """Largest relative change of the moduli when the image is mirrored instead of joined."""
    mirrored = np.block([[phases, phases[:, ::-1]], [phases[::-1], phases[::-1, ::-1]]])
    other = homogenize(mirrored[None], properties, precision="single")
    assert other.converged.all(), other.status
    changed = isotropised_moduli(other.tensor[0])
    return float(max(abs(changed[0] / bulk - 1), abs(changed[1] / shear - 1)))


def draw(structures: dict, results: dict, path: Path) -> None:
    """Image, sensitivity of C11, and where C11 lies between the bounds, one row a structure."""
    import matplotlib

    matplotlib.use("agg")
    from matplotlib import pyplot as plt

    figure, axes = plt.subplots(
        len(structures), 3, figsize=(9, 2.9 * len(structures)), width_ratios=(1, 1.15, 1)
    )
    for (name, phases), (left, middle, right) in zip(structures.items(), axes, strict=True):
        left.imshow(phases, cmap="gray", interpolation="nearest")
        left.set_title(name if name in CLASSES else f"γ′: {name}", fontsize=9)
        found = results[name, 10.0]
        shown = middle.imshow(
            found["map"], cmap="magma", vmin=0, vmax=np.quantile(found["map"], 0.99)
        )
        middle.set_title("N ∂C11/∂ρ, ratio 10", fontsize=9)
        figure.colorbar(shown, ax=middle, fraction=0.05)
        for axis in (left, middle):
            axis.set_xticks([])
            axis.set_yticks([])
        for number, ratio in enumerate(RATIOS):
            one = results[name, ratio]
            place = (one["tensor"][0, 0] - one["reuss"]) / (one["voigt"] - one["reuss"])
            right.plot([0, 1], [number, number], color="0.6", lw=6, solid_capstyle="butt")
            right.plot(place, number, "o", color="#b3361b")
            right.annotate(
                f"{one['reuss']:.2f} ≤ {one['tensor'][0, 0]:.2f} ≤ {one['voigt']:.2f}",
                (0.5, number),
                xytext=(0, 9),
                textcoords="offset points",
                ha="center",
                fontsize=8,
            )
        right.set_yticks(range(len(RATIOS)), [f"ratio {r:g}" for r in RATIOS], fontsize=8)
        right.set_ylim(-0.5, len(RATIOS) - 0.3)
        right.set_xticks([0, 1], ["Reuss", "Voigt"], fontsize=8)
        right.set_title("C11 between the bounds", fontsize=9)
    figure.tight_layout()
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=80)
    from PIL import Image

    Image.open(path).convert("RGB").quantize(96).save(path, optimize=True)


if __name__ == "__main__":
    main()
