"""Simulated metals, ceramics and composites, and real micrographs of each, with exact answers.

Geometry: the generators and factor ranges of the package's presets (:mod:`iceframe.physics.presets`
names the sources). Property: effective conductivity along x over that of the first phase, as its
natural logarithm, so that a difference of 0.1 is a relative one of about 10 %. What an image does
not show, the contrast of the two phases, is the column ``log contrast``.

Setting "own phases": the second phase conducts :data:`CONTRASTS` times as well as the first, drawn
evenly in the logarithm. Setting "same phases": ten times in all classes, so that classes differ in
their geometry alone.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
from studies.classes.pieces import CLASSES, SETTINGS, Study, shared_data
from studies.paradox.pieces import Piece

import iceframe as ice
from iceframe.core.dataset import ArrayImages, Dataset
from iceframe.core.files import replacing
from iceframe.core.seeds import derive_seed
from iceframe.physics import PRESETS, homogenize
from iceframe.physics.bounds import hashin_shtrikman_conductivity, voigt_reuss
from iceframe.physics.properties import Conductivity

CONTRASTS = {
    "metal": (0.1, 2.2),  # cementite in iron 0.1, martensite in ferrite 0.6, Ni3Al in nickel 2.2
    "ceramic": (8e-4, 1e-2),  # air in alumina 8e-4, in zirconia about 1e-2
    "composite": (5.0, 100.0),  # glass in epoxy 6.5, alumina in epoxy 165
}
SAME = 10.0
TARGET = "log conductivity"
COLUMN = "log contrast"
FORMS = ("plain", "bounded", "matrix")
"""What models learn: the logarithm itself; its place between those of Reuss (0) and Voigt (1); its
distance from that of the Hashin-Shtrikman bound in which the first phase is the matrix."""

WINDOW = 64
SHRUNK = 4  # pixels of a gamma' mask along each side of one of ours
REAL = {"alloy": "metal", "superalloy": "metal", "ceramics": "ceramic", "composite": "composite"}
"""Real structures by the name of their file or folder, and the class that each belongs to."""


@dataclass(frozen=True)
class Structures:
    """``n`` structures: phases ``(n, h, w)``, ``label`` (class), ``source`` (generator, or real
    image), ``test`` ``(n,)``, and by setting the ``contrast`` and the answer ``y``, ``(2, n)``."""

    phases: np.ndarray
    label: np.ndarray
    source: np.ndarray
    test: np.ndarray
    contrast: np.ndarray
    y: np.ndarray

    def __len__(self) -> int:
        return len(self.label)

    def of(self, setting: str) -> tuple[np.ndarray, np.ndarray]:
        """Contrast and answer ``(n,)`` in one setting."""
        place = SETTINGS.index(setting)
        return self.contrast[place], self.y[place]

    def save(self, path: Path) -> None:
        """Store as arrays."""
        with replacing(path) as temporary, temporary.open("wb") as file:
            np.savez_compressed(file, **{k: np.asarray(v) for k, v in vars(self).items()})

    @classmethod
    def load(cls, path: Path) -> Structures:
        """Read what :meth:`save` stored."""
        with np.load(path, allow_pickle=False) as stored:
            return cls(**{name: stored[name] for name in stored.files})


def pieces(study: Study) -> list[Piece]:
    """One piece a seed, and one for the real micrographs, where they are."""
    made = [
        Piece(f"seed {seed}", path_of(study, seed), partial(_simulate, study, seed))
        for seed in range(study.seeds)
    ]
    if there(study):
        made.append(Piece("micrographs", real_path(study), partial(_real, study)))
    return made


def there(study: Study) -> bool:
    """Whether real micrographs can be had, in windows of the size that is trained on."""
    return study.sizes.side == WINDOW and (shared_data() / "micrographs" / "classes").is_dir()


def path_of(study: Study, seed: int) -> Path:
    return study.out / "data" / f"seed-{seed}.npz"


def real_path(study: Study) -> Path:
    return study.out / "data" / "real.npz"


def as_dataset(
    phases: np.ndarray, contrast: np.ndarray, y: np.ndarray, form: str = "plain"
) -> Dataset:
    """What a run reads: images of phases, their contrast, and the answer in one of :data:`FORMS`.

    ``y``: logarithms of the relative conductivity ``(n,)``.
    """
    base, unit = reference(phases, contrast, form)
    columns = {COLUMN: np.log(contrast), TARGET: (y - base) / unit}
    table = pd.DataFrame(columns, index=pd.Index([f"s{i}" for i in range(len(y))]))
    images = ArrayImages(phases[:, None].astype(np.float32), periodic=True, kind="phase")
    return Dataset(table, TARGET, "regression", (COLUMN,), images=images, name="three classes")


def reference(phases: np.ndarray, contrast: np.ndarray, form: str) -> tuple[np.ndarray, np.ndarray]:
    """What an answer in a form is counted from, and in which unit, each ``(n,)``."""
    zero, one = np.zeros(len(phases)), np.ones(len(phases))
    if form == "plain":
        return zero, one
    limits = bounds(phases, contrast)
    if form == "bounded":
        return limits[:, 0], limits[:, -1] - limits[:, 0]
    return np.where(contrast > 1, limits[:, 1], limits[:, 2]), one


def bounds(phases: np.ndarray, contrast: np.ndarray) -> np.ndarray:
    """Logarithms ``(n, 4)`` of the bounds of Reuss, Hashin and Shtrikman (lower, upper) and Voigt,
    for which no solver is asked.

    Examples
    --------
    Half and half at a contrast of 4, in the plane:

    >>> phases = np.array([[[0, 1], [1, 0]]])
    >>> np.exp(bounds(phases, np.array([4.0]))).round(3).tolist()
    [[1.6, 1.857, 2.154, 2.5]]
    """
    found = np.empty((len(phases), 4))
    for i, (image, ratio) in enumerate(zip(phases, contrast, strict=True)):
        share = [1.0 - image.mean(), image.mean()]
        wide = voigt_reuss(share, [np.eye(2), ratio * np.eye(2)])
        narrow = hashin_shtrikman_conductivity(share, [1.0, ratio], 2)
        found[i] = [wide.lower[0, 0], narrow.lower, narrow.upper, wide.upper[0, 0]]
    return np.asarray(np.log(found))


def solve(phases: np.ndarray, contrast: np.ndarray) -> np.ndarray:
    """The exact answers ``(n,)``: one solution a structure."""
    found = np.empty(len(phases))
    for i, (image, ratio) in enumerate(zip(phases, contrast, strict=True)):
        solved = homogenize(image[None], Conductivity([1.0, float(ratio)]), tolerance=1e-5)
        found[i] = np.log(solved.tensor[0, 0, 0])
    return found


def draw_contrast(label: str, n: int, rng: np.random.Generator) -> np.ndarray:
    """Contrasts ``(n,)`` of a class."""
    low, high = np.log(CONTRASTS[label])
    return np.exp(rng.uniform(low, high, n))


def _simulate(study: Study, seed: int) -> None:
    parts = [
        _member(study, seed, label, place) for label in CLASSES for place in range(len(_of(label)))
    ]
    joined = {name: np.concatenate([p[name] for p in parts], axis=-1) for name in parts[0] if
              name != "phases"}  # fmt: skip
    phases = np.concatenate([p["phases"] for p in parts])
    Structures(phases, **joined).save(path_of(study, seed))


def _of(label: str) -> tuple:
    return PRESETS[label].members


def _member(study: Study, seed: int, label: str, place: int) -> dict[str, np.ndarray]:
    """One generator's structures with their answers in both settings; the last are for testing."""
    member, sizes = _of(label)[place], study.sizes
    low, high = CONTRASTS[label]
    values: list[object] = [1.0, {"low": low, "high": high, "log": True}]
    recipe = {
        "generator": member.generator,
        "shape": [sizes.side] * 2,
        "samples": sizes.train + sizes.test,
        "seed": derive_seed(seed, "classes", label, place) % 2**31,
        "factors": {name: list(ends) for name, ends in member.ranges.items()},
        "property": {"conductivity": {"values": values}},
    }
    made = ice.simulate(
        recipe, out=study.out / "simulated" / f"{member.generator}-{seed}", workers=1
    )
    n, phases = len(made.samples), np.asarray(made.phases[:])
    own = made.samples["conductivity_1"].to_numpy()
    same = homogenize(phases, Conductivity([1.0, SAME]), tolerance=1e-5).tensor[:, 0, 0]
    return {
        "phases": phases,
        "label": np.full(n, label),
        "source": np.full(n, member.generator),
        "test": np.arange(n) >= sizes.train,
        "contrast": np.stack([own, np.full(n, SAME)]),
        "y": np.log(np.stack([made.samples["k_xx"].to_numpy(), same])),
    }


# -- real micrographs ------------------------------------------------------------------------------


def _real(study: Study) -> None:
    """Windows of every real image, each with the middle contrast of its class, solved as repeated
    in both directions, which is also what models see."""
    phases, sources, labels = [], [], []
    for name, label in REAL.items():
        for source, image in images_of(name):
            cut = windows(image)
            phases.append(cut)
            sources += [source] * len(cut)
            labels += [label] * len(cut)
    stack, label = np.concatenate(phases), np.array(labels)
    middle = np.array([np.sqrt(np.prod(CONTRASTS[name])) for name in labels])
    contrast = np.stack([middle, np.full(len(stack), SAME)])
    y = np.stack([solve(stack, each) for each in contrast])
    test = np.ones(len(stack), bool)
    Structures(stack, label, np.array(sources), test, contrast, y).save(real_path(study))


def images_of(name: str) -> list[tuple[str, np.ndarray]]:
    """Segmented images as two phases, with the name of the specimen.

    Alloy and ceramics: the phase of the smaller area is the second (grain boundaries; pores).
    Composite, of three phases: the bright round particles are the second phase, the rest is matrix.
    Superalloy: secondary and tertiary gamma' are the second phase, at a quarter of the resolution.
    """
    folder = shared_data() / "micrographs"
    if name == "superalloy":
        from PIL import Image

        table = pd.read_csv(folder / name / "specimens.csv")
        found = []
        for file, specimen in zip(table["file"], table["specimen"], strict=True):
            with Image.open(folder / name / "masks" / file) as opened:
                found.append((f"superalloy {specimen}", shrunk(np.asarray(opened) > 0)))
        return found
    image = np.load(folder / "classes" / f"{name}.npy", allow_pickle=False)
    if name == "composite":
        return [(name, (image == 2).astype(np.uint8))]
    smaller = int((image == 1).mean() < 0.5)
    return [(name, (image == smaller).astype(np.uint8))]


def shrunk(mask: np.ndarray) -> np.ndarray:
    """A mask at a quarter of its resolution, by the majority of 4 × 4 pixels.

    >>> shrunk(np.arange(16).reshape(4, 4) < 10).tolist()
    [[1]]
    """
    h, w = (side // SHRUNK for side in mask.shape)
    blocks = mask[: h * SHRUNK, : w * SHRUNK].reshape(h, SHRUNK, w, SHRUNK)
    return (blocks.mean(axis=(1, 3)) > 0.5).astype(np.uint8)


def windows(image: np.ndarray, side: int = WINDOW) -> np.ndarray:
    """Windows ``(n, side, side)`` side by side that hold both phases.

    >>> windows(np.eye(5, dtype=np.uint8), 2).shape
    (2, 2, 2)
    """
    h, w = (length // side for length in image.shape)
    cut = image[: h * side, : w * side].reshape(h, side, w, side).swapaxes(1, 2)
    cut = cut.reshape(-1, side, side)
    share = cut.mean(axis=(1, 2))
    return cut[(share > 0) & (share < 1)]
