"""The pictures of all generators: one strip each for the how-to page, and the README's gallery.

    python benchmarks/gallery.py [--out docs/images]

Every strip shows four samples of 128 x 128 with factors drawn from the generator's own ranges, and
one section through a 64 x 64 x 64 volume. Polycrystals are coloured by orientation.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

from iceframe.physics import GENERATORS, Microstructures, generate

SAMPLES, SIDE, GAP = 4, 128, 6
SHADES = (
    (247, 244, 239),
    (52, 73, 94),
    (201, 107, 60),
    (126, 160, 140),
    (150, 120, 170),
    (90, 90, 90),
)
GALLERY = (
    "dual_phase",
    "lamellar",
    "gamma_prime",
    "voronoi",
    "sintered",
    "cracked",
    "particles",
    "fibres",
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=Path("docs/images"))
    folder = parser.parse_args().out / "generators"
    folder.mkdir(parents=True, exist_ok=True)
    firsts = {}
    for name, kind in GENERATORS.items():
        rng = np.random.default_rng(3)
        ranges = {
            f.name: rng.uniform(f.low, f.high, SAMPLES) for f in kind.factors if 2 in f.dimensions
        }
        for factor in kind.factors:
            if factor.whole and factor.name in ranges:
                ranges[factor.name] = np.rint(ranges[factor.name])
        tiles = pictures(generate(name, SAMPLES, (SIDE, SIDE), seed=1, **ranges))
        volume = generate(name, 1, (64, 64, 64), seed=1)
        section = np.repeat(np.repeat(cube(volume), 2, axis=0), 2, axis=1)
        save(
            np.concatenate(spaced([*tiles, section[:SIDE, :SIDE]]), axis=1), folder / f"{name}.png"
        )
        firsts[name] = tiles
        print(name)
    rows = [
        np.concatenate(spaced([firsts[name][k] for name in GALLERY[start : start + 4]]), axis=1)
        for start, k in ((0, 1), (4, 2))
    ]
    save(np.concatenate(spaced(rows, axis=0), axis=0), folder.parent / "gallery.png")


def pictures(made: Microstructures) -> list[np.ndarray]:
    """RGB ``(height, width, 3)``, one a sample."""
    if made.grains is None or made.orientations is None:
        return [np.array(SHADES, np.uint8)[phases] for phases in made.phases]
    tiles = []
    for phases, grains, turns in zip(made.phases, made.grains, made.orientations, strict=True):
        # The direction of the crystal's z axis as a colour, grain boundaries dark.
        x, y, z, w = turns.T
        axis = np.stack([2 * (x * z + w * y), 2 * (y * z - w * x), 1 - 2 * (x**2 + y**2)], axis=1)
        colour = (90 + 150 * np.abs(axis)).astype(np.uint8)[grains]
        edge = (grains != np.roll(grains, 1, 0)) | (grains != np.roll(grains, 1, 1))
        colour[edge | (phases > 0)] = (40, 40, 40)
        tiles.append(colour)
    return tiles


def cube(made: Microstructures) -> np.ndarray:
    """The middle section of the first volume."""
    middle = made.phases.shape[1] // 2
    flat = Microstructures(
        made.phases[:, middle],
        made.phase_names,
        {},
        None if made.grains is None else made.grains[:, middle],
        made.orientations,
    )
    return pictures(flat)[0]


def spaced(tiles: list[np.ndarray], axis: int = 1) -> list[np.ndarray]:
    """Tiles with a white gap between them."""
    out = []
    for number, tile in enumerate(tiles):
        if number:
            shape = list(tile.shape)
            shape[axis] = GAP
            out.append(np.full(shape, 255, np.uint8))
        out.append(tile)
    return out


def save(pixels: np.ndarray, path: Path) -> None:
    from PIL import Image

    Image.fromarray(pixels).quantize(64).save(path, optimize=True)


if __name__ == "__main__":
    main()
