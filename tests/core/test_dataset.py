"""A data set keeps rows, images and roles together, and its fingerprint sees every change."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from iceframe.core.dataset import ArrayImages, Dataset, ImageSource


@pytest.fixture
def steels(rng: np.random.Generator) -> Dataset:
    table = pd.DataFrame(
        {
            "strength": [500.0, 620.0, 710.0, 480.0],
            "carbon": [0.1, 0.2, 0.3, 0.1],
            "heat": ["A", "A", "B", "B"],
            "formula": ["Fe", "Fe", "FeC", "Fe"],
        },
        index=["s1", "s2", "s3", "s4"],
    )
    pixels = rng.random((4, 1, 5, 6)).astype(np.float32)
    return Dataset(
        table,
        target="strength",
        task="regression",
        features=("carbon",),
        composition="formula",
        images=ArrayImages(pixels),
        groups={"specimen": "heat"},
        units={"strength": "MPa"},
    )


def test_array_images_are_an_image_source(rng: np.random.Generator) -> None:
    images = ArrayImages(rng.random((3, 2, 4, 5)))
    assert isinstance(images, ImageSource)
    assert images.shape == (2, 4, 5)
    batch = images.read([2, 0])
    assert batch.dtype == np.float32
    np.testing.assert_allclose(batch, images.values[[2, 0]], rtol=1e-6)
    assert len(images.metadata()) == 3


@pytest.mark.parametrize("shape", [(3, 4, 4), (3, 4), (1, 1, 1, 1, 1, 1)])
def test_array_images_refuse_a_missing_channel_axis(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="expected \\(n, channels"):
        ArrayImages(np.zeros(shape))


def test_images_keep_their_names_when_taken() -> None:
    images = ArrayImages(np.zeros((3, 1, 2, 2)), names=("a.png", "b.png", "c.png"))
    assert images.take([2, 1]).names == ("c.png", "b.png")


def test_one_image_a_row(steels: Dataset) -> None:
    with pytest.raises(ValueError, match="4 images for 3 rows"):
        replace(steels, table=steels.table.iloc[:3])


def test_regression_target_is_float(steels: Dataset) -> None:
    assert steels.y.dtype == np.float64
    np.testing.assert_array_equal(steels.y, [500, 620, 710, 480])
    assert steels.classes == ()


def test_classes_are_sorted_names(steels: Dataset) -> None:
    data = replace(steels, target="heat", task="classification")
    assert data.classes == ("A", "B")
    assert list(data.y) == ["A", "A", "B", "B"]
    numbers = replace(data, table=steels.table.assign(heat=[2, 10, 2, 10]), task="classification")
    assert numbers.classes == ("10", "2"), "names, not numbers"


def test_no_target_says_so(steels: Dataset) -> None:
    with pytest.raises(ValueError, match="no target"):
        _ = replace(steels, target=None).y


def test_taking_rows_keeps_images_aligned(steels: Dataset) -> None:
    part = steels.take([3, 1])
    assert list(part.ids) == ["s4", "s2"]
    np.testing.assert_array_equal(part.y, [480, 620])
    assert part.images is not None
    assert steels.images is not None
    np.testing.assert_array_equal(part.images.read([0]), steels.images.read([3]))


def test_a_sample_knows_its_roles(steels: Dataset) -> None:
    sample = steels.sample(2)
    assert sample.id == "s3"
    assert sample.specimen == "B"
    assert sample.material_class is None
    assert sample.conditions == {"carbon": 0.3}
    assert sample.properties == {"strength": 710.0}
    assert sample.modalities == {"image": "image2", "composition": "FeC"}


def test_a_sample_to_predict_has_no_properties(steels: Dataset) -> None:
    data = replace(steels, table=steels.table.drop(columns="strength"))
    assert data.sample(0).properties == {}


def test_fingerprint_is_of_contents_not_of_names(steels: Dataset) -> None:
    assert steels.fingerprint == replace(steels, name="other", source="elsewhere").fingerprint


def test_fingerprint_sees_every_change(steels: Dataset) -> None:
    assert isinstance(steels.images, ArrayImages)
    pixels = steels.images.values.copy()
    pixels[3, 0, 4, 5] += 1e-3
    changed = {
        "one number": replace(steels, table=steels.table.assign(carbon=[0.1, 0.2, 0.3, 0.11])),
        "one pixel": replace(steels, images=ArrayImages(pixels)),
        "one id": replace(steels, table=steels.table.rename(index={"s1": "s9"})),
        "the order": steels.take([1, 0, 2, 3]),
        "the target": replace(steels, target="carbon"),
        "the features": replace(steels, features=()),
        "the task": replace(steels, target="heat", task="classification"),
        "a role": replace(steels, groups={}),
        "no images": replace(steels, images=None),
    }
    prints = {what: data.fingerprint for what, data in changed.items()}
    same = [what for what, value in prints.items() if value == steels.fingerprint]
    assert not same
    assert len(set(prints.values())) == len(prints)
