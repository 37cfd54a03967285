"""Named latents against a β-VAE: disentanglement, factors read off single latents, a property.

    OMP_NUM_THREADS=1 python benchmarks/aligned_latents.py [--folder DIR] [--turn 90|180]

Two-phase random fields of 64 x 64, whose factors are sampled independently: volume fraction 0.2 to
0.8, length 1.5 to 4 pixels and anisotropy 1.5 to 8 (both uniform in the logarithm), orientation 0°
to ``--turn``. Up to 90° an angle does not close on itself, and one number stands for it; a full
half turn is given as cos 2θ and sin 2θ. The first 1,000 images are for testing; they and the next
2,000 have a property, C11 at a contrast of 10 in plane strain. Three encoders learn from the
images after the first 1,000, with the same number of latents, training and trunk:

- ``told``: the descriptor-aligned VAE with what the generator was told. A finite image does not
  hold these numbers exactly: the largest R² possible is below 1;
- ``measured``: the same with what is measured on each image: volume fraction, and length,
  anisotropy and orientation of the central peak of its two-point correlation;
- ``β-VAE``: without any.

Printed, all on the test images: every disentanglement score with its interval; R² of each factor
from a single latent, against both truths (of an aligned encoder its own latent as it stands, or
along a line for the truth that it was not given; of the β-VAE the best latent along a line, chosen
on the test images, which favours it); leakage; R² of C11 from all latents by a ridge on squares
and products and by extremely randomised trees; seconds.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

TEST, LABELLED = 1000, 3000
LATENTS = 12
SETTINGS = {
    "latents": LATENTS, "symmetries": ("translate",), "learning_rate": 1e-2,
    "validation_fraction": 0.1, "device": "cpu",
}  # fmt: skip
PEAK, REACH = 0.2, 24  # the central peak: correlation above this share, within so many pixels


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--folder", help="where the data sets are kept (default: nowhere)")
    parser.add_argument("--turn", type=int, choices=(90, 180), default=90)
    parser.add_argument("--train", type=int, default=6000, help="images to learn from")
    parser.add_argument("--epochs", type=int, default=15)
    parser.add_argument("--alignment", type=float, default=4.0, help="weight of the factors")
    parser.add_argument("--seed", type=int, default=0)
    asked = parser.parse_args()
    pd.set_option("display.width", 160)
    with tempfile.TemporaryDirectory() as nowhere:
        images, told, stiffness = data(Path(asked.folder or nowhere), asked)
    truths = {"told": told, "measured": measured(images, asked.turn)}
    agree = {name: np.corrcoef(told[name], truths["measured"][name])[0, 1] ** 2 for name in told}
    listed = ", ".join(f"{name} {r2:.3f}" for name, r2 in agree.items())
    print(f"R² between what was told and what is measured, along a line: {listed}")
    for name in ("told", "β-VAE", "measured"):
        encoder, seconds = fitted(name, images[TEST:], truths, asked)
        print(f"\n{name}: {seconds:.0f} s, {encoder.record_}")
        report(name, encoder, images, truths, stiffness)


def data(folder: Path, asked: argparse.Namespace) -> tuple[np.ndarray, pd.DataFrame, np.ndarray]:
    """Images ``(n, 1, 64, 64)``, what the generator was told, and C11 of the first ones."""
    import iceframe

    factors = {
        "volume_fraction": [0.2, 0.8],
        "length": {"low": 1.5, "high": 4, "log": True},
        "anisotropy": {"low": 1.5, "high": 8, "log": True},
        "angle": [0, asked.turn],
    }
    recipe = {
        "generator": "random_field", "shape": [64, 64], "seed": asked.seed, "factors": factors,
    }  # fmt: skip
    elastic = {
        "property": {"elasticity": {"young": [1, 10], "poisson": [0.3, 0.3]}},
        "solver": {"tolerance": 1e-4, "precision": "single"},
    }
    name = f"turn{asked.turn}-seed{asked.seed}"
    with_property = iceframe.simulate(
        {**recipe, **elastic, "samples": LABELLED}, out=folder / f"{name}-elastic", workers=1
    )
    more = iceframe.simulate(
        {**recipe, "samples": TEST + asked.train}, out=folder / f"{name}-{asked.train}", workers=1
    )
    phases, table = np.asarray(more.phases[:]), more.samples
    both = min(LABELLED, len(phases))
    assert np.array_equal(phases[:both], np.asarray(with_property.phases[:both]))
    told = pd.DataFrame(
        {
            "volume fraction": table["volume_fraction"],
            "ln length": np.log(table["length"]),
            "ln anisotropy": np.log(table["anisotropy"]),
            **orientation(np.asarray(table["angle"]), asked.turn),
        }
    )
    stiffness = with_property.samples["C11"].to_numpy(float)[:both]
    return phases[:, None].astype(np.float32), told.reset_index(drop=True), stiffness


def orientation(degrees: np.ndarray, turn: int) -> dict[str, np.ndarray]:
    """What stands for the orientation of an axis."""
    if turn == 90:
        middle = turn / 2 + 90  # farthest from the range: measured angles are cut open here
        return {"angle": (degrees - middle) % 180 + middle - 180}
    twice = np.radians(2 * degrees)
    return {"cos 2θ": np.cos(twice), "sin 2θ": np.sin(twice)}


def measured(images: np.ndarray, turn: int) -> pd.DataFrame:
    """The same factors by the inertia of the central peak of the two-point correlation."""
    fraction = images.mean(axis=(1, 2, 3), dtype=float)
    centred = images[:, 0] - fraction[:, None, None]
    power = np.abs(np.fft.rfft2(centred)) ** 2
    correlation = np.fft.fftshift(np.fft.irfft2(power, s=images.shape[2:]), axes=(1, 2))
    correlation /= correlation.max(axis=(1, 2), keepdims=True)
    y, x = (np.arange(side) - side // 2 for side in images.shape[2:])
    y, x = np.meshgrid(y, x, indexing="ij")
    weight = np.clip(correlation - PEAK, 0, None) * (x**2 + y**2 <= REACH**2)
    weight /= weight.sum(axis=(1, 2), keepdims=True)
    xx, yy, xy = ((weight * product).sum(axis=(1, 2)) for product in (x * x, y * y, x * y))
    half, gap = (xx + yy) / 2, np.hypot(xx - yy, 2 * xy) / 2
    along, across = half + gap, np.maximum(half - gap, 1e-2)
    return pd.DataFrame(
        {
            "volume fraction": fraction,
            "ln length": np.log(along * across) / 4,
            "ln anisotropy": np.log(along / across) / 2,
            **orientation(np.degrees(np.arctan2(2 * xy, xx - yy)) / 2, turn),
        }
    )


def fitted(
    name: str, images: np.ndarray, truths: dict[str, pd.DataFrame], asked: argparse.Namespace
) -> tuple[Any, float]:
    """A fitted encoder, and the seconds that its fit took on its core."""
    from iceframe.scale.encoder import ENCODERS

    settings = {**SETTINGS, "epochs": asked.epochs, "random_state": asked.seed}
    encoder, factors = ENCODERS["vae"](**settings), None
    if name in truths:
        encoder = ENCODERS["aligned_vae"](alignment=asked.alignment, **settings)
        factors = named(truths[name].iloc[TEST:])
    start = time.process_time()

    def told(epoch: int, epochs: int, loss: float) -> None:
        print(
            f"  {name} {epoch}/{epochs} {loss:.4f} {time.process_time() - start:.0f} s", flush=True
        )

    encoder.fit(images, factors, kind="phase", periodic=True, progress=told)
    return encoder, time.process_time() - start


def named(factors: pd.DataFrame) -> Any:
    """Factors as an encoder wants them."""
    from iceframe.core.values import Representation

    names = tuple(factors.columns)
    return Representation(factors.to_numpy(float), names, ("",) * len(names))


def report(
    name: str,
    encoder: Any,
    images: np.ndarray,
    truths: dict[str, pd.DataFrame],
    stiffness: np.ndarray,
) -> None:
    """What an encoder's latents are worth, on the test images."""
    from iceframe.measure.latents.disentanglement import disentanglement_table

    latents = encoder.encode(images[:LABELLED])
    z, tests = latents[:TEST], {of: truth.iloc[:TEST] for of, truth in truths.items()}
    for of, truth in tests.items():
        if name in truths and of != name:
            continue
        table = disentanglement_table(z, truth)
        print(f"disentanglement against what was {of}")
        print(table.drop(columns=["reference", "direction"]).round(3).to_string(index=False))
    singles = {of: single(name, encoder, z, truth, of) for of, truth in tests.items()}
    print("R² from a single latent")
    print(pd.DataFrame(singles).round(3).to_string())
    if name in truths:
        print(encoder.leakage(images[:TEST], named(tests[name])))
    both = {kind: round(property_r2(kind, latents, stiffness), 4) for kind in ("ridge", "trees")}
    print("R² of C11 from all latents:", both, flush=True)


def single(name: str, encoder: Any, z: np.ndarray, truth: pd.DataFrame, of: str) -> pd.Series:
    """R² of each factor from one latent."""
    correlation = np.corrcoef(z.T, truth.T)[: z.shape[1], z.shape[1] :] ** 2
    k = truth.shape[1]
    if name == "β-VAE":
        return pd.Series(correlation.max(axis=0), truth.columns)
    if name != of:
        return pd.Series(np.diag(correlation[:k]), truth.columns)
    said = z[:, :k] * encoder.factor_width_ + encoder.factor_centre_
    missed = np.square(said - truth.to_numpy()).sum(axis=0)
    return pd.Series(1 - missed / (len(truth) * truth.var(ddof=0)), truth.columns)


def property_r2(kind: str, latents: np.ndarray, stiffness: np.ndarray) -> float:
    """Held-out R² of C11: fitted to the images after the test images."""
    from sklearn.ensemble import ExtraTreesRegressor
    from sklearn.linear_model import RidgeCV
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import PolynomialFeatures, StandardScaler

    models = {
        "ridge": make_pipeline(
            StandardScaler(),
            PolynomialFeatures(2),
            StandardScaler(),
            RidgeCV(np.logspace(-3, 4, 15)),
        ),
        "trees": ExtraTreesRegressor(300, random_state=0),
    }
    model = models[kind].fit(latents[TEST:], stiffness[TEST:])
    return float(model.score(latents[:TEST], stiffness[:TEST]))


if __name__ == "__main__":
    main()
