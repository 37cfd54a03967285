"""Which representation of a two-phase structure says what its stiffness is, from how many samples.

    python benchmarks/representations.py ladder|sobolev|classes|volumes [--out FOLDER] [--seeds N]

Every job simulates what it needs (``benchmarks/two_phase.yaml`` with another seed for each
repetition), fits rungs at their default settings unless it says ``tuned``, and prints a table of
means over seeds with 95 % intervals (Student's t). Finished fits are kept in FOLDER, so that an
interrupted job goes on.

- ``ladder``: 1,000 samples to train on, 1,000 to test, 3 seeds. ``volume fraction`` is a cubic in
  it; ``second order`` a cubic in it and in the means of cos²θ and cos⁴θ over the power spectrum,
  which are all that a theory of second order in the contrast takes of the structure.
- ``sobolev``: networks taught by sensitivities with 200 samples, and plain ones with 200 and with
  1,000; 5 seeds. ``agreement`` is the correlation (Pearson) of the network's input gradient with
  the exact sensitivity over the pixels of an image, averaged over 200 test images.
- ``classes``: metals, ceramics and composites by their generators, the same two phases in all;
  trained on two classes and tested on the third (``out``), or on as many samples of all three
  and tested on new ones (``in``).
- ``volumes``: 600 volumes of 32³, 400 to train on, 200 to test, 3 seeds.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
import torch
import yaml
from scipy import stats
from sklearn.linear_model import RidgeCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import PolynomialFeatures, StandardScaler

import iceframe as ice
from iceframe.core.dataset import Dataset
from iceframe.core.seeds import generator
from iceframe.scale.fitting import Fitted, context_for, fit, tune
from iceframe.scale.represent import Representer
from iceframe.scale.rung import RUNGS, Inputs

RECIPE = Path(__file__).with_name("two_phase.yaml")
CLASSES = {
    "metal": ["dual_phase", "gamma_prime", "lamellar", "voronoi", "laguerre"],
    "ceramic": ["sintered", "overlapping_spheres", "spinodal"],
    "composite": ["fibres", "particles", "random_field"],
}
PER_CLASS = 600
GRADIENTS = 200
SYMMETRIES = ("flip", "translate")
FEW, MANY = 200, 1000


@dataclass(frozen=True)
class Fit:
    """One model to fit: the rung, whether its settings are tuned, on how many samples."""

    rung: str
    n: int
    tuned: int = 0


LADDER = [
    Fit("volume fraction", MANY),
    Fit("second order", MANY),
    Fit("two_point_pca", MANY, tuned=16),
    Fit("gp", MANY),
    Fit("svm", MANY, tuned=16),
    Fit("extra_trees", MANY),
    Fit("cnn", MANY),
    Fit("resnet", MANY),
    Fit("fno", MANY),
    Fit("vit", MANY),
]
SOBOLEV = [
    *(Fit(name, n) for name in ("cnn", "resnet", "fno", "vit") for n in (FEW, MANY)),
    *(Fit(f"sobolev_{name}", FEW) for name in ("cnn", "resnet", "fno", "vit")),
]
ACROSS = [
    "volume fraction", "ridge", "extra_trees", "svm", "gp", "two_point_pca", "cnn", "resnet", "fno",
    "vit", "sobolev_fno", "micrographs_probe",
]  # fmt: skip
VOLUMES = ["volume fraction", "two_point_pca", "ridge", "gp", "cnn", "sobolev_cnn", "resnet"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("job", choices=("ladder", "sobolev", "classes", "volumes"))
    parser.add_argument("--out", type=Path, default=Path("runs/representations"))
    parser.add_argument("--seeds", type=int)
    parser.add_argument("--rungs", help="only these, separated by commas")
    asked = parser.parse_args()
    torch.set_num_threads(1)
    only = set(asked.rungs.split(",")) if asked.rungs else None
    job = {"ladder": ladder, "sobolev": sobolev, "classes": classes, "volumes": volumes}[asked.job]
    rows = []
    for key, run in job(asked.out, asked.seeds):
        if only and key["rung"] not in only:
            continue
        # Both jobs fit some models to the same samples.
        folder = "two_phase" if asked.job in ("ladder", "sobolev") else asked.job
        rows.append(key | kept(asked.out / folder, key, run))
        print(json.dumps(rows[-1]), flush=True)
    table(rows)


def ladder(out: Path, seeds: int | None) -> Iterator:
    for seed in range(seeds or 3):
        data = simulated(out, {"samples": 2 * MANY, "seed": seed})
        for item in LADDER:
            yield one(item, data, seed)


def sobolev(out: Path, seeds: int | None) -> Iterator:
    for seed in range(seeds or 5):
        data = simulated(out, {"samples": 2 * MANY, "seed": seed})
        for item in SOBOLEV:
            yield one(item, data, seed)


def one(item: Fit, data: Dataset, seed: int):
    order = generator(seed, "split").permutation(len(data))
    train, test = order[: item.n], order[MANY : 2 * MANY]
    key = {"rung": item.rung, "n": item.n, "tuned": item.tuned, "seed": seed}
    return key, partial(scores, item, data, train, test, seed, True)


def classes(out: Path, seeds: int | None) -> Iterator:
    """Equal numbers of samples to train on, with the class and without."""
    for seed in range(seeds or 3):
        parts = [
            simulated(out, {"samples": PER_CLASS, "seed": seed, "generator": names}, name)
            for name, names in CLASSES.items()
        ]
        data = joined(parts)
        rng = generator(seed, "classes")
        places = {c: i * PER_CLASS + rng.permutation(PER_CLASS) for i, c in enumerate(CLASSES)}
        for name in CLASSES:
            test = places[name][:200]
            third = [p[200:467] for p in places.values()]
            half = [p[200:] for other, p in places.items() if other != name]
            for way, train in (("in", np.concatenate(third)), ("out", np.concatenate(half))):
                for rung in ACROSS:
                    key = {"rung": rung, "class": name, "way": way, "seed": seed}
                    item = Fit(rung, len(train))
                    yield key, partial(scores, item, data, train, test, seed, False)


def volumes(out: Path, seeds: int | None) -> Iterator:
    changes = {"shape": [32, 32, 32], "samples": 600, "generator": VOLUME_GENERATORS}
    data = simulated(out, changes, "volumes")
    for seed in range(seeds or 3):
        order = generator(seed, "split").permutation(600)
        for rung in VOLUMES:
            key = {"rung": rung, "n": 400, "seed": seed}
            item = Fit(rung, 400)
            yield key, partial(scores, item, data, order[:400], order[400:], seed, True)


VOLUME_GENERATORS = ["random_field", "particles", "overlapping_spheres", "gamma_prime", "spinodal",
                     "sintered", "voronoi"]  # fmt: skip


def simulated(out: Path, changes: dict, name: str = "set") -> Dataset:
    """The benchmark's recipe, changed; solved once, then opened."""
    recipe = yaml.safe_load(RECIPE.read_text()) | changes
    recipe["factors"] = factors_of(recipe)
    folder = out / "data" / f"{name}-{recipe['samples']}-{recipe['seed']}"
    if not (folder / "dataset.json").exists():
        print("simulating", folder, flush=True)
    return ice.read(ice.simulate(recipe, out=folder), target="C11")


def factors_of(recipe: dict) -> dict:
    """The recipe's factors that its generators have."""
    from iceframe.physics.generator import GENERATORS

    names = recipe["generator"]
    known = {f.name for name in names for f in GENERATORS[name].factors}
    return {name: value for name, value in recipe["factors"].items() if name in known}


def joined(parts: Sequence[Dataset]) -> Dataset:
    """Data sets with the same columns one after the other."""
    import pandas as pd

    from iceframe.core.dataset import ArrayImages

    every = [part.images for part in parts]
    index = [range(len(images)) for images in every]
    images = ArrayImages(
        np.concatenate([images.read(i) for images, i in zip(every, index, strict=True)]),
        parts[0].images.periodic,
        parts[0].images.kind,
        derivatives=np.concatenate(
            [images.gradients(i) for images, i in zip(every, index, strict=True)]
        ),
    )
    table = pd.concat([part.table[["C11"]] for part in parts], ignore_index=True)
    table.index = table.index.astype(str)
    return replace(parts[0], table=table, images=images, features=())


def scores(
    item: Fit, data: Dataset, train: np.ndarray, test: np.ndarray, seed: int, gradients: bool
) -> dict:
    start = time.perf_counter()
    predict, model = fitted(item, data, train, seed)
    seconds = time.perf_counter() - start
    y, predicted = data.y[test], predict(data.take(test))
    found = {
        "r2": float(1 - np.mean((y - predicted) ** 2) / y.var()),
        "mae": float(np.abs(y - predicted).mean()),
        "seconds": seconds,
    }
    if gradients and hasattr(model, "torch_model"):
        found["agreement"] = agreement(model, data, test[:GRADIENTS])
    return found


def fitted(item: Fit, data: Dataset, train: np.ndarray, seed: int):
    """A function from data to predictions, and the estimator."""
    if item.rung in SIMPLE:
        numbers = SIMPLE[item.rung]
        model = make_pipeline(
            StandardScaler(),
            PolynomialFeatures(3),
            StandardScaler(),
            RidgeCV(np.logspace(-6, 2, 9)),
        )
        model.fit(numbers(data.take(train)), data.y[train])
        return lambda new: model.predict(numbers(new)), model
    rung = RUNGS[item.rung]()
    representer = None
    if rung.input == "table":
        representer = Representer().fit(data.take(train))
    inputs = describe(representer, data.take(train))
    context = context_for(inputs, "regression", symmetries=SYMMETRIES, seed=seed)
    settings = tune(rung, inputs, data.y[train], context, trials=item.tuned, folds=3)
    found: Fitted = fit(rung, settings, inputs, data.y[train], context)
    return lambda new: found.predict(describe(representer, new)), found.estimator


def describe(representer: Representer | None, data: Dataset) -> Inputs:
    """What rungs look at; nothing is computed for those that look at images only."""
    from iceframe.core.values import Representation

    if representer is None:
        nothing = Representation(np.zeros((len(data), 0)), (), (), {}, ())
        return Inputs(nothing, data.images)
    return Inputs(representer.transform(data), data.images)


def fractions(data: Dataset) -> np.ndarray:
    return data.images.read(range(len(data))).reshape(len(data), -1).mean(axis=1, keepdims=True)


def second_order(data: Dataset) -> np.ndarray:
    """Volume fraction, and the means of cos²θ and cos⁴θ of wave vectors weighted by their power."""
    images = data.images.read(range(len(data)))[:, 0]
    power = np.abs(np.fft.fft2(images)) ** 2
    power[:, 0, 0] = 0
    waves = [np.fft.fftfreq(side) for side in images.shape[1:]]
    along = waves[1][None] ** 2
    square = along + waves[0][:, None] ** 2
    cosine = along / np.where(square > 0, square, 1)
    moments = [(power * cosine**k).sum(axis=(1, 2)) / power.sum(axis=(1, 2)) for k in (1, 2)]
    return np.column_stack([fractions(data), *moments])


SIMPLE = {"volume fraction": fractions, "second order": second_order}


def agreement(model, data: Dataset, index: np.ndarray) -> float:
    """Mean correlation of the input gradient with the exact sensitivity, image by image."""
    network = model.torch_model()
    found = []
    for some in np.array_split(index, max(1, len(index) // 20)):
        images = data.images.take(some)
        x = torch.as_tensor(images.read(range(len(some)))).requires_grad_()
        (slope,) = torch.autograd.grad(network(x).sum(), x)
        exact = images.gradients(range(len(some))).reshape(len(some), -1)
        pairs = zip(slope.flatten(1).numpy(), exact, strict=True)
        found += [np.corrcoef(a, b)[0, 1] for a, b in pairs]
    return float(np.mean(found))


def kept(folder: Path, key: dict, run) -> dict:
    """The stored scores of this fit, or new ones that are then stored."""
    name = "-".join(str(value).replace(" ", "_") for value in key.values()) + ".json"
    path = folder / name
    if path.exists():
        return json.loads(path.read_text())
    found = run()
    folder.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(found))
    return found


def table(rows: list[dict]) -> None:
    """Means over seeds with 95 % intervals."""
    groups: dict[tuple, list[dict]] = {}
    metrics = ("r2", "mae", "agreement", "seconds")
    for row in rows:
        key = tuple((k, v) for k, v in row.items() if k not in (*metrics, "seed"))
        groups.setdefault(key, []).append(row)
    shown = [m for m in metrics if any(m in row for row in rows)]
    if not groups:
        return
    head = [name for name, _ in next(iter(groups))]
    print("\n| " + " | ".join([*head, *shown]) + " |")
    print("|" + "---|" * (len(head) + len(shown)))
    for key, members in groups.items():
        cells = [str(value) for _, value in key]
        for metric in shown:
            values = [row[metric] for row in members if metric in row]
            cells.append(interval(values) if values else "–")
        print("| " + " | ".join(cells) + " |")


def interval(values: list[float]) -> str:
    mean = np.mean(values)
    if len(values) < 2:
        return f"{mean:.4g}"
    half = stats.t.ppf(0.975, len(values) - 1) * np.std(values, ddof=1) / np.sqrt(len(values))
    return f"{mean:.4f} ± {half:.4f}" if abs(mean) < 10 else f"{mean:.0f}"


if __name__ == "__main__":
    main()
