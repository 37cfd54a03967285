"""Rendered micrographs: what each effect does, that it can be switched off, that seeds decide."""

from __future__ import annotations

from dataclasses import fields, replace

import numpy as np
import pytest

from iceframe.core.errors import InputError
from iceframe.physics.imaging import FAITHFUL, Imaging, grey_levels, micrographs, windows

RNG = np.random.default_rng


def halves(n=6, side=48):
    """Images whose right half is phase 1."""
    phases = np.zeros((n, side, side), np.uint8)
    phases[:, :, side // 2 :] = 1
    return phases


LEVELS = np.tile([0.3, 0.6], (6, 1))


def seen(imaging, seed=0, phases=None, levels=LEVELS):
    phases = halves() if phases is None else phases
    return micrographs(phases, RNG(seed), levels=levels, imaging=imaging)


def faithful(**effects):
    """Every effect off but those named, which fall on every image; no change of tone."""
    off = {f.name: 0.0 for f in fields(Imaging) if isinstance(getattr(Imaging(), f.name), float)}
    base = Imaging(**off, blur=(0, 0), contrast=(1, 1), shown=(0, 0), gamma=(1, 1))
    return replace(base, share=1, **effects)


def test_without_effects_the_phases_come_out():
    x = seen(FAITHFUL)
    assert x.dtype == np.float32
    assert np.allclose(x[:, :, :24], 0.3, atol=0.5 / 255)
    assert np.allclose(x[:, :, 24:], 0.6, atol=0.5 / 255)


def test_pictures_have_8_bits_and_a_seed():
    phases = RNG(1).integers(0, 3, (5, 40, 33))
    x = micrographs(phases, RNG(2))
    assert x.shape == (5, 40, 33)
    assert x.min() >= 0
    assert x.max() <= 1
    assert np.allclose(x * 255, np.rint(x * 255), atol=1e-3)
    assert np.array_equal(micrographs(phases, RNG(2)), x)
    assert not np.array_equal(micrographs(phases, RNG(3)), x)
    assert len({image.tobytes() for image in x}) == 5  # each in its own way


def test_strengths_above_zero_are_seen_and_zero_is_not():
    plain = seen(faithful())
    for effect in ("texture", "edges", "relief", "charging", "streaks", "scratches", "light",
                   "defocus", "shot", "noise"):  # fmt: skip
        x = seen(faithful(**{effect: getattr(Imaging(), effect)}))
        changed = np.abs(x - plain).max(axis=(1, 2)) > 1.5 / 255
        assert changed.sum() >= 3, effect  # some are drawn weaker than a grey level
    assert np.abs(seen(faithful(blur=(1, 1))) - plain).max() > 0.01


def test_astigmatism_blurs_one_way_more():
    point = np.zeros((6, 65, 65), np.uint8)
    point[:, 32, 32] = 1
    levels = np.tile([0.0, 1.0], (6, 1))
    y, x = np.mgrid[-32:33, -32:33]

    def widths(imaging):
        pictures = seen(imaging, phases=point, levels=levels).astype(float)
        for image in pictures:
            mass = image.sum()
            spread = [[(image * a * b).sum() / mass for a in (y, x)] for b in (y, x)]
            yield np.linalg.eigvalsh(spread)

    for small, large in widths(faithful(blur=(1.5, 1.5))):
        assert large == pytest.approx(small, rel=0.05)
    ratios = [large / small for small, large in widths(faithful(blur=(1.5, 1.5), astigmatism=1))]
    assert max(ratios) > 1.3


def test_texture_leaves_the_mean_of_a_phase():
    x = seen(faithful(texture=0.1))
    assert np.allclose(x[:, :, :24].mean(axis=(1, 2)), 0.3, atol=0.05)
    assert np.allclose(x[:, :, 24:].mean(axis=(1, 2)), 0.6, atol=0.05)


def test_edges_are_where_phases_meet():
    changed = np.abs(seen(faithful(edges=0.5)) - seen(faithful()))
    assert changed[:, :, 22:26].max(axis=(1, 2)).min() > 0.01
    assert changed[:, :, :10].max() < 1.5 / 255


def test_shot_noise_grows_with_the_signal_and_detector_noise_does_not():
    phases = halves(6, 64)
    dark_and_bright = np.tile([0.15, 0.6], (6, 1))

    def ratio(**effects):
        x = seen(faithful(**effects), phases=phases, levels=dark_and_bright)
        dark, bright = x[:, :, 2:30].var(axis=(1, 2)), x[:, :, 34:62].var(axis=(1, 2))
        return float(np.sqrt(bright.sum() / dark.sum()))

    assert ratio(shot=0.1) == pytest.approx(2, rel=0.15)  # sqrt(0.6 / 0.15)
    assert ratio(noise=0.1) == pytest.approx(1, rel=0.1)


def test_streaks_are_rows():
    x = seen(faithful(streaks=0.1), phases=np.zeros((6, 48, 48), np.uint8))
    assert (np.ptp(x, axis=2) == 0).all()
    assert (np.ptp(x[:, :, 0], axis=1) > 0).sum() >= 3


def test_gamma_bends_the_levels():
    x = seen(replace(faithful(), share=0, gamma=(2, 2)))
    assert np.allclose(np.unique(x), np.rint(255 * np.array([0.09, 0.36])) / 255, atol=1e-6)


def test_grey_levels_span_the_contrast_of_what_is_shown():
    phases = RNG(0).integers(0, 4, (50, 16, 16))
    phases[25:] = np.where(phases[25:] > 1, 3, 0)  # 1 and 2 are not in these
    levels = grey_levels(phases, RNG(1), (0.4, 0.4))
    assert levels.shape == (50, 4)
    assert np.allclose(np.ptp(levels[:25], axis=1), 0.4, atol=1e-6)
    assert np.allclose(np.ptp(levels[25:][:, [0, 3]], axis=1), 0.4, atol=1e-6)
    assert 0.2 < (levels[25:, 0] > levels[25:, 3]).mean() < 0.8  # inverted as often
    one = grey_levels(np.zeros((3, 8, 8), int), RNG(2))
    assert one.shape == (3, 1)
    assert np.isfinite(one).all()


def test_images_of_one_phase_stay_finite():
    x = micrographs(np.full((8, 32, 32), 2), RNG(0))
    assert np.isfinite(x).all()
    assert micrographs(np.zeros((0, 8, 8), int), RNG(0)).shape == (0, 8, 8)


def test_windows_show_the_map_magnified():
    stripes = np.zeros((20, 64, 64), np.uint8)
    stripes[:, :, ::8] = 1  # every eighth column
    plain = windows(stripes, (32, 64), RNG(0), turn=False)
    assert plain.shape == (20, 32, 64)
    assert plain.dtype == np.uint8
    assert (plain.sum(axis=(1, 2)) == 8 * 32).all()
    larger = windows(stripes, (32, 64), RNG(0), zoom=2, turn=False)
    runs = np.diff(np.flatnonzero(np.diff(larger[0, 0].astype(int)) == 1))
    assert set(runs) == {16}
    turned = windows(stripes, (64, 64), RNG(0))
    assert turned.mean() == pytest.approx(1 / 8, abs=0.02)
    # By any angle: columns are not constant any more.
    assert (turned.std(axis=1).max(axis=1) > 0).mean() > 0.8


def test_windows_of_arrays_made_together_belong_together():
    both = np.arange(4 * 30 * 30).reshape(4, 30, 30)
    a = windows(both, (16, 16), RNG(5), zoom=[0.5, 1, 1.5, 2])
    b = windows(both % 7, (16, 16), RNG(5), zoom=[0.5, 1, 1.5, 2])
    assert np.array_equal(a % 7, b)


def test_what_cannot_be_rendered_is_refused():
    with pytest.raises(InputError, match="whole numbers"):
        micrographs(np.zeros((2, 8, 8)), RNG(0))
    with pytest.raises(InputError, match="whole numbers"):
        micrographs(np.full((2, 8, 8), -1), RNG(0))
    with pytest.raises(InputError, match="grey level"):
        micrographs(halves(), RNG(0), levels=np.ones((6, 1)))
    with pytest.raises(InputError, match="Windows"):
        windows(np.zeros((8, 8)), (4, 4), RNG(0))
    with pytest.raises(InputError, match="magnification"):
        windows(halves(), (4, 4), RNG(0), zoom=0)
