"""What every registered generator of microstructures keeps to; a new one is tested by existing."""

from __future__ import annotations

import numpy as np
import pytest

from iceframe.core.errors import InputError, UsageError
from iceframe.physics import generator as contract
from iceframe.physics.generator import GENERATORS, Microstructures, generate

SHAPES = {2: (32, 32), 3: (16, 16, 16)}
ROOMY = {2: (48, 48), 3: (24, 24, 24)}
CASES = [(name, d) for name, made in GENERATORS.items() for d in made.dimensions]
each = pytest.mark.parametrize(("name", "dimension"), CASES, ids=[f"{n}-{d}d" for n, d in CASES])


def declared(name: str, dimension: int):
    return [f for f in GENERATORS[name].factors if dimension in f.dimensions]


def within_ranges(name: str, dimension: int, n: int, seed: int = 0) -> dict[str, np.ndarray]:
    """Factors drawn from the declared ranges, as a data set would draw them."""
    rng = np.random.default_rng(seed)
    drawn = {f.name: rng.uniform(f.low, f.high, n) for f in declared(name, dimension)}
    for f in declared(name, dimension):
        if f.whole:
            drawn[f.name] = np.rint(drawn[f.name])
    return drawn


def content(made: Microstructures, without: str = "") -> list[np.ndarray]:
    """All that a batch holds, but for one factor."""
    factors = [v for k, v in sorted(made.factors.items()) if k != without]
    grains = [] if made.grains is None else [made.grains]
    return [made.phases, *grains, *factors, *(made.orientations or ())]


def same(one: list[np.ndarray], other: list[np.ndarray]) -> bool:
    """Whole numbers are equal; measured ones may differ by rounding, as sums go by batch."""
    return len(one) == len(other) and all(
        a.shape == b.shape and np.allclose(a, b, rtol=1e-12, atol=1e-12)
        for a, b in zip(one, other, strict=True)
    )


def part(made: Microstructures, chosen: slice) -> Microstructures:
    return Microstructures(
        made.phases[chosen],
        made.phase_names,
        {k: v[chosen] for k, v in made.factors.items()},
        None if made.grains is None else made.grains[chosen],
        None if made.orientations is None else made.orientations[chosen],
    )


# ------------------------------------------------------------------------------- declarations
@pytest.mark.parametrize("name", GENERATORS.names())
def test_it_says_what_it_is(name):
    made = GENERATORS[name]
    assert made.title
    assert made.summary
    assert made.reference
    assert set(made.dimensions) <= {2, 3}
    assert 1 < len(made.phase_names) <= 256
    assert len(set(made.phase_names)) == len(made.phase_names)
    for d in made.dimensions:
        names = [f.name for f in declared(name, d)]
        assert len(set(names)) == len(names)


@each
def test_factors_are_declared_with_a_meaning_and_a_range(name, dimension):
    for f in declared(name, dimension):
        assert f.meaning, f.name
        assert np.isfinite([f.default, f.low, f.high]).all(), f.name
        assert f.minimum <= f.low < f.high <= f.maximum, f.name
        assert f.minimum <= f.default <= f.maximum, f.name
        if f.whole:
            assert all(v == round(v) for v in (f.default, f.low, f.high)), f.name


# ------------------------------------------------------------------------------------- results
@each
def test_a_batch_is_well_formed(name, dimension):
    made = generate(name, 3, SHAPES[dimension], seed=1, **within_ranges(name, dimension, 3))
    assert made.phases.shape == (3, *SHAPES[dimension])
    assert made.phases.dtype == np.uint8
    assert made.phases.max() < len(made.phase_names)
    assert {f.name for f in declared(name, dimension)} <= set(made.factors)
    for factor, values in made.factors.items():
        assert values.shape == (3,), factor
        assert np.isfinite(values).all(), factor
    if made.grains is not None:
        assert made.grains.shape == made.phases.shape
        assert made.grains.dtype == np.int32
        for labels in made.grains:
            assert np.array_equal(np.unique(labels), np.arange(labels.max() + 1))
    if made.orientations is not None:
        assert made.grains is not None
        assert len(made.orientations) == 3
        for labels, turns in zip(made.grains, made.orientations, strict=True):
            assert turns.shape == (labels.max() + 1, 4)
            assert np.linalg.norm(turns, axis=1) == pytest.approx(1, abs=1e-12)


@each
def test_a_sample_depends_on_the_seed_and_its_place_only(name, dimension, monkeypatch):
    shape, n = SHAPES[dimension], 5
    factors = within_ranges(name, dimension, n)
    all_of_it = generate(name, n, shape, seed=5, **factors)
    assert same(content(all_of_it), content(generate(name, n, shape, seed=5, **factors)))

    later = {k: v[3:] for k, v in factors.items()}
    resumed = generate(name, 2, shape, seed=5, first=3, **later)
    assert same(content(part(all_of_it, slice(3, 5))), content(resumed))

    monkeypatch.setattr(contract, "_CHUNK_VOXELS", 2 * int(np.prod(shape)))
    in_parts = generate(name, n, shape, seed=5, **factors)
    assert same(content(all_of_it), content(in_parts))


@each
def test_samples_and_seeds_differ(name, dimension):
    def structure(seed: int) -> list[np.ndarray]:
        made = generate(name, 2, SHAPES[dimension], seed=seed)
        return [made.phases if made.grains is None else made.grains * 1000 + made.phases]

    (one,), (other,) = structure(1), structure(2)
    assert not np.array_equal(one[0], one[1])
    assert not np.array_equal(one, other)


@pytest.mark.parametrize("name", GENERATORS.names())
@pytest.mark.parametrize("shape", [(32, 32), (31, 17), (16, 16, 16), (9, 15, 13)])
def test_the_volume_fraction_is_met_to_one_voxel(name, shape):
    ranges = {f.name: f for f in declared(name, len(shape))}
    if len(shape) not in GENERATORS[name].dimensions or "volume_fraction" not in ranges:
        pytest.skip("has no volume fraction")
    asked = np.array([ranges["volume_fraction"].low, ranges["volume_fraction"].high])
    made = generate(name, 2, shape, volume_fraction=asked)
    counted = (made.phases == 1).reshape(2, -1).sum(axis=1)
    assert np.abs(counted - asked * np.prod(shape)).max() <= 1
    assert np.abs(made.factors["volume_fraction"] - asked).max() * np.prod(shape) <= 1


@each
def test_both_ends_of_every_range_can_be_drawn(name, dimension):
    for f in declared(name, dimension):
        made = generate(name, 2, SHAPES[dimension], **{f.name: [f.low, f.high]})
        assert len(made) == 2


@each
def test_all_factors_may_lie_anywhere_in_their_ranges(name, dimension):
    factors = within_ranges(name, dimension, 4, seed=11)
    made = generate(name, 4, SHAPES[dimension], **factors)
    asked = factors.get("volume_fraction", np.zeros(4))
    for i in np.flatnonzero(asked):
        assert abs((made.phases[i] == 1).sum() - asked[i] * made.phases[i].size) <= 1


@each
def test_every_factor_is_used(name, dimension):
    """From the default, or with all others at one end, a change of the factor shows.

    The ends of a range may be one and the same (an angle of 0 and 180), hence a value in between.
    """
    ranges = declared(name, dimension)
    bases = [
        {},
        {f.name: f.high for f in ranges},
        {f.name: f.low for f in ranges},
        {k: v[0] for k, v in within_ranges(name, dimension, 1, seed=4).items()},
    ]
    for f in ranges:

        def drawn(base: dict[str, float], value: float, factor: str = f.name):
            made = generate(name, 1, ROOMY[dimension], seed=3, **{**base, factor: value})
            return content(made, without=factor)

        between = f.low + 0.3 * (f.high - f.low)
        values = [f.high, np.rint(between) if f.whole else between]
        changes = (not same(drawn(b, f.low), drawn(b, v)) for b in bases for v in values)
        assert any(changes), f.name


# -------------------------------------------------------------------------------- periodicity
def seam_excess(images: np.ndarray, axis: int) -> float:
    """How much likelier neighbours differ across the wrap than inside, in standard errors.

    ``images`` ``(n, *shape)``; ``axis`` of one image.
    """
    differ = images != np.roll(images, -1, axis + 1)
    others = tuple(a for a in range(1, images.ndim) if a != axis + 1)
    rates = differ.mean(axis=others)  # (n, size); the last is the wrap
    excess = rates[:, -1] - rates[:, :-1].mean(axis=1)
    if not np.any(excess):
        return 0.0
    return float(excess.mean() / (excess.std(ddof=1) / np.sqrt(len(excess)) + 1e-12))


@each
def test_opposite_edges_meet(name, dimension):
    n = 24 if dimension == 2 else 10
    made = generate(name, n, SHAPES[dimension], seed=7)
    maps = [made.phases] if made.grains is None else [made.phases, made.grains]
    assert any(np.ptp(images.reshape(n, -1), axis=1).any() for images in maps)
    for axis in range(dimension):
        for images in maps:
            assert seam_excess(images, axis) < 4


@pytest.mark.parametrize("axis", [0, 1])
def test_the_measure_of_periodicity_sees_a_seam(axis):
    """A window of a larger cell is not periodic."""
    made = generate("random_field", 24, (64, 64), seed=7)
    assert seam_excess(made.phases[:, :32, :32], axis) > 4


# --------------------------------------------------------------------------------- bad requests
@each
def test_unknown_factors_are_named(name, dimension):
    with pytest.raises(UsageError, match="colour"):
        generate(name, 1, SHAPES[dimension], colour=1.0)


@each
def test_values_out_of_range_are_refused(name, dimension):
    for f in declared(name, dimension):
        bad = [np.nan, np.inf]
        bad += [f.minimum - 1] if np.isfinite(f.minimum) else []
        bad += [f.maximum + 1] if np.isfinite(f.maximum) else []
        bad += [f.low + 0.5] if f.whole else []
        for value in bad:
            with pytest.raises(InputError, match=f.name):
                generate(name, 1, SHAPES[dimension], **{f.name: value})
        with pytest.raises(InputError, match=f.name):
            generate(name, 3, SHAPES[dimension], **{f.name: [f.low, f.high]})


@pytest.mark.parametrize("name", GENERATORS.names())
@pytest.mark.parametrize(("n", "shape"), [(-1, (8, 8)), (1, (8,)), (1, (0, 8)), (1, (2, 2, 2, 2))])
def test_bad_sizes_are_refused(name, n, shape):
    with pytest.raises(InputError):
        generate(name, n, shape)


@each
def test_nothing_asked_nothing_made(name, dimension):
    made = generate(name, 0, SHAPES[dimension])
    assert made.phases.shape == (0, *SHAPES[dimension])
    assert len(made) == 0


def test_an_unknown_generator_answers_with_the_nearest():
    with pytest.raises(UsageError, match="random_field"):
        generate("random_feild", 1, (8, 8))
