"""Phase field: laws (mass, energy, order), known answers (rates, profiles), and failure."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from iceframe.core.errors import InputError, UsageError
from iceframe.physics.phase_field import (
    CahnHilliard,
    EvolutionStatus,
    GrainGrowth,
    color_grains,
    domain_size,
    evolve,
    grain_labels,
    mean_grain_area,
    voronoi_labels,
)

# A nickel alloy's order of magnitude: an interface of 2 nm and 0.08 J/m².
ALLOY = CahnHilliard(
    barrier=3e7, gradient_energy=9.6e-10, mobility=1e-26, spacing=5e-10, low=0.1, high=0.6
)


def dimensionless(spacing: float = 1.0, **options: float) -> CahnHilliard:
    """∂c/∂t = ∇²(c³ − c − ∇²c)."""
    return CahnHilliard(
        barrier=0.25,
        gradient_energy=1.0,
        mobility=1.0,
        spacing=spacing,
        low=-1.0,
        high=1.0,
        **options,
    )


def noise(n: int, shape: tuple[int, ...], seed: int = 0) -> np.ndarray:
    """White noise about 0, within ±0.3."""
    return 0.1 * np.random.default_rng(seed).standard_normal((n, *shape)).clip(-3, 3)


def smooth(size: int) -> np.ndarray:
    """A smooth field with no symmetry, ``(size, size)``, on nodes."""
    x = 2 * np.pi * np.arange(size) / size
    y = x[:, None]
    return 0.1 + 0.2 * np.cos(x) + 0.15 * np.sin(2 * x + y) + 0.1 * np.cos(3 * y - x)


def grain_model(orders: int = 2, width: float = 4.0, **options: float) -> GrainGrowth:
    return GrainGrowth(
        orders=orders,
        boundary_width=width,
        boundary_energy=1.0,
        boundary_mobility=1.0,
        spacing=1.0,
        **options,
    )


# Laws


@settings(max_examples=12, deadline=None)
@given(
    shape=st.sampled_from([(16, 16), (15, 17), (12, 9), (8, 6, 10), (7, 7, 7)]),
    mean=st.floats(-0.6, 0.6),
    step=st.sampled_from([None, 1.0, 5.0]),
    seed=st.integers(0, 99),
)
def test_mass_is_kept_and_energy_falls(
    shape: tuple[int, ...], mean: float, step: float | None, seed: int
) -> None:
    start = mean + noise(2, shape, seed)
    result = evolve(start, dimensionless(), [0.0, 3.0, 40.0], step=step)
    assert result.finished.all()
    axes = tuple(range(2, 2 + len(shape)))
    drift = result.frames.mean(axis=axes) - start.reshape(2, 1, -1).mean(axis=2)
    assert np.abs(drift).max() < 1e-12
    rounding = 1e-14 * 0.25 * np.prod(shape)
    assert (result.energy[:, 1] < result.energy[:, 0]).all()
    assert (result.energy[:, 2] < result.energy[:, 1] + rounding).all()
    assert (result.largest_rise <= rounding).all()


def test_mass_is_kept_in_physical_units() -> None:
    start = 0.35 + 0.2 * noise(2, (24, 24))
    result = evolve(start, ALLOY, np.array([1.0, 30.0, 300.0]) * ALLOY.time_unit)
    assert result.finished.all()
    assert np.ptp(result.frames[:, -1]) > 0.4
    drift = result.frames.mean(axis=(2, 3)) - start.mean(axis=(1, 2))[:, None]
    assert np.abs(drift).max() < 1e-10
    assert (np.diff(result.energy, axis=1) < 0).all()


def test_energy_is_that_of_the_field() -> None:
    """In J/m, from the definition: a wave of amplitude a has gradient energy κ a² k²/4 a volume."""
    x = np.arange(32)
    k = 2 * np.pi / (32 * ALLOY.spacing)
    c = 0.35 + 0.1 * np.cos(k * x * ALLOY.spacing) + np.zeros((1, 6, 1))
    found = evolve(c, ALLOY, [0.0]).energy[0, 0]
    well = 16 * ALLOY.barrier * ((c - 0.1) * (c - 0.6)) ** 2 / 0.5**4
    expected = (well.mean() + ALLOY.gradient_energy * 0.1**2 * k**2 / 4) * 6 * 32 * ALLOY.spacing**2
    np.testing.assert_allclose(found, expected, rtol=1e-12)


@pytest.mark.parametrize("composition", [0.35, 0.28, 0.15])
def test_small_waves_grow_or_decay_as_theory_says(composition: float) -> None:
    """Cahn 1961: rate −M k² (f″ + κ k²), unstable and stable compositions, two wave lengths."""
    for waves in (1, 3):
        k = 2 * np.pi * waves / (24 * ALLOY.spacing)
        rate = float(ALLOY.growth_rate(np.array(k), composition))
        shape = np.cos(2 * np.pi * waves * np.arange(24) / 24)
        start = composition + 1e-6 * shape + np.zeros((1, 4, 1))
        end = 0.5 / abs(rate)
        result = evolve(start, ALLOY, [end], tolerance=1e-10)
        amplitude = 2 * np.mean((result.frames[0, 0] - composition) * shape)
        np.testing.assert_allclose(np.log(amplitude / 1e-6), rate * end, rtol=1e-4)


def test_order_in_time() -> None:
    """Four in the limit; above 3 at the steps in use."""
    start = smooth(32)[None]
    model = dimensionless(0.5)
    truth = evolve(start, model, [2.0], step=2.0 / 1024).frames
    errors = [
        np.abs(evolve(start, model, [2.0], step=2.0 / n).frames - truth).max() for n in (16, 32, 64)
    ]
    orders = np.log2(np.array(errors[:-1]) / errors[1:])
    assert (orders > 3.0).all(), orders


def test_tolerance_bounds_the_error() -> None:
    start, model = smooth(32)[None], dimensionless(0.5)
    truth = evolve(start, model, [5.0], tolerance=1e-9).frames
    errors = [
        np.abs(evolve(start, model, [5.0], tolerance=t).frames - truth).max()
        for t in (1e-3, 1e-5, 1e-7)
    ]
    assert errors[0] < 1e-2
    assert errors[1] < errors[0] / 20
    assert errors[2] < errors[1] / 20


# Known answers


def test_flat_interface() -> None:
    """A slab relaxes to ½(1 + tanh(2x/w)) and to the energy ⁴⁄₃ b w of two interfaces."""
    cells, spacing = 96, ALLOY.spacing
    x = (np.arange(cells) + 0.5) * spacing
    middle = cells * spacing / 2
    inside = (np.abs(x - middle) < cells * spacing / 4).astype(float)
    start = 0.1 + 0.5 * inside + np.zeros((1, 4, 1))
    result = evolve(start, ALLOY, [500 * ALLOY.time_unit])
    width = ALLOY.interface_width
    profile = 0.5 * (1 - np.tanh(2 * (np.abs(x - middle) - cells * spacing / 4) / width))
    assert np.abs((result.frames[0, 0, 0] - 0.1) / 0.5 - profile).max() < 1e-3
    depth = 4 * spacing
    np.testing.assert_allclose(result.energy[0, 0] / (2 * depth), ALLOY.interface_energy, rtol=1e-3)
    np.testing.assert_allclose(width, 0.5 * np.sqrt(9.6e-10 / (2 * 3e7)), rtol=1e-12)


def test_same_trajectory_as_py_pde() -> None:
    """Independent code, golden numbers.

    py-pde 0.59.0: ``CahnHilliardPDE(1.0)`` on a periodic square of side 16 from ``smooth``, with
    the ``euler`` solver at ``dt = h⁴/40``, on 32², 64² and 128² voxels of size h; the values at
    every (N/4)th node, extrapolated to h = 0 from errors of order h² and h⁴ (Richardson). The last
    two extrapolations differ by 4e-6.
    """
    golden = np.array(
        [
            [
                [0.41194179, 0.13197317, -0.2854167, 0.15315801],
                [0.55107321, -0.091286, -0.03364366, -0.0870363],
                [0.41128118, 0.15769575, -0.28416863, 0.13026358],
                [0.25648844, 0.34378546, -0.48794859, 0.34538255],
            ],
            [
                [0.88639907, -0.01639969, -0.89065811, 0.5461736],
                [0.87740143, 0.14987487, -0.9055917, 0.15167022],
                [0.88640768, 0.54710561, -0.89049261, -0.01566749],
                [0.89462565, 0.38447694, -0.8901297, 0.38366197],
            ],
        ]
    )
    result = evolve(smooth(32)[None], dimensionless(0.5), [5.0, 20.0], tolerance=1e-6)
    np.testing.assert_allclose(result.frames[0, :, ::8, ::8], golden, atol=5e-6)


def test_circular_grain_shrinks_at_a_constant_rate() -> None:
    """dA/dt = −2π μσ, whatever the radius; the energy is σ times the boundary."""
    size, radius, width = 64, 24.0, 5.0
    y, x = np.mgrid[:size, :size] - (size - 1) / 2
    grain = 0.5 * (1 - np.tanh(2 * (np.hypot(x, y) - radius) / width))
    model = grain_model(width=width)
    times = np.linspace(20, 200, 7)
    result = evolve(np.stack([grain, 1 - grain])[None], model, times)
    area = result.frames[0, :, 0].sum(axis=(1, 2))
    np.testing.assert_allclose(np.diff(area) / np.diff(times), model.circle_rate, rtol=0.01)
    np.testing.assert_allclose(result.energy[0], np.sqrt(4 * np.pi * area), rtol=0.02)
    assert result.largest_rise[0] < 0


def test_mean_grain_area_grows_linearly() -> None:
    """Burke and Turnbull's law for normal grain growth; the bar is R² > 0.98."""
    rng = np.random.default_rng(1)
    start = color_grains(voronoi_labels((160, 160), 220, rng), 20)
    times = np.linspace(40, 200, 9)
    model = grain_model(20, width=3.5)
    result = evolve(start[None], model, times, tolerance=1e-3, precision="single")
    area = np.array([mean_grain_area(frame[None])[0] for frame in result.frames[0]])
    assert area[-1] > 2 * area[0]
    assert np.corrcoef(times, area)[0, 1] ** 2 > 0.98
    assert (np.diff(result.energy[0]) < 0).all()


@pytest.mark.slow
def test_domain_size_grows_as_the_cube_root_of_time() -> None:
    """Lifshitz and Slyozov: exponent ⅓ ± 0.03 over a decade, mean of six samples of 256²."""
    times = np.geomspace(1000, 10_000, 10)
    result = evolve(
        noise(6, (256, 256), seed=1), dimensionless(), times, tolerance=1e-3, precision="single"
    )
    size = domain_size(result.frames, 2).mean(axis=0)
    exponent = np.polyfit(np.log(times), np.log(size), 1)[0]
    assert abs(exponent - 1 / 3) < 0.03, exponent
    assert size[-1] < 256 / 3  # not yet the size of the cell


# Batches, frames, precision


def test_samples_do_not_depend_on_their_neighbours() -> None:
    start = np.concatenate(
        [noise(2, (20, 18)), 0.5 + noise(1, (20, 18)), np.full((1, 20, 18), 0.9)]
    )
    together = evolve(start, dimensionless(), [5.0, 60.0])
    for i in range(4):
        alone = evolve(start[i : i + 1], dimensionless(), [5.0, 60.0])
        np.testing.assert_allclose(alone.frames[0], together.frames[i], atol=1e-12)
        assert alone.steps[0] == together.steps[i]
    assert len(set(together.steps.tolist())) > 1  # each at its own pace


def test_chunks_join_in_order(monkeypatch: pytest.MonkeyPatch) -> None:
    start, model = noise(5, (8, 8)), dimensionless()
    whole = evolve(start, model, [4.0])
    monkeypatch.setitem(evolve.__globals__["_CHUNK"], "cpu", 2 * 64)
    heard: list[float] = []
    parts = evolve(start, model, [4.0], progress=heard.append)
    np.testing.assert_allclose(parts.frames, whole.frames, atol=1e-13)
    assert parts.frames.shape == (5, 1, 8, 8)
    assert heard == sorted(heard)
    assert heard[-1] == pytest.approx(1.0)


@pytest.mark.parametrize("step", [None, 0.7])
def test_frames_are_at_the_asked_times(step: float | None) -> None:
    """More frames change the steps a little, not the frames they share; time 0 is the start."""
    start, model = smooth(16)[None], dimensionless()
    few = evolve(start, model, [10.0], step=step, tolerance=1e-7)
    many = evolve(start, model, [0.0, 3.3, 9.9, 10.0], step=step, tolerance=1e-7)
    np.testing.assert_allclose(many.frames[:, 0], start, atol=1e-14)
    np.testing.assert_allclose(many.frames[:, 3], few.frames[:, 0], atol=1e-4 if step else 1e-6)
    assert many.reached[0] == pytest.approx(10.0, rel=1e-12)
    assert np.abs(many.frames[0, 3] - many.frames[0, 2]).max() > 1e-4


def test_single_precision_agrees() -> None:
    start = smooth(32)[None]
    double = evolve(start, dimensionless(0.5), [5.0])
    single = evolve(start, dimensionless(0.5), [5.0], precision="single")
    assert single.frames.dtype == np.float32
    np.testing.assert_allclose(single.frames, double.frames, atol=2e-5)
    np.testing.assert_allclose(single.energy, double.energy, rtol=1e-5)


def test_extruded_field_evolves_as_in_two_dimensions() -> None:
    flat = smooth(16)
    two = evolve(flat[None], dimensionless(), [8.0], tolerance=1e-6)
    three = evolve(np.stack([flat] * 4)[None], dimensionless(), [8.0], tolerance=1e-6)
    np.testing.assert_allclose(three.frames[0, 0, 2], two.frames[0, 0], atol=1e-12)
    np.testing.assert_allclose(three.energy, 4 * two.energy, rtol=1e-12)


# Failure


def test_instability_is_a_status_of_its_sample_alone() -> None:
    """Without stabilisation a long step fails on noise and not on a uniform field."""
    model = dimensionless(stabilising=0.0)
    start = np.stack([noise(1, (16, 16))[0], np.full((16, 16), 1.0)])
    result = evolve(start, model, [0.0, 500.0], step=100.0)
    assert result.status == (EvolutionStatus.UNSTABLE, EvolutionStatus.FINISHED)
    assert "step" in result.status[0].remedy
    assert result.reached[0] < 500
    assert np.isnan(result.frames[0, 1]).all()
    assert np.isnan(result.energy[0, 1])
    np.testing.assert_allclose(result.frames[0, 0], start[0], atol=1e-14)
    np.testing.assert_allclose(result.frames[1], 1.0, atol=1e-14)
    adaptive = evolve(start, model, [500.0])
    assert adaptive.finished.all()


def test_budget_and_impossible_tolerance() -> None:
    start = noise(1, (16, 16))
    spent = evolve(start, dimensionless(), [0.0, 0.1, 1e4], max_steps=30)
    assert spent.status[0] is EvolutionStatus.BUDGET
    assert spent.steps[0] + spent.rejected[0] == 30
    assert np.isfinite(spent.frames[0, :2]).all()
    assert np.isnan(spent.frames[0, 2]).all()
    strict = evolve(start, dimensionless(), [1.0], tolerance=1e-30, precision="single")
    assert strict.status[0] is EvolutionStatus.STEP_TOO_SMALL
    assert all(s.remedy for s in EvolutionStatus if s is not EvolutionStatus.FINISHED)


def test_an_exact_number_of_steps_suffices() -> None:
    result = evolve(noise(1, (8, 8)), dimensionless(), [1.0], step=0.1, max_steps=10)
    assert result.status[0] is EvolutionStatus.FINISHED
    assert result.steps[0] == 10


@pytest.mark.parametrize(
    "change",
    [
        {"barrier": -1.0},
        {"barrier": np.nan},
        {"gradient_energy": 0.0},
        {"mobility": np.inf},
        {"spacing": 0.0},
        {"spacing": 1e-9},  # 2 voxels in the interface
        {"low": 0.6, "high": 0.1},
        {"stabilising": -1.0},
    ],
)
def test_bad_models(change: dict[str, float]) -> None:
    right = {"barrier": 3e7, "gradient_energy": 2.4e-10, "mobility": 1e-26, "spacing": 5e-10}
    CahnHilliard(**right)
    with pytest.raises(InputError, match="CahnHilliard"):
        CahnHilliard(**{**right, **change})


@pytest.mark.parametrize(
    "change",
    [{"orders": 1}, {"boundary_width": 2.0}, {"boundary_energy": -1.0}, {"stabilising": np.nan}],
)
def test_bad_grain_models(change: dict[str, float]) -> None:
    right = {"orders": 2, "boundary_width": 4.0, "boundary_energy": 1.0}
    GrainGrowth(**right, boundary_mobility=1.0, spacing=1.0)
    with pytest.raises(InputError, match="GrainGrowth"):
        GrainGrowth(**{**right, **change}, boundary_mobility=1.0, spacing=1.0)


def test_bad_input() -> None:
    good, model = noise(1, (8, 8)), dimensionless()
    missing = good.copy()
    missing[0, 3, 3] = np.nan
    for field, times, options, words in (
        (missing, [1.0], {}, "not finite"),
        (good + 2, [1.0], {}, "out of range"),
        (good[0], [1.0], {}, "shape"),
        (good[:0], [1.0], {}, "shape"),
        ("noise", [1.0], {}, "numbers"),
        (good, [], {}, "increase"),
        (good, [2.0, 1.0], {}, "increase"),
        (good, [-1.0], {}, "increase"),
        (good, [np.nan], {}, "increase"),
        (good, [1.0], {"step": 0.0}, "'step'"),
        (good, [1.0], {"tolerance": -1.0}, "'tolerance'"),
        (good, [1.0], {"max_steps": 0}, "'max_steps'"),
    ):
        with pytest.raises(InputError, match=words):
            evolve(field, model, times, **options)
    with pytest.raises(UsageError, match="precision"):
        evolve(good, model, [1.0], precision="half")
    with pytest.raises(InputError, match="2, height"):
        evolve(good, grain_model(), [1.0])


# Polycrystals and measures


def test_coloured_neighbours_differ() -> None:
    labels = voronoi_labels((48, 40), 30, np.random.default_rng(1))
    fields = color_grains(labels, 9)
    np.testing.assert_array_equal(fields.sum(axis=0), 1)
    found, count = grain_labels(fields[None])
    assert count[0] == len(np.unique(labels))
    pairs = np.unique(np.stack([labels.ravel(), found[0].ravel()]), axis=1)
    assert pairs.shape[1] == count[0]  # one to one: grains are found again, across the borders


def test_labels_of_a_batch_are_those_of_its_samples() -> None:
    rng = np.random.default_rng(0)
    batch = np.stack([color_grains(voronoi_labels((12, 9, 10), g, rng), 4) for g in (5, 9, 14)])
    labels, count = grain_labels(batch)
    for i in range(3):
        alone, number = grain_labels(batch[i : i + 1])
        np.testing.assert_array_equal(alone[0], labels[i])
        assert number[0] == count[i]
        assert set(np.unique(labels[i])) == set(range(count[i]))


def test_voronoi_is_periodic() -> None:
    """Rolling the grid does not split a grain: each is one piece."""
    labels = voronoi_labels((30, 30), 7, np.random.default_rng(5))
    fields = color_grains(np.roll(labels, (11, 17), axis=(0, 1)), 7)[None]
    assert grain_labels(fields)[1][0] == 7


def test_domain_size_scales_with_the_grid() -> None:
    start = noise(2, (32, 48))
    once = evolve(start, dimensionless(), [40.0]).frames[:, 0]
    twice = np.repeat(np.repeat(once, 2, axis=1), 2, axis=2)
    ratio = domain_size(twice, 2) / domain_size(once, 2)
    np.testing.assert_allclose(ratio, 2, rtol=0.1)
    np.testing.assert_allclose(domain_size(once, 2, 0.5), domain_size(once, 2) / 2)
    assert np.isnan(domain_size(np.zeros((8, 8)), 2))


def test_bad_polycrystals() -> None:
    rng = np.random.default_rng(0)
    with pytest.raises(InputError, match="grid"):
        voronoi_labels((8,), 3, rng)
    with pytest.raises(InputError, match="two order"):
        color_grains(np.zeros((4, 4), int), 1)
    with pytest.raises(InputError, match="whole numbers"):
        color_grains(np.zeros((4, 4)), 3)
    with pytest.raises(InputError, match="finite"):
        grain_labels(np.full((1, 2, 4, 4), np.nan))
