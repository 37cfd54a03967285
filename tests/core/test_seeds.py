"""Seeds depend on the root and the name alone, differ between names, and touch no global state."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from iceframe.core.seeds import derive_seed, generator, stream


def test_known_value_in_any_process() -> None:
    """Runs made before must be resumable: the derivation is part of the run format."""
    command = "from iceframe.core.seeds import derive_seed; print(derive_seed(7, 'ebm', 3))"
    printed = subprocess.run(
        [sys.executable, "-c", command], capture_output=True, text=True, check=True
    ).stdout
    assert int(printed) == derive_seed(7, "ebm", 3) == KNOWN


# SHA-256 of "7\x1febm\x1f3", first four bytes, halved; computed once with sha256sum.
KNOWN = 1703944092


@given(st.integers(0, 2**40), st.text(max_size=20))
def test_fits_every_library(root: int, name: str) -> None:
    """scikit-learn takes seeds below 2**32, some C extensions below 2**31."""
    assert 0 <= derive_seed(root, name) < 2**31


def test_no_collisions_and_no_pattern_among_a_run_s_seeds() -> None:
    seeds = [derive_seed(0, rung, fold) for rung in "abcdefghij" for fold in range(1000)]
    assert len(set(seeds)) > 0.999 * len(seeds)
    # Uniform on [0, 2^31): the mean of 10 000 lies within five standard errors of the middle.
    scaled = np.array(seeds) / 2**31
    assert abs(scaled.mean() - 0.5) < 5 / np.sqrt(12 * len(seeds))


def test_names_do_not_run_together() -> None:
    assert derive_seed(0, "ab", "c") != derive_seed(0, "a", "bc")
    assert derive_seed(1, "2") != derive_seed(12)


def test_generator_is_fresh_each_time_and_leaves_the_global_one_alone() -> None:
    state = np.random.get_state()[1].copy()  # noqa: NPY002 - the global is what is checked
    first, second = generator(5, "tune").normal(size=4), generator(5, "tune").normal(size=4)
    np.testing.assert_array_equal(first, second)
    assert not np.array_equal(first, generator(6, "tune").normal(size=4))
    np.testing.assert_array_equal(state, np.random.get_state()[1])  # noqa: NPY002


def test_streams_of_a_large_set_are_all_different() -> None:
    """The 31 bits of a seed are not enough for 100,000 samples (two pairs of 2**31 / n² / 2)."""
    seeds = [derive_seed(0, "Particles", i) for i in range(100_000)]
    assert len(set(seeds)) < len(seeds)
    first = {stream(0, "Particles", i).integers(2**63) for i in range(20_000)}
    first |= {stream(0, "Particles", i).integers(2**63) for i in (96449, 96463)}
    assert len(first) == 20_002
    assert stream(3, "a").integers(2**63) == stream(3, "a").integers(2**63)
