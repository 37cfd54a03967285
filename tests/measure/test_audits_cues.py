"""Cues in images: what was planted is found and named, and clean images say nothing."""

from __future__ import annotations

import numpy as np
import pytest

from iceframe.core.dataset import ArrayImages
from iceframe.ingest.neutral import NeutralImages
from iceframe.measure.audits import planted
from iceframe.measure.audits.cues import find_cues
from iceframe.measure.audits.places import places
from iceframe.measure.audits.welch import FEWEST, compare, groups_of

GRID = (48, 56)


def textures(n: int, seed: int, coarse: np.ndarray | float = 1.5) -> np.ndarray:
    """Homogeneous pictures ``(n, 1, h, w)``, each of its own coarseness and tone."""
    from scipy.ndimage import gaussian_filter

    rng = np.random.default_rng(seed)
    sizes = np.broadcast_to(coarse, n)
    made = []
    for size in sizes:
        x = gaussian_filter(rng.standard_normal(GRID), size, mode="wrap")
        made.append(rng.uniform(0.4, 0.6) + 0.12 * x / x.std())
    return np.clip(np.stack(made), 0, 1).astype(np.float32)[:, None]


def planted_in(pixels: np.ndarray, show: np.ndarray, kind: str) -> np.ndarray:
    x = pixels.copy()
    mine = x[show]
    if kind == "scale bar":
        mine[:, :, 40:44, 34:52] = 1.0
    elif kind == "banner":
        mine[:, :, 42:, :] = 0.0
    elif kind == "border":
        for edge in (np.s_[:, :, :3], np.s_[:, :, -3:], np.s_[..., :3], np.s_[..., -3:]):
            mine[edge] = 0.9
    elif kind == "brightness":
        mine = np.clip(mine + 0.12, 0, 1)
    elif kind == "uneven light":
        mine = np.clip(mine + np.linspace(-0.1, 0.1, GRID[0], dtype=np.float32)[:, None], 0, 1)
    x[show] = mine
    return x


KINDS = ("scale bar", "banner", "border", "brightness", "uneven light")


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("seed", [0, 1])
def test_what_was_planted_is_found_and_named(kind, seed):
    y = np.arange(90) % 2
    rng = np.random.default_rng(seed)
    show = rng.random(90) < np.where(y, 0.9, 0.1)
    found = find_cues(ArrayImages(planted_in(textures(90, seed), show, kind)), y, seed)
    assert [one.cue.kind for one in found] == [kind]
    (one,) = found
    assert one.p < 0.01
    if kind == "scale bar":
        top, bottom, left, right = one.cue.box
        assert 36 <= top <= 40
        assert 44 <= bottom <= 48
        assert 30 <= left <= 34
        assert 52 <= right <= 56
        assert "bottom right" in one.where
    if kind == "border":
        assert one.cue.width in (3, 4)
    if kind == "brightness":
        assert one.alike
        assert abs(one.difference) == pytest.approx(0.12 * 0.8, abs=0.04)


def test_clean_images_are_silent_also_where_groups_differ_in_their_material():
    y = np.arange(90) % 2
    spoken = []
    for seed in range(8):
        fine = textures(90, 100 + seed, np.where(y, 0.8, 3.0))
        spoken += [str(one.cue) for one in find_cues(ArrayImages(fine), y, seed)]
    assert len(spoken) <= 1, spoken


def test_a_cue_that_all_groups_show_tells_nothing():
    show = np.random.default_rng(5).random(90) < 0.5
    pixels = planted_in(textures(90, 5), show, "scale bar")
    assert find_cues(ArrayImages(pixels), np.arange(90) % 2, 0) == ()


def test_of_a_number_the_quarters_are_compared():
    y = np.random.default_rng(3).normal(size=90)
    pixels = planted_in(textures(90, 3), y > 0.4, "border")
    found = find_cues(ArrayImages(pixels), groups_of(y, False), 0)
    assert [one.cue.kind for one in found] == ["border"]


def test_two_cues_are_found_one_after_the_other():
    y = np.arange(90) % 2
    pixels = planted_in(planted_in(textures(90, 7), y == 1, "border"), y == 1, "brightness")
    found = find_cues(ArrayImages(pixels), y, 0)
    assert {one.cue.kind for one in found} == {"border", "brightness"}
    images = ArrayImages(pixels)
    for one in found:
        images = NeutralImages(images, one.cue)
    assert find_cues(images, y, 0) == ()


def test_phases_have_no_light_and_no_brightness():
    y = np.arange(90) % 2
    pixels = (textures(90, 8) > np.where(y, 0.45, 0.55)[:, None, None, None]).astype(np.float32)
    assert find_cues(ArrayImages(pixels, kind="phase"), y, 0) == ()
    assert [c.cue.kind for c in find_cues(ArrayImages(pixels), y, 0)] == ["brightness"]


def test_a_finding_says_what_the_cue_tells_alone():
    y = np.arange(90) % 2
    images = ArrayImages(planted_in(textures(90, 9), y == 1, "scale bar"))
    found = find_cues(images, y, 0)
    done = planted.examine(images, y, ("class a", "class b"), found, True, 0)
    assert [f.code for f in done.findings] == ["cue-scale-bar"]
    assert done.cues == {0: str(found[0].cue)}
    assert done.findings[0].value > 0.95
    assert "balanced accuracy" in done.findings[0].evidence
    alone = planted.alone(np.random.default_rng(0).normal(size=(90, 3)), y, True, 0)
    assert alone["low"] < alone["chance"] < alone["high"]


def test_places_of_a_known_picture():
    x = np.full((1, 1, 32, 32), 0.5, np.float32)
    x[0, 0, :4, :4] = 1.0
    seen = places(ArrayImages(x))
    assert seen.blocks.shape == (1, 16, 16)
    assert seen.blocks[0, :2, :2] == pytest.approx(0.5)
    assert np.abs(seen.blocks[0, 2:]).max() == 0
    assert seen.white[0, 0, 0] == 1
    assert seen.strips[0, 0, :4] == pytest.approx(0.5 * 4 / 32)
    assert seen.mean[0] == pytest.approx(0.5 + 0.5 / 64)
    with pytest.raises(ValueError, match="pictures"):
        places(ArrayImages(np.zeros((2, 1, 8, 8, 8), np.float32)))


def test_groups_of_unequal_spread_keep_the_level():
    """The null holds, the groups differ in spread and size: few of the deals may speak."""
    spoken = 0
    for seed in range(60):
        rng = np.random.default_rng(seed)
        groups = (np.arange(60) < 15).astype(int)
        x = rng.normal(size=(60, 20)) * np.where(groups, 3.0, 1.0)[:, None]
        found = compare(x, groups, np.random.default_rng(seed + 1), draws=99, level=0.05)
        spoken += np.abs(found.t).max() > found.critical
    assert spoken <= 10


def test_small_groups_are_left_out():
    y = np.array(["a"] * 20 + ["b"] * (FEWEST - 1) + ["c"] * 20)
    groups = groups_of(y, True)
    assert set(groups[y == "b"]) == {-1}
    assert sorted(set(groups)) == [-1, 0, 1]
    assert groups_of(np.array([1.0, np.nan] * 40), False).tolist().count(-1) == 40
    with pytest.raises(ValueError, match="two groups"):
        compare(np.zeros((5, 2)), np.zeros(5, int), np.random.default_rng(0))
