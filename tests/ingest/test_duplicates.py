"""Copies are found as copies, and what merely looks alike is left alone."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy.ndimage import gaussian_filter

from iceframe.core.dataset import ArrayImages, Dataset
from iceframe.ingest.coordinates import coordinates
from iceframe.ingest.duplicates import duplicate_groups, find_duplicates, linked
from iceframe.ingest.similar_images import similar_images
from iceframe.ingest.similar_rows import similar_rows


def textures(n: int, size: int, length: float, seed: int) -> np.ndarray:
    """Grey random fields in [0, 1], float32 ``(n, 1, size, size)``."""
    rng = np.random.default_rng(seed)
    fields = [gaussian_filter(rng.normal(size=(size, size)), length, mode="wrap") for _ in range(n)]
    fields = np.stack(fields)
    fields = 0.5 + 0.15 * fields / fields.std(axis=(1, 2), keepdims=True)
    return np.clip(fields + 0.01 * rng.normal(size=fields.shape), 0, 1)[:, None].astype(np.float32)


def rows_of(values: np.ndarray, **more: object) -> Dataset:
    table = pd.DataFrame(values, columns=[f"x{i}" for i in range(values.shape[1])])
    names = [*table.columns, *more]
    table = table.assign(y=0.0, **more)
    return Dataset(table, "y", "regression", tuple(names))


def pair_set(data: Dataset) -> set[tuple[int, int]]:
    return {(int(i), int(j)) for i, j in find_duplicates(data).pairs}


# Tables


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize(("n", "d"), [(40, 2), (300, 5), (300, 30)])
def test_independent_rows_are_no_copies(n: int, d: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    assert not pair_set(rows_of(rng.normal(size=(n, d))))
    assert not pair_set(rows_of(rng.lognormal(sigma=1.5, size=(n, d))))


@pytest.mark.parametrize("seed", range(5))
def test_dense_and_gridded_tables_raise_no_alarm(seed: int) -> None:
    rng = np.random.default_rng(seed)
    assert not pair_set(rows_of(np.sort(rng.random((3000, 1)), axis=0)))
    line = rng.random((2000, 1))  # a curve in three dimensions: neighbours are near by necessity
    assert not pair_set(rows_of(np.hstack([line, line**2, np.sin(line)])))
    grid = np.stack(np.meshgrid(*[np.arange(8.0)] * 3), -1).reshape(-1, 3)
    assert not pair_set(rows_of(grid))


@pytest.mark.parametrize("seed", range(5))
def test_identical_and_rounded_rows_are_found(seed: int) -> None:
    rng = np.random.default_rng(seed)
    values = rng.normal(100, 10, size=(200, 8))
    values[150] = values[3]
    values[160] = np.round(values[7], 1)
    values[170] = values[9] * 1.0001
    assert pair_set(rows_of(values)) == {(3, 150), (7, 160), (9, 170)}
    relations = find_duplicates(rows_of(values)).relation
    assert sorted(relations) == ["identical", "nearly identical", "nearly identical"]


def test_text_and_gaps_tell_rows_apart() -> None:
    values = np.tile(np.random.default_rng(0).normal(size=(30, 3)), (2, 1))
    route = ["cast"] * 30 + ["forged"] * 30
    assert not pair_set(rows_of(values, route=route))
    values[30:, 1] = np.nan
    assert not pair_set(rows_of(values))
    values[:, 1] = np.nan
    assert len(pair_set(rows_of(values))) == 30


def test_formulas_are_compared_as_fractions() -> None:
    formulas = ["Fe2O3", "Fe4O6", "FeO", "O3Fe2", "not a formula", "nor this"]
    table = pd.DataFrame({"f": formulas, "y": 0.0})
    groups = duplicate_groups(Dataset(table, "y", "regression", composition="f"))
    assert groups.tolist() == [0, 0, 1, 0, 2, 3]


def test_nothing_to_compare_means_no_copies() -> None:
    data = Dataset(pd.DataFrame({"y": np.zeros(5)}), "y", "regression")
    assert duplicate_groups(data).tolist() == [0, 1, 2, 3, 4]
    assert duplicate_groups(rows_of(np.zeros((0, 2)))).tolist() == []


def test_nineteen_thousand_rows_take_seconds() -> None:
    rng = np.random.default_rng(0)
    values = rng.normal(size=(19_000, 40))
    values[18_000:18_100] = values[:100]
    values[18_100:18_200] = values[100:200] + 1e-4
    pairs, _ = similar_rows(coordinates(rows_of(values)))
    assert len(pairs) == 200


def test_linked_chains_meet() -> None:
    assert linked(np.array([[4, 2], [2, 0], [1, 3]]), 5).tolist() == [0, 1, 0, 1, 0]
    assert linked(np.zeros((0, 2), int), 3).tolist() == [0, 1, 2]


# Images


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("length", [1.0, 2.5, 5.0])
@pytest.mark.parametrize("periodic", [True, False])
def test_independent_textures_are_no_copies(length: float, periodic: bool, seed: int) -> None:
    grey = textures(80, 64, length, seed)
    assert not len(similar_images(ArrayImages(grey, periodic))[0])
    phases = (grey > np.median(grey, axis=(2, 3), keepdims=True)).astype(np.float32)
    assert not len(similar_images(ArrayImages(phases, periodic, "phase"))[0])


@pytest.mark.parametrize("seed", range(3))
def test_inclusions_gratings_and_shading_raise_no_alarm(seed: int) -> None:
    rng = np.random.default_rng(seed)
    y, x = np.indices((64, 64))
    discs = np.zeros((60, 1, 64, 64), np.float32)
    for image in discs[:, 0]:
        for cy, cx in rng.uniform(0, 64, (12, 2)):
            image[(y - cy) ** 2 + (x - cx) ** 2 < 16] = 1
    assert not len(similar_images(ArrayImages(discs, kind="phase"))[0])
    phase = rng.uniform(0, 6, (60, 1, 1, 1))
    waves = np.sin(x / 2 + phase) + 0.5 * rng.normal(size=(60, 1, 64, 64))
    assert not len(similar_images(ArrayImages(waves.astype(np.float32)))[0])
    vignette = -(((y - 32) ** 2 + (x - 32) ** 2) / 1500.0)
    banner = np.zeros((64, 64))
    banner[58:, :] = np.indices((6, 64)).sum(axis=0) % 3
    shaded = textures(60, 64, 1.5, seed) + vignette.astype(np.float32) + banner.astype(np.float32)
    assert not len(similar_images(ArrayImages(shaded))[0])


CHANGES = {
    "copy": lambda a, rng: a,
    "brighter": lambda a, rng: 0.2 + 0.6 * a,
    "steeper": lambda a, rng: np.clip(a, 0, 1) ** 1.8,
    "noisy": lambda a, rng: a + 0.05 * rng.normal(size=a.shape),
    "blurred": lambda a, rng: gaussian_filter(a, 1.0),
    "shaded": lambda a, rng: a * np.linspace(0.5, 1.5, a.shape[0])[:, None],
    "mirrored": lambda a, rng: a[:, ::-1],
    "upside down": lambda a, rng: a[::-1],
    "turned": lambda a, rng: np.rot90(a),
    "transposed and darker": lambda a, rng: 0.7 * a.T,
}


@pytest.mark.parametrize("seed", range(2))
@pytest.mark.parametrize("change", CHANGES)
def test_altered_copies_are_found(change: str, seed: int) -> None:
    rng = np.random.default_rng(seed)
    images = textures(40, 96, 2.5, seed)
    images[35, 0] = CHANGES[change](images[4, 0], rng)
    pairs, score, relation, complete = similar_images(ArrayImages(images))
    assert pairs.tolist() == [[4, 35]]
    assert complete
    assert 0.3 < score[0] <= 1 + 1e-6
    turned = change in ("mirrored", "upside down", "turned", "transposed and darker")
    assert (relation[0] == "mirrored or rotated") == turned


@pytest.mark.parametrize("seed", range(3))
def test_overlapping_fields_of_one_specimen_are_found(seed: int) -> None:
    scene = textures(1, 220, 2.0, seed)[0, 0]
    others = textures(38, 96, 2.0, seed + 100)
    fields = np.stack([scene[10:106, 10:106], scene[40:136, 30:126]])[:, None]
    pairs, _, relation, _ = similar_images(ArrayImages(np.concatenate([others, fields])))
    assert pairs.tolist() == [[38, 39]]
    assert relation == ["shifted or overlapping"]


def test_volumes_and_channels() -> None:
    rng = np.random.default_rng(0)
    volumes = np.stack([gaussian_filter(rng.normal(size=(20,) * 3), 1.5) for _ in range(12)])
    volumes[11] = volumes[2].transpose(2, 0, 1)[::-1]
    assert similar_images(ArrayImages(volumes[:, None]))[0].tolist() == [[2, 11]]
    phases = textures(20, 48, 2.0, 3) > 0.5
    one_hot = np.concatenate([phases, ~phases], axis=1).astype(np.float32)
    one_hot[15] = one_hot[3]
    assert similar_images(ArrayImages(one_hot))[0].tolist() == [[3, 15]]


def test_blank_and_tiny_images() -> None:
    blank = ArrayImages(np.full((5, 1, 32, 32), 0.5, np.float32))
    assert not len(similar_images(blank)[0])
    tiny = np.random.default_rng(0).random((6, 1, 4, 4)).astype(np.float32)
    tiny[5] = tiny[0]
    assert [0, 5] in similar_images(ArrayImages(tiny))[0].tolist()


def test_equal_conditions_of_different_images_are_no_copies() -> None:
    table = pd.DataFrame({"T": [800.0] * 20, "y": np.arange(20.0)})
    data = Dataset(table, "y", "regression", ("T",), images=ArrayImages(textures(20, 64, 2.0, 0)))
    assert len(set(duplicate_groups(data))) == 20


def test_large_sets_skip_shifts_and_say_so() -> None:
    images = textures(1200, 16, 1.0, 0)
    images[1100] = images[7, :, ::-1]
    pairs, _, _, complete = similar_images(ArrayImages(images))
    assert not complete
    assert [7, 1100] in pairs.tolist()


@pytest.mark.slow
def test_uhcs_near_duplicates(shared_data) -> None:
    """At least the nine pairs that its curators know, none of them across classes."""
    from PIL import Image

    folder = shared_data / "micrographs" / "uhcs"
    labels = pd.read_csv(folder / "labels.csv")
    grey = [
        np.asarray(Image.open(folder / f).convert("L"), np.float32) / 255 for f in labels["file"]
    ]
    pairs, _, relation, _ = similar_images(ArrayImages(np.stack(grey)[:, None]))
    names = labels["file"].to_numpy()
    assert all(labels["constituent"][i] == labels["constituent"][j] for i, j in pairs)
    known = {(17, 25), (146, 199), (34, 117), (109, 171), (56, 91), (125, 173), (10, 114), (3, 63)}
    found = {tuple(int(names[k][10:-4]) for k in pair) for pair in pairs}
    assert known <= found
    assert {"same field", "shifted or overlapping"} <= set(relation)
    assert 80 <= len(pairs) <= 150
