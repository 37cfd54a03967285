"""Taking a cue out of a data set: what is no cue stays as it was."""

from __future__ import annotations

import pickle

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from iceframe.core.dataset import ArrayImages, Dataset, SupervisedImages
from iceframe.core.errors import InputError, UsageError
from iceframe.ingest.neutral import Cue, NeutralImages, neutral_pixels, parse_cue, without_cue


def pictures(n: int = 4, height: int = 24, width: int = 30, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return rng.uniform(0.3, 0.7, (n, 1, height, width)).astype(np.float32)


def data_of(pixels: np.ndarray) -> Dataset:
    table = pd.DataFrame({"y": np.arange(len(pixels)), "lab": 1.0, "x": 2.0})
    table.index = table.index.map(str)
    return Dataset(table, "y", "regression", ("lab", "x"), images=ArrayImages(pixels))


@pytest.mark.parametrize(
    "text",
    [
        "scale bar at 104:110,120:152",
        "banner at 0:12,0:322",
        "border of 4 pixels",
        "uneven light",
        "brightness",
        "column file order",
    ],
)
def test_names_round_trip(text):
    assert str(parse_cue(text)) == text


@pytest.mark.parametrize(
    "text", ["", "colour", "border of 0 pixels", "scale bar", "banner at 9:3,0:4", "column "]
)
def test_unknown_cues_are_refused_with_the_list(text):
    with pytest.raises(UsageError) as refused:
        without_cue(data_of(pictures()), text)
    for name in ("scale bar at", "border of", "uneven light", "brightness", "column NAME"):
        assert name in str(refused.value)


@settings(deadline=None, max_examples=40)
@given(st.data())
def test_pixels_outside_a_box_stay(data):
    pixels = pictures()
    top = data.draw(st.integers(0, 23))
    bottom = data.draw(st.integers(top + 1, 24))
    left = data.draw(st.integers(0, 29))
    right = data.draw(st.integers(left + 1, 30))
    try:
        images = NeutralImages(ArrayImages(pixels), Cue("scale bar", (top, bottom, left, right)))
    except InputError:
        return
    read = images.read([0, 1, 2, 3])
    outside = np.ones((24, 30), bool)
    outside[top:bottom, left:right] = False
    assert (read[..., outside] == pixels[..., outside]).all()
    # What is painted is material of the same image.
    for one, was in zip(read, pixels, strict=True):
        assert np.isin(one[0, ~outside], was[0, outside]).all()


def test_a_bar_is_gone_from_samples_that_showed_it():
    pixels = pictures()
    pixels[:2, :, 18:21, 4:14] = 1.0
    clean = without_cue(data_of(pixels), "scale bar at 17:22,3:15").images
    assert clean is not None
    assert clean.read(range(4)).max() < 0.71


def test_a_border_is_cut_and_nothing_else():
    pixels = pictures()
    clean = without_cue(data_of(pixels), "border of 3 pixels").images
    assert clean is not None
    assert clean.shape == (1, 18, 24)
    assert (clean.read([1, 3]) == pixels[[1, 3], :, 3:-3, 3:-3]).all()


def test_brightness_goes_and_contrast_stays():
    pixels = pictures()
    brighter = pixels + np.array([0.0, 0.1, -0.1, 0.05], np.float32)[:, None, None, None]
    one, other = (neutral_pixels(x, Cue("brightness")) for x in (pixels, brighter))
    np.testing.assert_allclose(one, other, atol=1e-6)
    np.testing.assert_allclose(one.mean(axis=(1, 2, 3)), 0.5, atol=1e-6)
    np.testing.assert_allclose(np.diff(one), np.diff(pixels) / 2, atol=1e-6)
    extreme = np.zeros((1, 1, 4, 4), np.float32)
    extreme[..., 0] = 1.0
    assert neutral_pixels(extreme, Cue("brightness")).min() >= 0
    assert neutral_pixels(extreme, Cue("brightness")).max() <= 1


def test_uneven_light_goes_and_the_mean_stays():
    pixels = pictures()
    y, x = np.meshgrid(np.linspace(-1, 1, 24), np.linspace(-1, 1, 30), indexing="ij")
    light = (0.1 * y + 0.05 * x * y - 0.08 * (x**2 - (x**2).mean())).astype(np.float32)
    one, other = (neutral_pixels(p, Cue("uneven light")) for p in (pixels, pixels + light))
    np.testing.assert_allclose(one, other, atol=1e-5)
    np.testing.assert_allclose(one.mean((1, 2, 3)), pixels.mean((1, 2, 3)), atol=1e-5)


def test_a_column_is_no_feature_any_more():
    data = data_of(pictures())
    clean = without_cue(data, "column lab")
    assert clean.features == ("x",)
    assert clean.images is data.images
    assert "column lab" in clean.notes[-1]
    assert clean.fingerprint != data.fingerprint
    with pytest.raises(UsageError, match="x"):
        without_cue(clean, "column lab")


def test_images_without_a_cue_are_an_image_source():
    source = ArrayImages(pictures(), periodic=True, derivatives=pictures(seed=1))
    images = NeutralImages(source, Cue("border", width=2))
    assert len(images) == 4
    assert images.names == source.names
    assert images.metadata().empty
    assert not images.periodic
    assert not isinstance(images, SupervisedImages)
    assert (images.take([2, 0]).read([1]) == images.read([0])).all()
    again = pickle.loads(pickle.dumps(images))
    assert again.fingerprint == images.fingerprint != source.fingerprint


def test_cues_are_taken_out_one_after_the_other():
    pixels = pictures()
    pixels[:, :, :2] = 1.0
    data = without_cue(without_cue(data_of(pixels), "border of 2 pixels"), "brightness")
    assert data.images is not None
    assert data.images.read([0]).mean() == pytest.approx(0.5, abs=1e-6)
    assert len(data.notes) == 2


@pytest.mark.parametrize(
    "cue", ["scale bar at 20:30,0:4", "border of 6 pixels", "banner at 0:24,0:30"]
)
def test_places_that_cannot_be_repaired_are_refused(cue):
    with pytest.raises(InputError, match="24 × 30"):
        without_cue(data_of(pictures()), cue)


def test_volumes_and_tables_are_refused():
    with pytest.raises(InputError, match="volumes"):
        NeutralImages(ArrayImages(np.zeros((2, 1, 8, 8, 8), np.float32)), Cue("brightness"))
    plain = Dataset(pd.DataFrame({"a": [1.0], "y": [2.0]}), "y", "regression", ("a",))
    with pytest.raises(UsageError, match="column NAME"):
        without_cue(plain, "brightness")
