"""Gabor filters and wavelet scattering: gratings, golden numbers, laws, invariances."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from iceframe.core.dataset import ArrayImages, Dataset
from iceframe.core.errors import InputError
from iceframe.core.values import Representation
from iceframe.scale.descriptor import DESCRIPTORS
from iceframe.scale.descriptors._wavelets import Frame, folded, halvings
from iceframe.scale.descriptors.gabor import DIRECTIONS, FREQUENCIES, gabor_filter
from iceframe.scale.descriptors.scattering import morlet, paths, scattering, wavelets

BOTH = pytest.mark.parametrize("name", ["gabor", "scattering"])
BORDERS = pytest.mark.parametrize("periodic", [True, False])


def data_of(values: np.ndarray, *, periodic: bool = False) -> Dataset:
    values = np.asarray(values, np.float32)[:, None]
    table = pd.DataFrame(index=[f"s{i}" for i in range(len(values))])
    return Dataset(table, images=ArrayImages(values, periodic=periodic))


def described(name: str, values: np.ndarray, *, periodic: bool = False) -> Representation:
    data = data_of(values, periodic=periodic)
    return DESCRIPTORS[name]().fit(data).transform(data)


def columns(found: Representation, start: str, end: str = "") -> np.ndarray:
    """Values of the features whose names start and end so."""
    held = [i for i, n in enumerate(found.names) if n.startswith(start) and n.endswith(end)]
    return found.values[:, held]


def wave(side: int, fx: float, fy: float, phase: float = 0.0) -> np.ndarray:
    y, x = np.indices((side, side))
    return 0.5 + 0.3 * np.cos(2 * np.pi * (fx * x + fy * y) + phase)


def texture(rng: np.random.Generator, n: int, side: int) -> np.ndarray:
    from scipy import ndimage

    return ndimage.gaussian_filter(rng.random((n, side, side)), (0, 1.5, 1.5), mode="wrap")


# ----------------------------------------------------------------------------------- the contract


@BORDERS
@BOTH
@pytest.mark.parametrize("shape", [(64, 64), (33, 45)])
def test_contract(
    name: str, shape: tuple[int, int], periodic: bool, rng: np.random.Generator
) -> None:
    data = data_of(rng.random((5, *shape)), periodic=periodic)
    fitted = DESCRIPTORS[name]().fit(data)
    assert not fitted.default
    whole = fitted.transform(data)
    assert len(set(whole.names)) == len(whole.names)
    assert set(whole.blocks) == {name}
    assert np.isfinite(whole.values).all()
    again = type(fitted).from_state(json.loads(json.dumps(fitted.state(), allow_nan=False)))
    np.testing.assert_array_equal(again.transform(data).values, whole.values)
    part = again.transform(data.take([3, 1])).values
    np.testing.assert_allclose(part, whole.values[[3, 1]], rtol=1e-6, atol=1e-7)


@BOTH
def test_many_images_are_filtered_in_parts(
    name: str, rng: np.random.Generator, monkeypatch: pytest.MonkeyPatch
) -> None:
    values = rng.random((5, 32, 32))
    whole = described(name, values).values
    module = __import__(f"iceframe.scale.descriptors.{name}", fromlist=["PIXELS_AT_ONCE"])
    monkeypatch.setattr(module, "PIXELS_AT_ONCE", 1)
    np.testing.assert_allclose(described(name, values).values, whole, rtol=1e-6, atol=1e-7)


@BOTH
def test_a_constant_image_has_no_waves(name: str, rng: np.random.Generator) -> None:
    images = np.stack([np.full((32, 32), 0.7), rng.random((32, 32))])
    fitted = DESCRIPTORS[name]().fit(data_of(images))
    found = fitted.transform(data_of(images)).values
    assert np.isnan(found[0]).all()
    assert np.isfinite(found[1]).all()
    assert "image0" in fitted.notes[0]


@pytest.mark.parametrize(("name", "shape"), [("gabor", (7, 7)), ("scattering", (5, 5))])
def test_too_small_an_image_is_refused(name: str, shape: tuple[int, int]) -> None:
    with pytest.raises(InputError, match=r"small|none for"):
        described(name, np.zeros((2, *shape)))


def test_scattering_refuses_volumes(rng: np.random.Generator) -> None:
    with pytest.raises(InputError, match="two dimensions"):
        described("scattering", rng.random((1, 16, 16, 16)))


# ------------------------------------------------------------------------------- frames and folds


@given(st.integers(1, 3), st.integers(1, 4), st.integers(1, 4), st.integers(0, 2**31))
@settings(max_examples=30, deadline=None)
def test_folding_a_spectrum_samples_the_image(steps: int, h: int, w: int, seed: int) -> None:
    factor = 2**steps
    image = np.random.default_rng(seed).random((2, h * factor, w * factor))
    sampled = np.fft.ifft2(folded(np.fft.fft2(image), factor)).real
    np.testing.assert_allclose(sampled, image[:, ::factor, ::factor], atol=1e-12)
    assert halvings(image.shape[1:]) >= steps


@given(
    st.integers(5, 40), st.integers(5, 40), st.integers(0, 30), st.integers(0, 3), st.integers(0, 3)
)
@settings(max_examples=50, deadline=None)
def test_a_frame_gives_back_what_it_surrounds(
    h: int, w: int, margin: int, outer: int, inner: int
) -> None:
    factor = 2 ** min(outer, inner)
    frame = Frame((h, w), False, margin, multiple=2**outer)
    assert all(n % 2**outer == 0 for n in frame.size)
    assert all(min(widths) >= margin - 2**outer for widths in frame.widths)
    image = np.arange(h * w, dtype=float).reshape(1, h, w)
    around = frame.around(image)
    assert around.shape[1:] == frame.size
    np.testing.assert_array_equal(frame.inner(around, 1), image)
    np.testing.assert_array_equal(
        frame.inner(around[:, ::factor, ::factor], factor),
        image[:, -frame.widths[0][0] % factor :: factor, -frame.widths[1][0] % factor :: factor],
    )


# -------------------------------------------------------------------------------------------- Gabor


@pytest.mark.parametrize("direction", range(DIRECTIONS))
@pytest.mark.parametrize("f", FREQUENCIES)
def test_gabor_finds_wavelength_and_direction(f: float, direction: int) -> None:
    """A grating of a filter's own frequency answers with its amplitude everywhere."""
    angle = np.pi * direction / DIRECTIONS
    grating = wave(128, f * np.cos(angle), f * np.sin(angle), 0.4)
    found = described("gabor", grating[None])
    means = columns(found, "Gabor mean", "°").reshape(len(FREQUENCIES), DIRECTIONS)
    assert np.unravel_index(means.argmax(), means.shape) == (FREQUENCIES.index(f), direction)
    # amplitude / standard deviation of a cosine; its mirror image beyond the border takes some away
    assert means.max() == pytest.approx(np.sqrt(2), rel=0.05)
    directionality = columns(found, f"Gabor directionality at {1 / f:g} px")
    assert directionality[0, 0] > 0.6


def test_directionality_of_one_and_of_crossed_gratings() -> None:
    """1 but for what neighbouring filters see; 0 for two at a right angle."""
    one, other = wave(80, 0.1, 0), wave(80, 0, 0.1)
    found = described("gabor", np.stack([one, one + other]), periodic=True)
    filters = [gabor_filter((80, 80), 0.1, k) for k in range(DIRECTIONS)]
    answer = np.array([max(f[0, 8], f[0, -8]) for f in filters])  # of k and −k one is far away
    turn = np.exp(2j * np.pi * np.arange(DIRECTIONS) / DIRECTIONS)
    expected = abs(np.sum(answer * turn)) / np.sum(answer)
    directionality = columns(found, "Gabor directionality at 10 px")[:, 0]
    assert directionality[0] == pytest.approx(expected, abs=0.01)
    assert directionality[1] == pytest.approx(0, abs=0.01)


@given(st.integers(-25, 25), st.integers(1, 25), st.floats(0, 6))
@settings(max_examples=40, deadline=None)
def test_gabor_answer_to_any_periodic_wave(kx: int, ky: int, phase: float) -> None:
    """|r| = A ĥ(k) where the filter does not see −k: no filter of the bank does."""
    found = described("gabor", wave(64, kx / 64, ky / 64, phase)[None], periodic=True)
    means = columns(found, "Gabor mean", "°").reshape(len(FREQUENCIES), DIRECTIONS)
    for i, f in enumerate(FREQUENCIES):
        for k in range(DIRECTIONS):
            filter_ = gabor_filter((64, 64), f, k)
            both = filter_[ky, kx], filter_[-ky, -kx]
            # |a e^{iφ} + b e^{-iφ}| lies between |a − b| and a + b
            assert means[i, k] <= (sum(both) / 2) * np.sqrt(2) + 1e-3
            assert means[i, k] >= abs(both[0] - both[1]) / 2 * np.sqrt(2) - 1e-3


def test_gabor_against_filtering_at_every_pixel(rng: np.random.Generator) -> None:
    images = texture(rng, 3, 64)
    found = described("gabor", images, periodic=True)
    means, spreads = columns(found, "Gabor mean", "°"), columns(found, "Gabor spread", "°")
    scaled = (images - images.mean(axis=(1, 2), keepdims=True)) / images.std(
        axis=(1, 2), keepdims=True
    )
    spectrum = np.fft.fft2(scaled)
    column = 0
    for f in FREQUENCIES:
        for k in range(DIRECTIONS):
            amplitude = np.abs(np.fft.ifft2(spectrum * gabor_filter((64, 64), f, k)))
            np.testing.assert_allclose(means[:, column], amplitude.mean(axis=(1, 2)), rtol=3e-3)
            np.testing.assert_allclose(spreads[:, column], amplitude.std(axis=(1, 2)), rtol=2e-2)
            column += 1


def test_neighbouring_filters_meet_at_half_height() -> None:
    """Between f and 2 f at 4 f / 3; between two directions at 15 degrees."""
    side = 600
    for f in FREQUENCIES[1:]:
        at = round(4 / 3 * f * side)
        low, high = gabor_filter((side, side), f, 0), gabor_filter((side, side), 2 * f, 0)
        assert low[0, at] == pytest.approx(1, rel=0.01)
        assert high[0, at] == pytest.approx(1, rel=0.01)
        row, column = (round(f * side * t) for t in (np.sin(np.pi / 12), np.cos(np.pi / 12)))
        assert low[row, column] == pytest.approx(1, rel=0.1)


def test_gabor_of_layers_in_a_volume() -> None:
    """Layers along z are waves in two of the three families of planes."""
    z = np.indices((32, 32, 32))[0]
    layers = 0.5 + 0.3 * np.cos(2 * np.pi * z * 0.1)
    found = described("gabor", layers[None])
    means = columns(found, "Gabor mean at 10 px", "°")[0]
    assert means.argmax() == 3  # y of the planes across x and y is z
    assert means.max() == pytest.approx(np.sqrt(2) * 2 / 3, rel=0.1)


# --------------------------------------------------------------------------------------- scattering


def arithmetic_image() -> np.ndarray:
    """64 x 64 pixels that any program can make: the golden numbers are of this image."""
    y, x = np.indices((64, 64))
    waves = np.sin(2 * np.pi * (5 * x + 3 * y) / 64) + np.sin(2 * np.pi * (11 * y - 2 * x) / 64 + 1)
    return waves + np.sin(2 * np.pi * x * y / 97)


FIRST = [0.184334, 0.26652, 0.292776, 0.238418, 0.201458, 0.269286, 0.460624, 0.259058]
FIRST += [0.287879, 0.431754, 0.137059, 0.045066, 0.042184, 0.085993, 0.013144, 0.005816]
SECOND = {0: 0.0149019, 7: 0.0120569, 13: 0.0169267, 22: 0.0161634, 34: 0.0173485}
SECOND |= {40: 0.0090853, 51: 0.0044242, 60: 0.0083608, 66: 0.0064056, 77: 0.0013469}
"""Kymatio 0.3.0, wavelets of ``filter_bank(64, 64, J=4, L=4)``: means over all pixels of
|x ∗ ψ| and ||x ∗ ψ| ∗ ψ'|, not sampled. Its direction θ turns from its first axis to the second,
in the order (L/2 − 1 − θ) π / L; here all are in the order of ``wavelets`` and ``paths``."""


def test_scattering_equals_kymatio() -> None:
    first, second = scattering(arithmetic_image()[None], 4, periodic=True)
    np.testing.assert_allclose(first[0], FIRST, rtol=1.5e-3)
    held = list(SECOND)
    # the coarsest wavelets are sampled at every fourth pixel
    np.testing.assert_allclose(second[0, held], list(SECOND.values()), rtol=5e-3)
    # and this one, which sampling at every eighth would make ten times too large
    assert second[0, 95] == pytest.approx(0.00076142, rel=0.05)


def test_scattering_against_filtering_at_every_pixel(rng: np.random.Generator) -> None:
    images = texture(rng, 2, 64)
    first, second = scattering(images, 4, periodic=True)
    spectrum, strength = np.fft.fft2(images), {}
    for i, w in enumerate(wavelets(4)):
        strength[w] = np.abs(np.fft.ifft2(spectrum * morlet((64, 64), *w)))
        np.testing.assert_allclose(first[:, i], strength[w].mean(axis=(1, 2)), rtol=3e-3)
    for i, (a, b) in enumerate(paths(4)):
        varying = np.abs(np.fft.ifft2(np.fft.fft2(strength[a]) * morlet((64, 64), *b)))
        np.testing.assert_allclose(second[:, i], varying.mean(axis=(1, 2)), rtol=2e-2)


def test_sampling_stops_where_sides_cannot_be_halved(rng: np.random.Generator) -> None:
    """A periodic image of odd sides: every pixel is kept, and the answer is exact."""
    images = texture(rng, 1, 45)
    first, _ = scattering(images, 4, periodic=True)
    for i, w in enumerate(wavelets(4)):
        exact = np.abs(np.fft.ifft2(np.fft.fft2(images) * morlet((45, 45), *w))).mean()
        assert first[0, i] == pytest.approx(exact, rel=1e-4)


def test_features_are_ratios(rng: np.random.Generator) -> None:
    images = texture(rng, 2, 64)
    first, second = scattering(images, 4, periodic=True)
    found = described("scattering", images, periodic=True)
    assert len(found.names) == 16 + 96
    np.testing.assert_allclose(
        found.values[:, :16], first / images.std(axis=(1, 2))[:, None], rtol=1e-4
    )
    column = found.names.index("scattering 5.33 px 45° then 21.3 px 90°")
    a, b = (1, 1), (3, 2)
    ratio = second[:, paths(4).index((a, b))] / first[:, wavelets(4).index(a)]
    np.testing.assert_allclose(found.values[:, column], ratio, rtol=1e-4)


def energy_bound(side: int) -> float:
    """Largest Σ (|ψ̂(ω)|² + |ψ̂(−ω)|²) / 2 over frequencies: what a real image can gain."""
    square = sum(morlet((side, side), *w) ** 2 for w in wavelets(4))
    opposite = np.roll(square[::-1, ::-1], 1, axis=(0, 1))
    return float((square + opposite).max() / 2)


@given(
    arrays(np.float64, (32, 32), elements=st.floats(0, 1)),
    arrays(np.float64, (32, 32), elements=st.floats(0, 1)),
)
@settings(max_examples=25, deadline=None)
def test_scattering_does_not_expand(f: np.ndarray, g: np.ndarray) -> None:
    """Σ (S f − S g)² ≤ B ‖f − g‖² for each order (Mallat 2012, proposition 2.5), B near 1.

    At every pixel, without sampling, means are below root mean squares; 1 % is left for sampling.
    """
    bound = energy_bound(32)
    assert bound < 1.1
    (a1, b1), (a2, b2) = scattering(np.stack([f, g]), 4, periodic=True)
    apart = np.square((f - f.mean()) - (g - g.mean())).mean()
    assert np.square(a1 - b1).sum() <= 1.01 * bound * apart + 1e-9
    assert np.square(a2 - b2).sum() <= 1.01 * bound**2 * apart + 1e-9


def test_scattering_is_stable_where_a_spectrum_is_not() -> None:
    """A wave stretched by 5 % moves to other frequencies, and hardly changes its scattering."""
    before, after = wave(128, 0.25, 0), wave(128, 0.25 / 1.05, 0)
    window = np.hanning(128)[:, None] * np.hanning(128)
    spectra = [np.abs(np.fft.fft2(window * (i - i.mean()))) for i in (before, after)]
    spectra = [s / np.linalg.norm(s) for s in spectra]
    found = described("scattering", np.stack([before, after]))
    first = columns(found, "scattering", "°")[:, :16]
    change = np.linalg.norm(first[1] - first[0]) / np.linalg.norm(first[0])
    assert np.linalg.norm(spectra[1] - spectra[0]) > 1
    assert change < 0.1


def test_the_second_order_tells_sparse_from_dense(rng: np.random.Generator) -> None:
    """Impulses and noise of the same power spectrum."""
    sparse = np.zeros((4, 64, 64))
    for image in sparse:
        image[tuple(rng.integers(0, 64, (2, 12)))] = 1.0
    magnitude = np.abs(np.fft.fft2(sparse))
    noise = np.fft.ifft2(
        magnitude * np.exp(1j * np.angle(np.fft.fft2(rng.standard_normal(sparse.shape))))
    ).real
    np.testing.assert_allclose(np.abs(np.fft.fft2(noise)), magnitude, atol=1e-9)
    found = described("scattering", np.concatenate([sparse, noise]), periodic=True)
    second = found.values[:, 16:].mean(axis=1)
    assert second[:4].min() > 1.5 * second[4:].max()


# ----------------------------------------------------------------------------------- invariances


@BORDERS
@BOTH
def test_brightness_and_contrast_do_not_matter(
    name: str, periodic: bool, rng: np.random.Generator
) -> None:
    images = texture(rng, 2, 48)
    before = described(name, images, periodic=periodic).values
    after = described(name, 0.1 + 0.4 * images, periodic=periodic).values
    np.testing.assert_allclose(after, before, rtol=2e-3, atol=1e-5)


@BOTH
def test_translation_of_a_periodic_image(name: str, rng: np.random.Generator) -> None:
    images = texture(rng, 2, 64)
    before = described(name, images, periodic=True).values
    by_steps = np.roll(images, (8, 24), axis=(1, 2))  # whole steps of the coarsest sampling
    after = described(name, by_steps, periodic=True).values
    np.testing.assert_allclose(after, before, rtol=1e-3, atol=1e-5)
    anywhere = described(name, np.roll(images, (5, 11), axis=(1, 2)), periodic=True).values
    np.testing.assert_allclose(anywhere, before, rtol=3e-2, atol=1e-4)


@BORDERS
def test_rotation_by_a_right_angle(periodic: bool, rng: np.random.Generator) -> None:
    images = texture(rng, 2, 64)
    turned = np.rot90(images, axes=(1, 2)).copy()
    before = described("gabor", images, periodic=periodic)
    after = described("gabor", turned, periodic=periodic)
    close = {"rtol": 2e-2, "atol": 2e-3 if periodic else 2e-2}  # at a border, others are sampled
    for f in FREQUENCIES:
        for what in ("mean", "spread"):
            a, b = (columns(r, f"Gabor {what} at {1 / f:g} px", "°") for r in (before, after))
            np.testing.assert_allclose(b, np.roll(a, DIRECTIONS // 2, axis=1), **close)
        for what in ("mean", "spread", "directionality"):
            a, b = (columns(r, f"Gabor {what} at {1 / f:g} px", "px") for r in (before, after))
            np.testing.assert_allclose(b, a, **close)
    # scattering: every direction of a wavelet turns by 90 degrees
    first = [
        described("scattering", i, periodic=periodic).values[:, :16].reshape(2, 4, 4)
        for i in (images, turned)
    ]
    np.testing.assert_allclose(first[1], np.roll(first[0], 2, axis=2), **close)
