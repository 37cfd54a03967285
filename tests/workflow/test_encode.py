"""Encodings: fitted, stored, used again, and what is looked at."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import iceframe as ice
from iceframe.core.dataset import ArrayImages, Dataset
from iceframe.core.errors import InputError, UsageError
from iceframe.measure.latents import disentanglement
from iceframe.workflow.encode import Encoding
from iceframe.workflow.encoding_view import nearest, principal_components, view_of

N = 60


def dataset(n: int = N, side: int = 16, seed: int = 0, **columns: object) -> Dataset:
    """Grey images of varied brightness, with that as a column."""
    rng = np.random.default_rng(seed)
    bright = rng.uniform(0.2, 0.8, n)
    noise = 0.05 * rng.normal(size=(n, 1, side, side))
    pixels = (bright[:, None, None, None] + noise).astype(np.float32)
    index = pd.Index([f"s{i:03d}" for i in range(n)], name="id", dtype=object)
    table = pd.DataFrame({"brightness": bright, **columns}, index=index)
    return Dataset(table, images=ArrayImages(pixels), name="plates", units={"brightness": "lx"})


def fit(data: Dataset, out: Path, encoder: str = "autoencoder", **more: object) -> Encoding:
    return ice.encode(data, encoder=encoder, out=out, **{"latents": 3, "epochs": 3} | more)


@pytest.fixture(scope="module")
def fitted(tmp_path_factory: pytest.TempPathFactory) -> Encoding:
    """Scored by brightness, and by a word that the images do not show."""
    words = np.resize(["cast", "rolled"], N)
    data = dataset(furnace=words)
    folder = tmp_path_factory.mktemp("fitted")
    with pytest.MonkeyPatch.context() as patch:  # intervals are tested where they are made
        quick = partial(disentanglement.disentanglement_table, resamples=10, model_resamples=2)
        patch.setattr(disentanglement, "disentanglement_table", quick)
        return fit(data, folder, epochs=20, factors=["brightness", "furnace"])


def test_what_is_stored_is_what_was_learned(fitted: Encoding) -> None:
    data = dataset()
    again = ice.open_encoding(fitted.folder)
    assert list(again.latents.index) == list(data.ids)
    assert list(again.latents.columns) == ["latent 1", "latent 2", "latent 3"]
    expected = again.encoder.encode(data.images)
    np.testing.assert_array_equal(again.latents.to_numpy(), expected)
    pd.testing.assert_frame_equal(again.encode(data), again.latents, check_index_type=False)
    assert again.header["record"]["images"] == N


def test_latents_are_scored_by_the_factors(fitted: Encoding) -> None:
    scores = fitted.scores
    assert scores is not None
    value = scores.set_index("score")["value"]
    assert len(value) == 8
    assert value["explicitness"] > 0.6  # brightness is read off, the furnace is not
    assert (scores["low"] <= scores["value"]).all()
    assert set(scores["direction"]) == {"higher"}


def test_without_factors_there_is_no_score(tmp_path: Path) -> None:
    made = fit(dataset(20), tmp_path)
    assert made.scores is None
    assert not (tmp_path / "disentanglement.csv").exists()
    few = fit(dataset(20), tmp_path / "few", factors=["brightness"])
    assert few.scores is None
    assert "20 samples, 50 are needed" in few.header["notes"][0]


def test_the_same_work_is_done_once(tmp_path: Path) -> None:
    seen = []
    first = fit(dataset(20), tmp_path, watch=seen.append)
    assert [e.done for e in seen if e.stage == "fitting autoencoder"] == [1, 2, 3]
    assert seen[-1].stage == "encoding"
    assert seen[-1].done == seen[-1].total == 20
    assert seen[-1].remaining == 0
    count = len(seen)
    second = fit(dataset(20), tmp_path, watch=seen.append)
    assert len(seen) == count
    assert second.header == first.header
    for other in ({"latents": 4}, {"seed": 1}, {"encoder": "vae"}, {"factors": ["brightness"]}):
        with pytest.raises(InputError, match="another encoding"):
            fit(dataset(20), tmp_path, **other)
    with pytest.raises(InputError, match="another encoding"):
        fit(dataset(20, seed=1), tmp_path)


def test_what_was_cut_short_is_done_again(tmp_path: Path) -> None:
    first = fit(dataset(20), tmp_path).latents
    (tmp_path / "encoding.json").unlink()
    (tmp_path / "latents.csv").write_text("id\n")
    pd.testing.assert_frame_equal(fit(dataset(20), tmp_path).latents, first)


def test_an_aligned_encoder_takes_factors_or_measures_them(tmp_path: Path) -> None:
    data = dataset(30, furnace=np.resize(["cast", "rolled"], 30))
    named = fit(data, tmp_path / "named", "aligned_vae", factors=["brightness", "furnace"])
    assert named.header["aligned"] == ["brightness"]  # a word is no latent
    assert named.latents.columns[0] == "brightness"
    measured = fit(data, tmp_path / "measured", "aligned_vae", latents=4)
    assert measured.header["aligned"] == ["mean grey level", "standard deviation of grey level"]


def test_a_simulation_knows_its_factors(tmp_path: Path) -> None:
    recipe = {
        "generator": "random_field",
        "shape": [16, 16],
        "samples": 24,
        "factors": {"volume_fraction": [0.2, 0.8], "length": [2, 4]},
        "property": {"conductivity": {"values": [1, 10]}},
    }
    made = ice.simulate(recipe, out=tmp_path / "data", workers=1)
    found = fit(ice.read(made, require_target=False), tmp_path / "out")
    assert found.header["factors"]["names"] == ["volume_fraction", "length"]
    assert found.header["factors"]["units"] == ["", "voxel"]
    assert not [note for note in found.header["notes"] if "factors" in note]
    latents = found.encode(tmp_path / "data")  # read as those of the fit were
    pd.testing.assert_frame_equal(latents, found.latents, check_index_type=False)


def test_refusals(fitted: Encoding, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="channels and size"):
        fitted.encode(dataset(4, side=24))
    two = ArrayImages(np.zeros((4, 2, 16, 16), np.float32))
    with pytest.raises(InputError, match=r"\(2, 16, 16\)"):
        fitted.encode(Dataset(dataset(4).table, images=two))
    phases = ArrayImages(np.ones((4, 1, 16, 16), np.float32), False, "phase")
    with pytest.raises(InputError, match="phase"):
        fitted.encode(Dataset(dataset(4).table, images=phases))
    with pytest.raises(InputError, match="has no images"):
        fitted.encode(Dataset(dataset(4).table))
    with pytest.raises(InputError, match="too few"):
        fit(dataset(5), tmp_path)
    same = ArrayImages(np.full((20, 1, 16, 16), 0.5, np.float32))
    with pytest.raises(InputError, match="nothing to learn"):
        fit(Dataset(dataset(20).table, images=same), tmp_path)
    with pytest.raises(InputError, match="Did you mean 'brightness'"):
        fit(dataset(20), tmp_path, factors=["brightnes"])
    with pytest.raises(InputError, match="cannot be a factor"):
        fit(dataset(20, lot=np.ones(20)), tmp_path, factors=["lot"])
    with pytest.raises(InputError, match="cannot be a factor"):
        fit(dataset(20, lot=[None] + ["a", "b"] * 9 + ["a"]), tmp_path, factors=["lot"])
    with pytest.raises(UsageError, match="Did you mean 'vae'"):
        fit(dataset(20), tmp_path, "vea")
    with pytest.raises(UsageError, match="no setting 'latents'"):
        fit(dataset(20, side=32), tmp_path, "micrographs", epochs=None)
    assert not list(tmp_path.iterdir())
    with pytest.raises(InputError, match="not a fitted encoder"):
        ice.open_encoding(tmp_path)


def test_an_encoding_of_another_version_is_refused(fitted: Encoding, tmp_path: Path) -> None:
    (tmp_path / "encoding.json").write_text('{"format": 99}')
    with pytest.raises(InputError, match="another version"):
        ice.open_encoding(tmp_path)


def test_the_view_holds_what_the_latents_say(fitted: Encoding) -> None:
    data = dataset(furnace=np.resize(["cast", "rolled"], N))
    view = view_of(fitted, data)
    strongest = view.traversals[0]
    assert strongest.images.shape == (7, 1, 16, 16)
    effects = [t.effect for t in view.traversals]
    assert effects == sorted(effects, reverse=True)
    # What varies is the brightness, so that is what the strongest latent paints.
    means = strongest.images.mean(axis=(1, 2, 3))
    assert abs(means[-1] - means[0]) > 0.2
    assert np.all(np.diff(means) > 0) or np.all(np.diff(means) < 0)
    bright = dict(zip(map(str, data.ids), data.table["brightness"], strict=True))
    apart = [np.std([bright[i] for i in row.ids]) for row in view.neighbours]
    assert np.mean(apart) < 0.5 * data.table["brightness"].std()
    for row in view.neighbours:
        assert row.distances[0] == 0
        assert list(row.distances) == sorted(row.distances)
        assert len(set(row.ids)) == 6
    assert [c.name for c in view.colourings] == ["brightness", "furnace"]
    assert view.colourings[0].unit == "lx"
    with pytest.raises(InputError, match="not the samples"):
        view_of(fitted, dataset(20))


def test_what_does_not_vary_has_no_component() -> None:
    points, shares = principal_components(np.ones((5, 3)))
    assert not points.any()
    assert shares == (0.0, 0.0)
    points, shares = principal_components(np.arange(4.0)[:, None])
    assert shares == pytest.approx((1.0, 0.0))
    assert not points[:, 1].any()


def test_a_duplicate_does_not_take_the_place_of_the_query() -> None:
    z = np.zeros((4, 2))
    for near, distances in nearest(z, np.arange(4)):
        assert len(set(near)) == 4
        assert not distances.any()
    assert [int(near[0]) for near, _ in nearest(z, np.array([2, 0, 3, 1]))] == [2, 0, 3, 1]
