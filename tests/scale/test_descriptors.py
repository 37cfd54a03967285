"""Descriptors: known answers, laws, invariances, and agreement with reference implementations."""

from __future__ import annotations

import json
import time

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from iceframe.core.dataset import ArrayImages, Dataset
from iceframe.core.errors import InputError, NotAvailable
from iceframe.core.values import Representation
from iceframe.scale.descriptor import DESCRIPTORS, Descriptor, ImageDescriptor
from iceframe.scale.descriptors import _correlation as correlation
from iceframe.scale.descriptors.local_binary_patterns import pattern_shares
from iceframe.scale.descriptors.magpie import PROPERTIES, STATISTICS

from .crystal_cases import iron, random_crystal, titanate, together, wurtzite

FORMULAS = [
    "Fe0.620C0.000953Mn0.000521Ni0.192",
    "Al2O3",
    "Ag(AuS)2",
    "Ca0.95Ni0.05N3",
    "Pu",
    "FeNi",
]


def of_images(
    values: np.ndarray, *, periodic: bool = False, kind: str = "grey", channels: bool = False
) -> Dataset:
    """A data set of images ``(n, *grid)``, or ``(n, channels, *grid)``."""
    values = np.asarray(values, np.float32)
    values = values if channels else values[:, None]
    table = pd.DataFrame(index=[f"s{i}" for i in range(len(values))])
    return Dataset(table, images=ArrayImages(values, periodic=periodic, kind=kind))


def of_formulas(formulas: list[str | None], **columns: list) -> Dataset:
    table = pd.DataFrame({"formula": formulas, **columns})
    table.index = table.index.map(str)
    return Dataset(table, composition="formula", features=tuple(columns))


def described(name: str, data: Dataset) -> Representation:
    return DESCRIPTORS[name]().fit(data).transform(data)


def value(representation: Representation, name: str, row: int = 0) -> float:
    return float(representation.values[row, representation.names.index(name)])


def block(representation: Representation, name: str) -> np.ndarray:
    return representation.values[:, list(representation.blocks[name])]


def smooth(rng: np.random.Generator, n: int, shape: tuple[int, ...], length: float) -> np.ndarray:
    """Periodic Gaussian fields of variance one with covariance exp(−r² / 2 length²)."""
    axes = np.meshgrid(*[np.fft.fftfreq(m) for m in shape], indexing="ij")
    filter_ = np.exp(-((np.pi * length) ** 2) * sum(a**2 for a in axes))
    spectrum = np.fft.fftn(rng.standard_normal((n, *shape)), axes=range(1, len(shape) + 1))
    field = np.fft.ifftn(spectrum * filter_, axes=range(1, len(shape) + 1)).real
    return field / np.sqrt(np.mean(filter_**2))


# ------------------------------------------------------------------ the contract, every descriptor


def example(descriptor: type[Descriptor], rng: np.random.Generator) -> Dataset:
    if issubclass(descriptor, ImageDescriptor) and descriptor.default_kinds == ("phase",):
        return of_images(rng.random((4, 32, 40)) < 0.6, kind="phase")
    if descriptor.needs == "image":
        return of_images(rng.random((4, 32, 40)))
    if descriptor.needs == "composition":
        return of_formulas(["FeNi", "Al2Cu", "Fe3Al", "Ni"])
    table = pd.DataFrame(
        {"a": [1.0, np.nan, 2.0, 3.0], "b": ["x", "y", "x", "z"], "space group": [225, 62, 1, 194]},
        index=list("pqrs"),
    )
    if descriptor.needs == "crystal":
        held = [titanate(), random_crystal(1), wurtzite(), iron()]
        return Dataset(table, crystals=together(held))
    return Dataset(table, features=tuple(table.columns))


@pytest.mark.parametrize("name", DESCRIPTORS.names())
def test_contract(name: str, rng: np.random.Generator) -> None:
    descriptor = DESCRIPTORS[name]
    for word in (descriptor.name, descriptor.title, descriptor.summary, descriptor.reference):
        assert word
    data = example(descriptor, rng)
    try:
        fitted = descriptor().fit(data)
    except NotAvailable as error:  # of an extra that is not installed
        pytest.skip(f"{error.got}: {error.hint}")
    whole = fitted.transform(data)
    assert whole.values.dtype == np.float64
    assert len(whole) == len(data)
    assert len(set(whole.names)) == len(whole.names)
    assert sorted(p for b in whole.blocks.values() for p in b) == list(range(len(whole.names)))
    assert whole.references == (descriptor.reference,)
    stored = json.loads(json.dumps(fitted.state(), allow_nan=False))
    again = descriptor.from_state(stored)
    np.testing.assert_array_equal(again.transform(data).values, whole.values)
    assert again.state() == fitted.state()
    # a row does not depend on the rows beside it
    part = again.transform(data.take([2, 1]))
    assert part.names == whole.names
    np.testing.assert_allclose(part.values, whole.values[[2, 1]], rtol=1e-10, atol=1e-12)


# ------------------------------------------------------------------------------------ columns


def table_of(**columns: list) -> Dataset:
    table = pd.DataFrame(columns)
    table.index = table.index.map(str)
    return Dataset(table, features=tuple(columns), units={"t": "K"})


def test_columns_numbers_and_categories() -> None:
    data = table_of(t=[1, 2, 3], route=["cast", "rolled", "cast"], dry=[True, False, True])
    found = described("columns", data)
    assert found.names == ("t", "route = cast", "route = rolled", "dry")
    assert found.units == ("K", "", "", "")
    assert found.values.tolist() == [[1, 1, 0, 1], [2, 0, 1, 0], [3, 1, 0, 1]]
    assert set(found.blocks) == {"columns"}


def test_columns_beside_a_composition_are_the_process() -> None:
    assert set(described("columns", of_formulas(["Fe", "Ni"], t=[1, 2])).blocks) == {"process"}


def test_unseen_and_missing_categories() -> None:
    fitted = DESCRIPTORS["columns"]().fit(table_of(route=["cast", "rolled"]))
    new = fitted.transform(table_of(route=["forged", None, "rolled"])).values
    np.testing.assert_array_equal(new, [[0, 0], [np.nan, np.nan], [0, 1]])
    assert "'forged'" in fitted.notes[0]
    fitted = DESCRIPTORS["columns"]().fit(table_of(route=["cast", None]))
    assert fitted.transform(table_of(route=[None, "cast"])).values.tolist() == [[0, 1], [1, 0]]
    assert not fitted.notes


def test_rare_categories_share_a_feature() -> None:
    many = [f"k{i:02d}" for i in range(40) for _ in range(40 - i)]
    fitted = DESCRIPTORS["columns"]().fit(table_of(kind=many))
    found = fitted.transform(table_of(kind=["k00", "k39", "new"]))
    assert found.names == (*(f"kind = k{i:02d}" for i in range(20)), "kind = (other)")
    assert found.values[:, 0].tolist() == [1, 0, 0]
    assert found.values[:, -1].tolist() == [0, 1, 1]


@pytest.mark.parametrize("bad", ["hot", np.inf])
def test_a_number_that_is_none(bad: object) -> None:
    fitted = DESCRIPTORS["columns"]().fit(table_of(t=[1.0, 2.0]))
    with pytest.raises(InputError, match=r"column 't', row '1'"):
        fitted.transform(table_of(t=[1.0, bad]))


# ------------------------------------------------------------------------------- compositions


def test_element_fractions() -> None:
    fitted = DESCRIPTORS["element_fractions"]().fit(of_formulas(["Fe3C", "Fe0.2Ni0.2"]))
    found = fitted.transform(of_formulas(["Fe3C", "Fe0.2Ni0.2", None, "FeCo"]))
    assert found.names == ("C fraction", "Fe fraction", "Ni fraction")
    np.testing.assert_allclose(
        found.values, [[0.25, 0.75, 0], [0, 0.5, 0.5], [np.nan] * 3, [0, 0.5, 0]]
    )
    notes = " ".join(fitted.notes)
    assert "1 formulas have amounts" in notes
    assert "Fe0.2Ni0.2" in notes
    assert "1 samples have no composition" in notes
    assert "not there before: Co" in notes


def test_isotopes_count_as_their_element() -> None:
    found = described("element_fractions", of_formulas(["D2O"]))
    assert dict(zip(found.names, found.values[0], strict=True)) == {
        "H fraction": pytest.approx(2 / 3),
        "O fraction": pytest.approx(1 / 3),
    }


@pytest.mark.parametrize("bad", ["Fe2(O", "abc", "Xx2", "Fe0", "Fe-1", ""])
def test_unreadable_formula(bad: str) -> None:
    with pytest.raises(InputError, match=r"row '1'") as caught:
        described("magpie", of_formulas(["Fe", bad]))
    assert repr(bad) in str(caught.value.got)


def test_magpie_equals_matminer() -> None:
    from matminer.featurizers.composition import ElementProperty
    from pymatgen.core import Composition

    reference = ElementProperty.from_preset("magpie", impute_nan=False)
    assert list(PROPERTIES) == reference.features
    expected = [reference.featurize(Composition(f)) for f in FORMULAS]
    found = described("magpie", of_formulas([*FORMULAS]))
    assert found.values.shape == (len(FORMULAS), 132)
    np.testing.assert_allclose(found.values, np.array(expected, float), rtol=1e-9, atol=1e-9)
    assert value(found, "mean covalent radius", 1) == pytest.approx((2 * 121 + 3 * 66) / 5)
    assert len(STATISTICS) == len(reference.stats)


@given(
    st.lists(
        st.dictionaries(
            st.sampled_from(["H", "Fe", "Ni", "O", "La", "Pu", "Xe"]),
            st.integers(1, 30),
            min_size=1,
            max_size=5,
        ),
        min_size=1,
        max_size=6,
    )
)
@settings(max_examples=25, deadline=None)
def test_magpie_equals_matminer_on_any_composition(compositions: list[dict[str, int]]) -> None:
    from matminer.featurizers.composition import ElementProperty
    from pymatgen.core import Composition

    reference = ElementProperty.from_preset("magpie", impute_nan=False)
    formulas = ["".join(f"{e}{n}" for e, n in c.items()) for c in compositions]
    expected = np.array([reference.featurize(Composition(f)) for f in formulas], float)
    found = described("magpie", of_formulas([*formulas])).values
    np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-9)


def test_magpie_is_fast_for_thousands_of_formulas() -> None:
    elements = ["Fe", "Ni", "Co", "Al", "Ti", "O", "N", "C"]
    formulas = [
        f"{a}{i % 7 + 1}{b}{i % 5 + 1}" for i in range(90) for a in elements for b in elements
    ]
    data = of_formulas([*formulas[:5000]])
    described("magpie", data.take([0]))  # reads the tables
    start = time.process_time()
    described("magpie", data)
    assert time.process_time() - start < 5


def test_alloy_parameters() -> None:
    from matminer.featurizers.composition.alloy import YangSolidSolution
    from pymatgen.core import Composition

    formulas = ["CoCrFeMnNi", "Al0.5CoCrFeNi", "TiZrNbTa"]
    found = described("alloy", of_formulas([*formulas]))
    assert value(found, "valence electron concentration") == pytest.approx((9 + 6 + 8 + 7 + 10) / 5)
    gas = 8.31446261815324
    assert value(found, "entropy of mixing") == pytest.approx(gas * np.log(5))
    radius = [YangSolidSolution(impute_nan=False).compute_delta(Composition(f)) for f in formulas]
    np.testing.assert_allclose(
        found.values[:, found.names.index("atomic radius mismatch")], radius, rtol=1e-9
    )
    pair = described("alloy", of_formulas(["NiAl", "Ni", "HeNi"]))
    assert value(pair, "enthalpy of mixing") == pytest.approx(-22)  # Takeuchi and Inoue 2005
    assert pair.values[1, 1:5].tolist() == [0, 0, 0, 0]
    assert np.isnan(value(pair, "enthalpy of mixing", 2))


# ------------------------------------------------------------------------------------ intensity


def test_intensity_of_two_levels() -> None:
    image = np.zeros((1, 8, 8))
    image[0, :, :2] = 1.0  # a quarter of the pixels
    found = described("intensity", of_images(image))
    assert value(found, "mean grey level") == 0.25
    assert value(found, "standard deviation of grey level") == pytest.approx(np.sqrt(3) / 4)
    assert value(found, "skewness") == pytest.approx(2 / np.sqrt(3))  # (1 − 2p)/√(p(1 − p))
    assert value(found, "excess kurtosis") == pytest.approx(-2 / 3)  # 1/(p(1 − p)) − 6
    assert value(found, "entropy of grey levels") == pytest.approx(2 - 0.75 * np.log2(3))
    assert value(found, "grey level, 50th percentile") == 0


def test_intensity_against_scipy(rng: np.random.Generator) -> None:
    from scipy import stats

    images = rng.beta(2, 5, (3, 20, 30)).astype(np.float32)
    found = described("intensity", of_images(images))
    flat = images.reshape(3, -1).astype(float)
    for name, expected in (
        ("skewness", stats.skew(flat, axis=1)),
        ("excess kurtosis", stats.kurtosis(flat, axis=1)),
        ("grey level, 95th percentile", np.percentile(flat, 95, axis=1)),
    ):
        np.testing.assert_allclose(found.values[:, found.names.index(name)], expected, rtol=1e-6)


@pytest.mark.parametrize(
    "name", ["gradient_orientation", "intensity", "two_point", "power_spectrum"]
)
def test_an_image_without_contrast_has_undefined_features_and_a_note(name: str) -> None:
    images = np.full((2, 32, 32), 0.3)
    images[1, ::2] = 0.9
    fitted = DESCRIPTORS[name]().fit(of_images(images))
    found = fitted.transform(of_images(images)).values
    assert np.isnan(found[0]).any()
    assert np.isfinite(found[1]).all()
    assert "1 of 2 images" in fitted.notes[0]
    assert "image0" in fitted.notes[0]


# ------------------------------------------------------------------------------------ two-point


def by_hand(image: np.ndarray, dy: int, dx: int, periodic: bool) -> float:
    """⟨m(x) m(x + r)⟩ by a loop over all pairs."""
    height, width = image.shape
    products = []
    for y in range(height):
        for x in range(width):
            v, u = y + dy, x + dx
            if periodic:
                products.append(image[y, x] * image[v % height, u % width])
            elif 0 <= v < height and 0 <= u < width:
                products.append(image[y, x] * image[v, u])
    return float(np.mean(products))


@pytest.mark.parametrize("periodic", [True, False])
@pytest.mark.parametrize("shape", [(6, 8), (7, 9), (8, 5)])
def test_autocorrelation_against_all_pairs(
    shape: tuple[int, int], periodic: bool, rng: np.random.Generator
) -> None:
    image = rng.random(shape)
    found = correlation.autocorrelation(image[None], periodic)[0]
    most = min(shape) // 2
    for dy in range(-most, most + 1):
        for dx in range(-most, most + 1):
            expected = by_hand(image, dy, dx, periodic)
            assert found[most + dy, most + dx] == pytest.approx(expected, abs=1e-12)


def test_radial_mean_is_over_the_shell() -> None:
    most = 4
    lags = np.meshgrid(np.arange(-most, most + 1), np.arange(-most, most + 1), indexing="ij")
    length = np.hypot(*lags)
    found = correlation.radial(length[None])[0]
    expected = [
        length[np.abs(length - d + 1e-9) <= 0.5].mean() for d in correlation.distances((8, 8))
    ]
    np.testing.assert_allclose(found, expected)


def test_checkerboard() -> None:
    board = np.indices((16, 16)).sum(axis=0) % 2
    found = described("two_point", of_images(board[None], periodic=True, kind="phase"))
    assert value(found, "volume fraction") == 0.5
    assert value(found, "S2(1 px along x)") == pytest.approx(0, abs=1e-12)
    assert value(found, "S2(2 px along y)") == pytest.approx(0.5)
    assert value(found, "interface density along x") == pytest.approx(1)  # one boundary a pixel
    assert value(found, "anisotropy x/y") == pytest.approx(0)


@pytest.mark.parametrize("periodic", [True, False])
def test_stripes(periodic: bool) -> None:
    """Four dark and four bright pixels along x, repeated; nothing changes along y."""
    stripes = np.tile(np.arange(32) // 4 % 2, (1, 32, 1))
    found = described("two_point", of_images(stripes, periodic=periodic, kind="phase"))
    assert value(found, "S2(16 px along y)") == pytest.approx(0.5)
    assert value(found, "correlation length along y") == 16  # never falls: half the side
    assert value(found, "correlation length along x") < 4
    assert value(found, "anisotropy x/y") < 0
    assert value(found, "interface density along y") == pytest.approx(0, abs=1e-12)
    if periodic:
        for distance, expected in ((1, 3 / 8), (2, 1 / 4), (4, 0), (8, 1 / 2), (16, 1 / 2)):
            assert value(found, f"S2({distance} px along x)") == pytest.approx(expected, abs=1e-12)
        assert value(found, "interface density along x") == pytest.approx(1 / 4)


def test_overlapping_discs(rng: np.random.Generator) -> None:
    """Outside Poisson discs: S2(r) = exp(−ρ A(r)), A the area of two discs r apart.

    Torquato 2002, §5.1.
    """
    side, radius, density, n = 96, 6.0, 0.006, 60
    y, x = np.indices((side, side))
    images = np.ones((n, side, side))
    for image in images:
        for cy, cx in rng.uniform(0, side, (rng.poisson(density * side**2), 2)):
            dy = np.abs(y - cy)
            dx = np.abs(x - cx)
            distance = np.hypot(np.minimum(dy, side - dy), np.minimum(dx, side - dx))
            image[distance <= radius] = 0
    found = described("two_point", of_images(images, periodic=True, kind="phase"))
    for r in (1, 4, 8, 16, 32):
        u = min(r / (2 * radius), 1.0)
        union = 2 * np.pi * radius**2 - 2 * radius**2 * (np.arccos(u) - u * np.sqrt(1 - u**2))
        measured = found.values[:, found.names.index(f"S2({r} px)")]
        error = measured.std() / np.sqrt(n)
        assert abs(measured.mean() - np.exp(-density * union)) < 4 * error + 0.004


def test_level_cut_of_a_gaussian_field(rng: np.random.Generator) -> None:
    """Cut at zero: S2(r) = 1/4 + arcsin ρ(r) / 2π; far away S2 -> f² (Roberts and Teubner 1995)."""
    length, n = 4.0, 60
    phases = smooth(rng, n, (96, 96), length) > 0
    found = described("two_point", of_images(phases, periodic=True, kind="phase"))
    for r in (1, 2, 4, 8, 32):
        rho = np.exp(-(r**2) / (2 * length**2))
        measured = found.values[:, found.names.index(f"S2({r} px along x)")]
        error = measured.std() / np.sqrt(n)
        assert abs(measured.mean() - (0.25 + np.arcsin(rho) / (2 * np.pi))) < 4 * error


def test_autocovariance_of_a_grey_field(rng: np.random.Generator) -> None:
    """exp(−r²/2ℓ²) falls to 1/e at √2 ℓ; brightness and contrast do not matter."""
    length = 5.0
    field = smooth(rng, 40, (128, 128), length)
    found = described("two_point", of_images(0.5 + 0.1 * field, periodic=True))
    lengths = found.values[:, found.names.index("correlation length along x")]
    assert lengths.mean() == pytest.approx(np.sqrt(2) * length, rel=0.05)
    other = described("two_point", of_images(0.2 + 0.03 * field, periodic=True))
    np.testing.assert_allclose(other.values, found.values, atol=1e-4)


def test_three_phases_are_described_one_by_one(rng: np.random.Generator) -> None:
    phases = rng.integers(0, 3, (2, 24, 24))
    found = described("two_point", of_images(phases / 2, periodic=True, kind="phase"))
    fractions = [value(found, f"volume fraction, phase {k}") for k in range(3)]
    np.testing.assert_allclose(fractions, [np.mean(phases[0] == k) for k in range(3)])


def test_volumes(rng: np.random.Generator) -> None:
    """Layers along z: the last axis is x, the first one z."""
    layers = np.tile((np.arange(16) // 4 % 2)[None, :, None, None], (1, 1, 16, 16))
    found = described("two_point", of_images(layers, periodic=True, kind="phase"))
    assert value(found, "S2(4 px along z)") == pytest.approx(0, abs=1e-12)
    assert value(found, "S2(4 px along x)") == pytest.approx(0.5)
    assert value(found, "anisotropy x/z") > 0
    noise = rng.random((1, 26, 27, 28))
    assert np.isfinite(described("local_binary_patterns", of_images(noise)).values).all()
    assert np.isfinite(described("power_spectrum", of_images(noise)).values).all()
    assert np.isfinite(described("gradient_orientation", of_images(noise)).values).all()


# ------------------------------------------------------------------------------- power spectrum


@pytest.mark.parametrize("periodic", [True, False])
def test_white_noise_has_a_flat_spectrum(periodic: bool, rng: np.random.Generator) -> None:
    found = described("power_spectrum", of_images(rng.random((80, 40, 51)), periodic=periodic))
    level = np.log10(np.mean(10.0**found.values, axis=0))
    np.testing.assert_allclose(level, 0, atol=0.08)


def test_a_wave_stands_in_its_own_band() -> None:
    x = np.arange(64)
    wave = np.tile(0.5 + 0.4 * np.sin(2 * np.pi * x / 8), (1, 64, 1))  # 8 px
    found = described("power_spectrum", of_images(wave, periodic=True))
    top = found.names[int(found.values[0].argmax())]
    low, high = (float(e) for e in top.split(" at ")[1].split(" px")[0].split("–"))
    assert low <= 8 <= high
    assert np.sort(found.values[0])[-2] < -5


# ------------------------------------------------------------------------- orientation of edges


def test_alignment_of_waves() -> None:
    """Along x; along x in one half and y in the other; no direction anywhere."""
    y, x = np.indices((96, 96))
    along_x, along_y = np.sin(2 * np.pi * x / 12), np.sin(2 * np.pi * y / 12)
    images = np.stack([along_x, np.where(x < 48, along_x, along_y), along_x + along_y])
    found = described("gradient_orientation", of_images(0.5 + 0.2 * images, periodic=True))
    local = found.values[:, found.names.index("local alignment at 1 px")]
    everywhere = found.values[:, found.names.index("global alignment at 1 px")]
    np.testing.assert_allclose(local[0], 1, atol=1e-6)
    np.testing.assert_allclose(everywhere[0], 1, atol=1e-6)
    assert local[1] > 0.8
    assert everywhere[1] < 0.05
    assert everywhere[2] == pytest.approx(0, abs=1e-6)
    # ⟨|∇g|²⟩/var(g) = k² for a wave, less by what the Gaussian of one pixel takes away
    k = 2 * np.pi / 12
    assert value(found, "edge density at 1 px") == pytest.approx(k**2 * np.exp(-(k**2)), rel=1e-3)


def test_alignment_in_a_volume() -> None:
    z = np.indices((32, 32, 32))[0]
    layers = 0.5 + 0.3 * np.sin(2 * np.pi * z / 8)
    found = described("gradient_orientation", of_images(layers[None], periodic=True))
    assert value(found, "global alignment at 1 px") == pytest.approx(1, abs=1e-6)


def test_edges_in_one_corner_are_clustered(rng: np.random.Generator) -> None:
    spread = rng.random((1, 64, 64))
    corner = np.full((1, 64, 64), 0.5)
    corner[:, :16, :16] = spread[:, :16, :16]
    found = described("gradient_orientation", of_images(np.concatenate([spread, corner])))
    clustering = found.values[:, found.names.index("edge clustering at 1 px")]
    assert clustering[1] > 3 * clustering[0]


# ------------------------------------------------------------------------- local binary patterns


@pytest.mark.parametrize(
    ("neighbours", "pattern"),
    [
        ([0, 0, 0, 0, 0, 0, 0, 0], 0),  # a bright spot
        ([2, 2, 2, 2, 2, 2, 2, 2], 8),  # a dark spot
        ([1, 1, 1, 1, 1, 1, 1, 1], 8),  # flat: ties count as bright
        ([2, 2, 2, 2, 0, 0, 0, 0], 4),  # an edge
        ([0, 0, 0, 2, 0, 0, 0, 0], 1),  # the end of a line
        ([2, 0, 0, 0, 2, 0, 0, 0], 9),  # a line: four changes, not uniform
        ([2, 0, 2, 0, 2, 0, 2, 0], 9),
    ],
)
def test_patterns_of_three_by_three(neighbours: list[int], pattern: int) -> None:
    """Neighbours in order around the centre, which is 1."""
    patch = np.ones((1, 3, 3))
    ring = [(1, 2), (0, 2), (0, 1), (0, 0), (1, 0), (2, 0), (2, 1), (2, 2)]
    for (y, x), v in zip(ring, neighbours, strict=True):
        patch[0, y, x] = v
    # A diagonal neighbour at distance 1 lies between pixels; stretched corners decide its side.
    for corner in ((0, 0), (0, 2), (2, 0), (2, 2)):
        patch[0][corner] = 1 + 50 * (patch[0][corner] - 1)
    shares = pattern_shares(patch, 8, 1, periodic=False)[0]
    assert shares[pattern] == 1


def test_patterns_against_a_loop(rng: np.random.Generator) -> None:
    """The definition, pixel by pixel, with its own interpolation."""
    from scipy.ndimage import map_coordinates

    image = rng.random((15, 17))
    points, radius = 16, 2
    angle = 2 * np.pi * np.arange(points) / points
    counts = np.zeros(points + 2)
    for y in range(radius, 15 - radius):
        for x in range(radius, 17 - radius):
            where = np.array([y - radius * np.sin(angle), x + radius * np.cos(angle)])
            bits = map_coordinates(image, where, order=1) >= image[y, x]
            changes = int(np.sum(bits != np.roll(bits, 1)))
            counts[bits.sum() if changes <= 2 else points + 1] += 1
    found = pattern_shares(image[None], points, radius, periodic=False)[0]
    np.testing.assert_allclose(found, counts / counts.sum(), atol=1e-12)


def test_pattern_shares_add_to_one_at_each_scale(rng: np.random.Generator) -> None:
    found = described("local_binary_patterns", of_images(rng.random((3, 64, 72))))
    scales: dict[str, np.ndarray] = {}
    for i, name in enumerate(found.names):
        scale = name.split(":")[0]
        scales[scale] = scales.get(scale, 0) + found.values[:, i]
    assert "LBP P=24, R=3 px" in scales
    assert "LBP P=8, R=2 px" in scales  # of the image averaged over squares of two pixels
    for shares in scales.values():
        np.testing.assert_allclose(shares, 1)


def test_too_small_an_image_is_refused() -> None:
    with pytest.raises(InputError, match="too small"):
        described("local_binary_patterns", of_images(np.zeros((2, 8, 8))))


# ----------------------------------------------------------------------------------- invariances

TEXTURES = ["gradient_orientation", "intensity", "local_binary_patterns", "power_spectrum"]


@pytest.mark.parametrize("periodic", [True, False])
@pytest.mark.parametrize("name", TEXTURES)
def test_rotation_by_a_right_angle(name: str, periodic: bool, rng: np.random.Generator) -> None:
    images = smooth(rng, 2, (48, 48), 2.0)
    turned = np.rot90(images, axes=(1, 2)).copy()
    before = described(name, of_images(images, periodic=periodic)).values
    after = described(name, of_images(turned, periodic=periodic)).values
    np.testing.assert_allclose(after, before, atol=1e-6)


@pytest.mark.parametrize("periodic", [True, False])
@pytest.mark.parametrize("kind", ["grey", "phase"])
def test_rotation_exchanges_the_axes(kind: str, periodic: bool, rng: np.random.Generator) -> None:
    images = smooth(rng, 2, (40, 40), 3.0)
    images = images > 0.3 if kind == "phase" else images
    turned = np.rot90(images, axes=(1, 2)).copy()
    before = described("two_point", of_images(images, periodic=periodic, kind=kind))
    after = described("two_point", of_images(turned, periodic=periodic, kind=kind))
    for i, name in enumerate(before.names):
        swapped = name.replace("along x", "along ?").replace("along y", "along x")
        j = after.names.index(swapped.replace("along ?", "along y"))
        sign = -1 if name.startswith("anisotropy") else 1
        np.testing.assert_allclose(after.values[:, j], sign * before.values[:, i], atol=1e-6)


@pytest.mark.parametrize("name", [*TEXTURES, "two_point"])
def test_translation_of_a_periodic_image(name: str, rng: np.random.Generator) -> None:
    images = smooth(rng, 2, (48, 48), 2.0)
    moved = np.roll(images, (8, 20), axis=(1, 2))  # whole squares of the coarsest average
    before = described(name, of_images(images, periodic=True)).values
    after = described(name, of_images(moved, periodic=True)).values
    np.testing.assert_allclose(after, before, atol=1e-6)


@given(arrays(np.float32, (2, 30, 33), elements=st.floats(0, 1, width=32)))
@settings(max_examples=20, deadline=None)
def test_any_image_gives_finite_or_missing_values(images: np.ndarray) -> None:
    for name in (*TEXTURES, "two_point"):
        found = described(name, of_images(images))
        assert not np.isinf(found.values).any()


# ------------------------------------------------------------------------------ formats of images


def test_channels_are_described_one_by_one(rng: np.random.Generator) -> None:
    colour = rng.random((2, 3, 32, 32)).astype(np.float32)
    found = described("intensity", of_images(colour, channels=True, kind="multichannel"))
    single = described("intensity", of_images(colour[:, 1]))
    middle = [i for i, n in enumerate(found.names) if n.endswith("channel 1")]
    np.testing.assert_allclose(found.values[:, middle], single.values, rtol=1e-6)


def test_other_images_than_those_fitted_on_are_refused(rng: np.random.Generator) -> None:
    fitted = DESCRIPTORS["two_point"]().fit(
        of_images(rng.integers(0, 2, (3, 16, 16)), kind="phase")
    )
    with pytest.raises(InputError, match="differ in format"):
        fitted.transform(of_images(rng.integers(0, 2, (3, 16, 20)), kind="phase"))
    with pytest.raises(InputError, match="differ in format"):
        fitted.transform(of_images(rng.random((3, 16, 16))))
    strange = np.zeros((3, 16, 16))
    strange[2, 0, 0] = 0.5
    with pytest.raises(InputError, match="image2") as caught:
        fitted.transform(of_images(strange, kind="phase"))
    assert "phases seen before" in str(caught.value)


def test_grey_levels_are_no_phases_and_nan_no_grey_level(rng: np.random.Generator) -> None:
    with pytest.raises(InputError, match="too many distinct values"):
        DESCRIPTORS["two_point"]().fit(of_images(rng.random((2, 16, 16)), kind="phase"))
    broken = rng.random((2, 16, 16))
    broken[1, 3, 3] = np.nan
    with pytest.raises(InputError, match="image1"):
        described("intensity", of_images(broken))


def test_images_are_read_once_in_batches(
    rng: np.random.Generator, monkeypatch: pytest.MonkeyPatch
) -> None:
    from iceframe.scale import image_format
    from iceframe.scale.represent import Representer

    monkeypatch.setattr(image_format, "PIXELS_PER_BATCH", 3 * 32 * 32)
    reads: list[int] = []

    class Counting(ArrayImages):
        def read(self, index: np.ndarray) -> np.ndarray:
            reads.append(len(index))
            return super().read(index)

    values = rng.random((8, 1, 32, 32)).astype(np.float32)
    table = pd.DataFrame(index=[str(i) for i in range(8)])
    data = Dataset(table, images=Counting(values))
    batched = Representer().fit(data).transform(data)
    assert reads == [3, 3, 2]
    monkeypatch.undo()
    whole = Representer().fit(data).transform(data)
    np.testing.assert_allclose(batched.values, whole.values, rtol=1e-10, atol=1e-12)


def test_every_image_descriptor_is_one() -> None:
    for _, descriptor in DESCRIPTORS.items():
        assert issubclass(descriptor, ImageDescriptor) == (descriptor.needs == "image")
