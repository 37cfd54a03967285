"""The structures: one training set a seed, and test sets that all seeds share.

- ``train``: nine generators in equal shares, with the sensitivities of C11; another set for every
  seed, the *same structures at every contrast* (checked), so that contrasts differ in physics only.
- ``inside``: new structures of the same recipe.
- ``morphology``: two generators that no training set has seen, fibres and spinodal decomposition.
- ``resolution``: the recipe's structures on a grid twice as fine, coarsened by the majority of
  2 × 2 voxels (of a tie, the first voxel): the same lengths in half as many voxels.
- ``contrast``: structures of ``inside`` with the C11 of twice the contrast. The model cannot know;
  the rank and the best affine rescaling of its answers say what it still does.
- ``gamma_prime``: segmented γ′ precipitates of 23 micrographs of superalloys, coarsened by 4 (then
  precipitates measure about 11 voxels), cut into windows of half the side and *mirrored into
  periodic cells*; mirror symmetry is part of this shift. Without the data it is left out.

Test sets are shared by all seeds, so that the seeds of a rung explain the same structures and rungs
are compared pairwise. Targets: C11 in units of phase 0's Young modulus, plane strain, Poisson 0.3.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import filelock
import numpy as np
import yaml
from PIL import Image
from studies.paradox.pieces import Piece, Study

import iceframe as ice
from iceframe.core.dataset import ArrayImages, Dataset
from iceframe.core.files import replacing, write_text
from iceframe.core.seeds import generator
from iceframe.core.values import Representation
from iceframe.ingest.simulated import Simulated, open_simulated
from iceframe.physics import Elasticity, homogenize
from iceframe.scale.rung import Inputs

RECIPE = Path(__file__).with_name("recipe.yaml")
REPOSITORY = Path(__file__).resolve().parents[2]
HELD_OUT = ("fibres", "spinodal")
SHIFTS = ("morphology", "resolution", "contrast", "gamma_prime")
TESTS = ("inside", *SHIFTS)
TEST_SEED = 1000  # training sets have the seeds 0, 1, …
POISSON = 0.3
WINDOW_STRIDE = 4  # γ′ micrographs are coarsened by this
SOLVED_AT_ONCE = 32


@dataclass(frozen=True)
class TestSet:
    """Structures and what is true of them: ``phases`` uint8 ``(n, *grid)``, ``y`` ``(n,)``."""

    phases: np.ndarray
    y: np.ndarray

    @property
    def inputs(self) -> Inputs:
        """As image rungs look at them."""
        return images_only(ArrayImages(self.phases[:, None].astype(np.float32), True, "phase"))

    def first(self, n: int) -> TestSet:
        """The first ``n``; generators alternate, so that all kinds are among them."""
        return TestSet(self.phases[:n], self.y[:n])


def law(contrast: float) -> Elasticity:
    """Phase 1 is ``contrast`` times as stiff as phase 0."""
    return Elasticity([1.0, contrast], [POISSON, POISSON], unit="E1")


def pieces(study: Study) -> list[Piece]:
    """Structures first, then all that is solved on them."""
    folder = study.out / "data"
    found = []
    for contrast in study.contrasts:
        for name in available(study):
            path = test_path(study, name, contrast)
            found.append(
                Piece(
                    path.stem,
                    path,
                    lambda name=name, contrast=contrast: _make_test(study, name, contrast),
                )
            )
    for seed in range(study.seeds):
        for contrast in study.contrasts:
            path = folder / f"train-c{contrast:g}-s{seed}"
            found.append(
                Piece(
                    path.name,
                    path.with_name(f"{path.name}.checked"),
                    lambda seed=seed, contrast=contrast: _make_training(study, contrast, seed),
                )
            )
    return found


def available(study: Study) -> tuple[str, ...]:
    """The test sets that can be made here: γ′ needs the micrographs, or what was made of them."""
    made = all(test_path(study, "gamma_prime", c).exists() for c in study.contrasts)
    return TESTS if made or shared_data() is not None else TESTS[:-1]


def shared_data() -> Path | None:
    """The folder of real data, or nothing."""
    stated = os.environ.get("ICEFRAME_SHARED_DATA")
    folder = Path(stated) if stated else REPOSITORY.parent / "shared" / "data"
    return folder if (folder / "micrographs" / "superalloy" / "masks").is_dir() else None


def test_path(study: Study, name: str, contrast: float) -> Path:
    """Where a test set lies."""
    return study.out / "data" / f"{name}-c{contrast:g}.npz"


@cache
def test_set(study: Study, name: str, contrast: float) -> TestSet:
    """A test set that was made."""
    with np.load(test_path(study, name, contrast)) as stored:
        return TestSet(stored["phases"], stored["y"])


@cache
def training(study: Study, contrast: float, seed: int) -> Dataset:
    """A training set that was made, its images with the sensitivities of C11."""
    return ice.read(study.out / "data" / f"train-c{contrast:g}-s{seed}", target="C11")


def images_only(images: ArrayImages) -> Inputs:
    """Inputs without a table."""
    return Inputs(Representation(np.zeros((len(images), 0)), (), (), {}, ()), images)


def _make_training(study: Study, contrast: float, seed: int) -> None:
    made = _simulated(study, f"train-c{contrast:g}-s{seed}", study.sizes.train, seed, contrast)
    _require_same_structures(made, sorted((study.out / "data").glob(f"train-c*-s{seed}.checked")))
    write_text(
        made.folder.with_name(f"{made.folder.name}.checked"), "structures as at other contrasts\n"
    )


def _make_test(study: Study, name: str, contrast: float) -> None:
    phases = _phases(study, name, contrast)
    y = solved(phases, 2 * contrast if name == "contrast" else contrast)
    with replacing(test_path(study, name, contrast)) as temporary:
        np.savez_compressed(temporary, phases=phases, y=y)


def _phases(study: Study, name: str, contrast: float) -> np.ndarray:
    sizes = study.sizes
    if name == "gamma_prime":
        return gamma_prime(sizes.side, sizes.shifted)
    if name in ("inside", "contrast"):
        made = _simulated(study, "structures-inside", sizes.inside, TEST_SEED)
        return np.asarray(made.phases[: sizes.inside if name == "inside" else sizes.shifted])
    if name == "morphology":
        made = _simulated(
            study, "structures-morphology", sizes.shifted, TEST_SEED, generators=HELD_OUT
        )
        return np.asarray(made.phases[:])
    made = _simulated(study, "structures-fine", sizes.shifted, TEST_SEED + 1, side=2 * sizes.side)
    return coarsened(np.asarray(made.phases[:]), 2)


def solved(phases: np.ndarray, contrast: float) -> np.ndarray:
    """C11 ``(n,)`` of every structure."""
    parts = []
    for start in range(0, len(phases), SOLVED_AT_ONCE):
        some = phases[start : start + SOLVED_AT_ONCE]
        found = homogenize(some, law(contrast), tolerance=1e-5, precision="single")
        if not found.converged.all():
            raise RuntimeError(f"not solved at contrast {contrast:g}: {found.status}")
        parts.append(found.tensor[:, 0, 0])
    return np.concatenate(parts)


def _simulated(
    study: Study,
    name: str,
    samples: int,
    seed: int,
    contrast: float | None = None,
    generators: tuple[str, ...] = (),
    side: int = 0,
) -> Simulated:
    """The recipe, changed; structures only where no contrast is stated."""
    recipe = yaml.safe_load(RECIPE.read_text(encoding="utf-8"))
    recipe |= {"samples": samples, "seed": seed, "shape": [side or study.sizes.side] * 2}
    if generators:
        recipe["generator"] = list(generators)
    recipe["factors"] = _known_factors(recipe)
    if contrast is None:
        recipe = {k: v for k, v in recipe.items() if k not in ("property", "sensitivities")}
    else:
        recipe["property"]["elasticity"]["young"] = [1.0, contrast]
    folder = study.out / "data" / name
    folder.parent.mkdir(parents=True, exist_ok=True)
    # Several test sets rest on the same structures: another process waits for them.
    with filelock.FileLock(str(folder.with_name(f".{name}.lock"))):
        return ice.simulate(recipe, out=folder, workers=1)


def _known_factors(recipe: dict) -> dict:
    """The recipe's factors that its generators have."""
    from iceframe.physics.generator import GENERATORS

    known = {f.name for name in recipe["generator"] for f in GENERATORS[name].factors}
    return {name: value for name, value in recipe["factors"].items() if name in known}


def _require_same_structures(made: Simulated, checked: list[Path]) -> None:
    """Structures depend on the seed and the factors, never on the property."""
    mine = np.asarray(made.phases[:])
    for other in checked:
        theirs = open_simulated(other.with_suffix("")).phases[:]
        if not np.array_equal(mine, np.asarray(theirs)):
            raise RuntimeError(f"{made.folder} and {other.stem} hold different structures")


def coarsened(phases: np.ndarray, factor: int) -> np.ndarray:
    """Majority of ``factor × factor`` voxels, of a tie the first voxel: ``(n, *grid)``.

    >>> coarsened(np.array([[[1, 0, 0, 1], [0, 1, 0, 0]]], np.uint8), 2).tolist()
    [[[1, 0]]]
    """
    n, height, width = phases.shape
    blocks = phases[:, : height // factor * factor, : width // factor * factor].reshape(
        n, height // factor, factor, width // factor, factor
    )
    share = blocks.mean(axis=(2, 4))
    return np.where(share == 0.5, blocks[:, :, 0, :, 0], share > 0.5).astype(np.uint8)


def gamma_prime(side: int, number: int) -> np.ndarray:
    """Mirrored windows of real γ′ masks, as many of each micrograph: uint8 ``(n, side, side)``."""
    folder = shared_data()
    if folder is None:
        raise FileNotFoundError("the γ′ micrographs: set ICEFRAME_SHARED_DATA to their folder")
    masks = sorted((folder / "micrographs" / "superalloy" / "masks").glob("*.png"))
    half, windows = side // 2, []
    for path in masks[:number]:
        # Secondary and tertiary γ′ are one phase to elasticity.
        mask = (np.asarray(Image.open(path))[None] > 0).astype(np.uint8)
        coarse = coarsened(mask, WINDOW_STRIDE)[0]
        rng = generator(TEST_SEED, "windows", path.stem)
        places = [(i, j) for i in range(coarse.shape[0] // half)
                  for j in range(coarse.shape[1] // half)]  # fmt: skip
        for place in rng.permutation(len(places))[: max(1, number // len(masks))]:
            i, j = places[place]
            window = coarse[i * half : (i + 1) * half, j * half : (j + 1) * half]
            windows.append(
                np.block([[window, window[:, ::-1]], [window[::-1], window[::-1, ::-1]]])
            )
    # One window of every micrograph, then the next: the first ones are of many micrographs.
    each = max(1, number // len(masks))
    return np.stack([w for k in range(each) for w in windows[k::each]])
