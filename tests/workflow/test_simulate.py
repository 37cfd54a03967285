"""Simulated data sets: drawn as asked, solved exactly, the same after any interruption."""

from __future__ import annotations

import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml

import iceframe as ice
from iceframe.core.errors import IceframeError, InputError, UsageError
from iceframe.core.files import read_json
from iceframe.ingest.simulated import Simulated
from iceframe.physics import Elasticity, homogenize
from iceframe.physics.generator import GENERATORS
from iceframe.physics.presets import PRESETS
from iceframe.workflow.simulate import folder as folders
from iceframe.workflow.simulate.draws import Draw
from iceframe.workflow.simulate.loading import load_recipe
from iceframe.workflow.simulate.plan import make_plan
from iceframe.workflow.simulate.templates import TEMPLATES, template

RECIPE: dict[str, Any] = {
    "generator": "random_field",
    "shape": [16, 16],
    "samples": 8,
    "seed": 3,
    "factors": {"volume_fraction": [0.2, 0.8], "length": [2, 4]},
    "property": {"elasticity": {"young": [70, 400], "poisson": [0.33, 0.2]}},
    "sensitivities": True,
}
ISOTROPIC = {"young": [70, 70], "poisson": [0.3, 0.3]}
CONDUCTION = {"conductivity": {"values": [1, 10]}}


def recipe(**changes: Any) -> dict[str, Any]:
    body = {**RECIPE, **changes}
    return {name: value for name, value in body.items() if value is not None}


def bare(**changes: Any) -> dict[str, Any]:
    """Without property and sensitivities."""
    return recipe(**{"property": None, "sensitivities": None, **changes})


def contents(made: Simulated) -> dict[str, Any]:
    arrays = {name: np.asarray(made.array(name)[:]) for name in made.manifest["arrays"]}
    return {"samples": made.samples, "manifest": dict(made.manifest), **arrays}


def assert_equal(one: Simulated, other: Simulated) -> None:
    a, b = contents(one), contents(other)
    assert a.keys() == b.keys()
    pd.testing.assert_frame_equal(a.pop("samples"), b.pop("samples"), check_exact=True)
    assert a.pop("manifest") == b.pop("manifest")
    for name, values in a.items():
        np.testing.assert_array_equal(values, b[name], err_msg=name)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Simulated:
    return ice.simulate(RECIPE, out=tmp_path_factory.mktemp("made") / "data", workers=1)


@pytest.fixture
def make(tmp_path: Path) -> Callable[..., Simulated]:
    numbers = iter(range(100))

    def go(body: Any, **options: Any) -> Simulated:
        return ice.simulate(
            body, **{"out": tmp_path / f"d{next(numbers)}", "workers": 1, **options}
        )

    return go


# -- what is made ----------------------------------------------------------------------------------


def test_the_numbers_are_those_of_generator_and_solver(made: Simulated) -> None:
    table, phases = made.samples, made.phases[:]
    assert list(table.index) == [f"s{i:05d}" for i in range(8)]
    np.testing.assert_allclose(phases.mean(axis=(1, 2)), table["volume_fraction"], atol=1 / 256)
    assert table["volume_fraction"].between(0.2, 0.8).all()
    assert table["length"].between(2, 4).all()
    solved = homogenize(phases, Elasticity([70, 400], [0.33, 0.2]), sensitivities=True)
    for name, (a, b) in {"C11": (0, 0), "C12": (0, 1), "C66": (2, 2)}.items():
        np.testing.assert_allclose(table[name], solved.tensor[:, a, b], rtol=1e-6)
        pair = solved.pairs.index((a, b))
        exact = solved.sensitivities[:, pair]
        scale = np.abs(exact).max()
        np.testing.assert_allclose(made.sensitivities(name), exact, atol=1e-4 * scale)
    assert set(table["status"]) == {"CONVERGED"}
    assert made.manifest["statuses"] == {"CONVERGED": 8}


def test_sensitivities_add_up_to_what_one_phase_more_would_change(made: Simulated) -> None:
    """Raising the weight everywhere by dρ changes C11 by the sum; checked by a mixed solve."""
    phases = made.phases[:1]
    weights = np.stack([1.0 - phases, 1.0 * phases], axis=1)
    step, properties = 1e-3, Elasticity([70, 400], [0.33, 0.2])
    inner = np.clip(weights, 2 * step, 1 - 2 * step)
    moved = [inner + sign * step * np.array([-1, 1]).reshape(1, 2, 1, 1) for sign in (1, -1)]
    high, low = (homogenize(w, properties, tolerance=1e-9).tensor[0, 0, 0] for w in moved)
    assert made.sensitivities("C11")[0].sum() == pytest.approx((high - low) / (2 * step), rel=0.02)


def test_more_samples_keep_the_first_ones(make: Callable[..., Simulated]) -> None:
    few, many = (make(bare(samples=n)) for n in (3, 9))
    pd.testing.assert_frame_equal(few.samples, many.samples.iloc[:3], check_exact=True)
    np.testing.assert_array_equal(few.phases[:], many.phases[:3])


def test_seeds_differ(make: Callable[..., Simulated]) -> None:
    one, other = (make(bare(samples=2, seed=seed)) for seed in (0, 1))
    assert (one.samples["length"].to_numpy() != other.samples["length"].to_numpy()).all()
    assert (one.phases[:] != other.phases[:]).any()


def test_a_mixture_takes_equal_shares(make: Callable[..., Simulated]) -> None:
    names = ["random_field", "overlapping_spheres"]
    made = make(bare(generator=names, factors={"volume_fraction": 0.4}, samples=7))
    assert made.samples["generator"].value_counts().to_dict() == {names[0]: 4, names[1]: 3}
    assert made.samples["length"].isna().sum() == 3, "spheres have no correlation length"
    alone = make(bare(factors={"volume_fraction": 0.4}, samples=4))
    np.testing.assert_array_equal(made.phases[::2], alone.phases[:], "a stream of its own")


def test_volumes(make: Callable[..., Simulated]) -> None:
    body = recipe(shape=[6, 7, 8], samples=3, property=CONDUCTION, sensitivities=["k_yz", "k_xx"])
    made = make(body)
    assert made.phases.shape == (3, 6, 7, 8)
    assert made.array("sensitivities").shape == (3, 2, 1, 6, 7, 8)
    assert made.array("sensitivities").attrs["columns"] == ["k_xx", "k_yz"]
    assert {"k_xx", "k_xy", "k_xz", "k_yy", "k_yz", "k_zz"} <= set(made.samples)
    with pytest.raises(InputError, match="Did you mean 'k_yz'"):
        made.sensitivities("k_zy")


def test_constants_of_phases_may_vary(make: Callable[..., Simulated]) -> None:
    names = list(GENERATORS["random_field"].phase_names)
    contrast = {names[0]: 2, names[1]: {"low": 2, "high": 200, "log": True}}
    made = make(recipe(property={"conductivity": {"values": contrast}}, sensitivities=None))
    drawn = made.samples["conductivity_" + names[1].replace(" ", "_")]
    assert drawn.between(2, 200).all()
    assert drawn.nunique() == 8
    fraction = made.samples["volume_fraction"]
    for axis in ("k_xx", "k_yy"):
        assert (made.samples[axis] <= 2 * (1 - fraction) + drawn * fraction + 1e-2).all(), "Wiener"
        assert (made.samples[axis] >= 1 / ((1 - fraction) / 2 + fraction / drawn) - 1e-2).all()


def test_crystals_take_the_orientations_of_their_grains(make: Callable[..., Simulated]) -> None:
    cubic = {"c11": 168.4, "c12": 121.4, "c44": 75.4}
    made = make(
        recipe(
            generator="voronoi",
            factors={"grain_size": 6},
            samples=3,
            property={"cubic": cubic},
            sensitivities=None,
        )
    )
    assert made.samples["C11"].between(168.4, 240.0).all()
    turns = made.array("orientation")[:]
    np.testing.assert_allclose((turns**2).sum(axis=1), 1.0, atol=1e-6)
    grains = made.array("grains")[0]
    assert all(np.ptp(turns[0][:, grains == g], axis=1).max() == 0 for g in np.unique(grains))
    with pytest.raises(InputError, match="no oriented grains"):
        make(recipe(property={"cubic": cubic}, sensitivities=None))


@pytest.mark.parametrize("name", PRESETS)
def test_presets_bring_generators_factors_and_constants(
    make: Callable[..., Simulated], name: str
) -> None:
    members = PRESETS[name].members
    body = bare(generator=None, preset=name, factors=None, shape=[48, 48], samples=6)
    made = make({**body, "property": {"elasticity": {}, "conductivity": {}}})
    table = made.samples
    assert set(table["generator"]) == {member.generator for member in members}
    for member in members:
        rows = table[table["generator"] == member.generator]
        for factor, (low, high) in member.ranges.items():
            if factor not in ("volume_fraction", "size", "length"):  # reported as they came out
                assert rows[factor].between(low, high).all(), factor
        assert rows["k_xx"].between(min(member.conductivity), max(member.conductivity)).all()
    with pytest.raises(InputError, match="another recipe"):
        ice.simulate({**body, "seed": 9}, out=made.folder)


def test_presets_can_be_overruled(make: Callable[..., Simulated], tmp_path: Path) -> None:
    body = bare(generator=None, preset="metal", shape=[48, 48], samples=3)
    made = make({**body, "factors": {"volume_fraction": 0.25}, "property": CONDUCTION})
    np.testing.assert_allclose(made.phases[:].mean(axis=(1, 2)), 0.25, atol=0.01)
    assert made.samples["k_xx"].between(1, 10).all()
    ceramic = {**body, "preset": "ceramic", "factors": {}, "property": {"elasticity": {}}}
    with pytest.raises(InputError, match="'pore' of 'overlapping_spheres' is a void"):
        make({**ceramic, "sensitivities": True})
    with pytest.raises(InputError, match="their own unit"):
        make({**ceramic, "property": {"elasticity": {"unit": "psi"}}})
    with pytest.raises(UsageError, match="Did you mean 'ceramic'"):
        make({**ceramic, "preset": "ceramics"})


def test_two_properties_at_once(make: Callable[..., Simulated]) -> None:
    both = {"elasticity": ISOTROPIC, **CONDUCTION}
    made = make(recipe(property=both, sensitivities=["k_xx", "C66"], samples=2))
    assert made.array("sensitivities").attrs["columns"] == ["C66", "k_xx"]
    np.testing.assert_allclose(made.samples["C66"], 70 / (2 * 1.3), rtol=1e-9)
    assert np.abs(made.sensitivities("C66")).max() == 0, "phases of one stiffness do not matter"
    assert np.abs(made.sensitivities("k_xx")).max() > 0


def test_one_phase_only_has_that_phases_property_and_a_note(make: Callable[..., Simulated]) -> None:
    alone = {"volume_fraction": {"values": [0, 1]}}
    made = make(recipe(factors=alone, property=CONDUCTION, samples=8))
    fraction = made.samples["volume_fraction"]
    np.testing.assert_allclose(made.samples["k_xx"], np.where(fraction == 1, 10, 1))
    assert "8 of 8 samples hold one phase only" in made.manifest["notes"][0]


def test_what_does_not_converge_is_nan_with_its_status(make: Callable[..., Simulated]) -> None:
    body = recipe(solver={"max_iterations": 5, "tolerance": 1e-7})
    made = make(body)
    assert set(made.samples["status"]) == {"NOT_CONVERGED"}
    assert made.samples[["C11", "C12", "C66"]].isna().all(axis=None)
    assert np.isnan(made.sensitivities("C11")).all()
    assert made.manifest["statuses"] == {"NOT_CONVERGED": 8}
    assert "8 of 8 samples have no property" in made.manifest["notes"][0]
    assert "max_iterations" in made.manifest["notes"][0]


def test_the_folder_holds_what_the_reference_says(made: Simulated) -> None:
    names = {p.name for p in made.folder.iterdir()} - {".lock"}
    assert names == {"dataset.json", "recipe.yaml", "samples.parquet", "images.zarr"}
    again = load_recipe(made.folder / "recipe.yaml").recipe
    assert again.plain() == made.manifest["recipe"]


@pytest.mark.parametrize("name", TEMPLATES)
def test_every_template_is_a_recipe(name: str) -> None:
    loaded = load_recipe(yaml.safe_load(template(name)))
    plan = make_plan(load_recipe({**loaded.recipe.plain(), "samples": 2}))
    assert len(plan) == 2


@pytest.mark.parametrize("name", GENERATORS.names())
def test_every_generator_can_be_simulated(name: str) -> None:
    plan = make_plan(load_recipe({"generator": name, "shape": [32, 32], "samples": 1}))
    (family,) = plan.families
    micro = plan.microstructures(family, np.arange(1))
    expected = {name: values[0] for name, values in micro.factors.items()}
    assert set(expected) <= {column.name for column in plan.columns}


# -- evolution -------------------------------------------------------------------------------------

SPINODAL: dict[str, Any] = {
    "shape": [32, 32],
    "samples": 4,
    "voxel": {"size": 0.5, "unit": "nm"},
    "evolution": {
        "model": "cahn_hilliard",
        "composition": [0.4, 0.6],
        "barrier": 3.0e7,
        "gradient_energy": 9.4e-11,
        "mobility": 1e-26,
        "times": [0, 5, 20],
    },
}
GROWTH: dict[str, Any] = {
    "generator": "voronoi",
    "factors": {"grain_size": 8},
    "shape": [32, 32],
    "samples": 3,
    "voxel": {"size": 0.1, "unit": "um"},
    "evolution": {
        "model": "grain_growth",
        "orders": 8,
        "boundary_width": 3e-7,
        "boundary_energy": 0.5,
        "boundary_mobility": 1e-14,
        "times": [8, 60],
    },
}


def test_a_composition_separates_and_keeps_its_mean(make: Callable[..., Simulated]) -> None:
    made = make(SPINODAL)
    frames, table = made.array("frames")[:], made.samples
    assert frames.shape == (4, 3, 32, 32)
    mean = frames.mean(axis=(2, 3))
    for column in mean.T:
        np.testing.assert_allclose(column, table["composition"], atol=1e-5)
    spread = frames.std(axis=(2, 3))
    np.testing.assert_allclose(spread[:, 0], 0.02, rtol=0.1)
    assert (spread[:, 2] > 0.3).all(), "two phases at the end"
    assert set(table["status"]) == {"FINISHED"}
    assert table["final_domain_size"].between(4, 16).all(), "nm, in a cell of 16 nm"
    assert "phases" not in made.manifest["arrays"]


def test_energies_are_those_of_the_phase_field(make: Callable[..., Simulated]) -> None:
    from iceframe.physics.phase_field import CahnHilliard, evolve

    made = make(SPINODAL)
    model = CahnHilliard(barrier=3e7, gradient_energy=9.4e-11, mobility=1e-26, spacing=5e-10)
    start = made.array("frames")[:, 0].astype(float)
    again = evolve(start, model, times=[5.0, 20.0])
    np.testing.assert_allclose(again.energy[:, -1], made.samples["final_energy"], rtol=0.01)


def test_a_composition_may_start_from_a_generator(make: Callable[..., Simulated]) -> None:
    made = make({**SPINODAL, "generator": "random_field", "factors": {"volume_fraction": 0.4}})
    np.testing.assert_array_equal(made.array("frames")[:, 0], made.phases[:])
    np.testing.assert_allclose(made.array("frames")[:].mean(axis=(2, 3)), 0.4, atol=1e-3)


def test_grains_grow(make: Callable[..., Simulated]) -> None:
    made = make(GROWTH)
    table = made.samples
    assert (table["final_grain_count"] < table["grain_count"]).all()
    np.testing.assert_allclose(
        table["final_mean_grain_area"] * table["final_grain_count"], (32 * 0.1) ** 2
    )
    frames = made.array("frames")[:]
    assert frames.shape == (3, 2, 32, 32)
    assert (frames.mean(axis=(2, 3))[:, 1] > frames.mean(axis=(2, 3))[:, 0]).all(), "less boundary"


def test_what_stopped_on_the_way_is_nan(make: Callable[..., Simulated]) -> None:
    made = make({**SPINODAL, "evolution": {**SPINODAL["evolution"], "max_steps": 3}})
    assert made.manifest["statuses"] == {"BUDGET": 4}
    assert "raise max_steps" in made.manifest["notes"][0]
    assert made.samples[["final_domain_size", "final_energy"]].isna().all(axis=None)
    assert np.isnan(made.array("frames")[:, -1]).all()


def evolving(**changes: Any) -> dict[str, Any]:
    return {**SPINODAL, "evolution": {**SPINODAL["evolution"], **changes}}


BAD_EVOLUTIONS: dict[str, tuple[dict[str, Any], tuple[str, ...]]] = {
    "model": (evolving(model="chan"), ("evolution", "cahn_hilliard or grain_growth")),
    "field": (evolving(mobilty=1), ("evolution.mobilty", "Did you mean 'mobility'")),
    "negative": (evolving(barrier=-1), ("evolution.barrier", "greater than 0")),
    "times": (evolving(times=[3, 2]), ("evolution.times", "do not increase")),
    "no times": (evolving(times=[]), ("evolution.times", "no times")),
    "composition": (evolving(composition=[0, 0.5]), ("evolution.composition", "below 1")),
    "coarse": (evolving(gradient_energy=1e-11), ("evolution", "too narrow", "2.5 voxels")),
    "no length": ({**SPINODAL, "voxel": None}, ("voxel", "length of a voxel")),
    "inches": ({**SPINODAL, "voxel": {"size": 1, "unit": "inch"}}, ("voxel", "inch", "nm")),
    "factors of noise": ({**SPINODAL, "factors": {"length": 3}}, ("factors", "composition")),
    "both": ({**SPINODAL, "generator": "random_field", "property": CONDUCTION}, ("property",)),
    "no grains": ({**GROWTH, "generator": "random_field", "factors": {}}, ("generator", "voronoi")),
    "nothing": ({**GROWTH, "generator": None, "factors": {}}, ("generator or preset",)),
    "phases": ({**SPINODAL, "generator": "multiphase_field"}, ("generator", "two phases")),
}


@pytest.mark.parametrize("name", BAD_EVOLUTIONS)
def test_bad_evolutions_name_the_field(name: str, tmp_path: Path) -> None:
    body, words = BAD_EVOLUTIONS[name]
    with pytest.raises(InputError) as error:
        ice.simulate(body, out=tmp_path / "out", workers=1)
    for word in words:
        assert word in str(error.value), str(error.value)
    assert not (tmp_path / "out").exists()


# -- interruptions and workers ---------------------------------------------------------------------


class Stopped(BaseException):
    """A kill that leaves the test alive."""


def after(parts: int) -> Callable[[Any], None]:
    def watch(progress: Any) -> None:
        if progress.done >= parts:
            raise Stopped

    return watch


MOMENTS = ["at once", "midway", "between images and table", "at the end"]


@pytest.mark.parametrize("moment", MOMENTS)
def test_a_stopped_simulation_goes_on_where_it_was(
    made: Simulated, tmp_path: Path, moment: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "torn"

    def stop(*_: Any, **__: Any) -> None:
        raise Stopped

    watch = after({"at once": 0, "midway": 3}.get(moment, 99))
    with monkeypatch.context() as patch:
        if moment == "between images and table":
            patch.setattr("iceframe.workflow.simulate.parts.part_table", stop)
        if moment == "at the end":
            patch.setattr(folders, "manifest", stop)
        with pytest.raises(Stopped):
            ice.simulate(RECIPE, out=out, workers=1, watch=watch)
    with pytest.raises(InputError, match="not finished"):
        ice.read(out, "C11")
    fresh: list[int] = []
    again = ice.simulate(RECIPE, out=out, workers=1, watch=lambda p: fresh.append(p.done))
    assert fresh[0] == {"midway": 3, "at the end": 8}.get(moment, 0), "finished parts are kept"
    assert_equal(made, again)


def test_killed_after_the_last_word(made: Simulated, tmp_path: Path) -> None:
    """With the manifest there the data set is whole, whatever else is left."""
    out = Path(shutil.copytree(made.folder, tmp_path / "copy"))
    (out / "parts").mkdir()
    (out / "unfinished.json").write_text("{}")
    assert len(ice.read(out, "C11")) == 8
    assert_equal(made, ice.simulate(RECIPE, out=out, workers=1))
    assert not (out / "parts").exists()
    assert not (out / "unfinished.json").exists()


def test_one_writer_at_a_time(tmp_path: Path) -> None:
    import filelock

    out = tmp_path / "out"
    out.mkdir()
    with (
        filelock.FileLock(str(out / ".lock")),
        pytest.raises(InputError, match="Another process is writing"),
    ):
        ice.simulate(RECIPE, out=out, workers=1)


def test_a_torn_chunk_is_written_anew(made: Simulated, tmp_path: Path) -> None:
    out = tmp_path / "torn"
    with pytest.raises(Stopped):
        ice.simulate(RECIPE, out=out, workers=1, watch=after(4))
    (out / "images.zarr/phases/c/6/0").mkdir(parents=True)
    (out / "images.zarr/phases/c/6/0/0").write_bytes(b"half a ch")
    (out / "images.zarr/phases/c/7.abc.partial").write_bytes(b"half a ch")
    assert_equal(made, ice.simulate(RECIPE, out=out, workers=1))


def test_a_finished_one_is_kept(made: Simulated) -> None:
    before = {p: p.stat().st_mtime_ns for p in made.folder.rglob("*") if p.is_file()}
    again = ice.simulate(RECIPE, out=made.folder, workers=1)
    assert again.manifest == made.manifest
    assert {p: p.stat().st_mtime_ns for p in made.folder.rglob("*") if p.is_file()} == before


def test_workers_change_nothing(made: Simulated, make: Callable[..., Simulated]) -> None:
    seen: list[int] = []
    assert_equal(made, make(RECIPE, workers=2, watch=lambda p: seen.append(p.done)))
    assert seen == list(range(9))


SCRIPT = """
import os, signal, sys, iceframe as ice
if __name__ == "__main__":
    recipe, out, workers, most = sys.argv[1:]
    kill = lambda p: p.done >= int(most) and os.kill(os.getpid(), signal.SIGKILL)
    ice.simulate(recipe, out=out, workers=int(workers), watch=kill)
"""


def start(
    tmp_path: Path, body: dict[str, Any], out: Path, workers: int, most: int
) -> subprocess.Popen[bytes]:
    """A simulation in a process of its own, which kills itself once ``most`` samples are done."""
    script, path = tmp_path / "script.py", tmp_path / "recipe.yaml"
    script.write_text(SCRIPT)
    path.write_text(yaml.safe_dump(body))
    command = [sys.executable, str(script), str(path), str(out), str(workers), str(most)]
    return subprocess.Popen(command, stderr=subprocess.DEVNULL, start_new_session=True)


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="needs SIGKILL")
def test_kill_9(made: Simulated, tmp_path: Path) -> None:
    out = tmp_path / "killed"
    assert start(tmp_path, RECIPE, out, 1, most=5).wait() == -signal.SIGKILL
    assert (out / "unfinished.json").exists()
    assert_equal(made, ice.simulate(RECIPE, out=out, workers=1))


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="needs SIGKILL")
def test_kill_9_at_random_moments_with_workers(tmp_path: Path) -> None:
    body = recipe(samples=256, shape=[24, 24])
    begin = time.monotonic()
    assert start(tmp_path, body, tmp_path / "whole", 2, most=999).wait() == 0
    usual = time.monotonic() - begin
    whole = ice.simulate(body, out=tmp_path / "whole")
    draw, out, killed, torn = random.Random(0), tmp_path / "torn", 0, 0
    for attempt in range(30):
        process = start(tmp_path, body, out, 2, most=999)
        try:
            process.wait(draw.uniform(0.3 * usual, usual))
        except subprocess.TimeoutExpired:
            os.kill(process.pid, signal.SIGKILL)  # the workers must notice by themselves
            process.wait()
            killed += 1
            torn += (out / "parts").exists() and any((out / "parts").iterdir())
        else:  # it got through: start anew, in another folder
            assert_equal(whole, ice.simulate(body, out=out))
            out = tmp_path / f"torn{attempt}"
        if killed == 12:
            break
    assert torn > 2, "kills came in the middle"
    time.sleep(2.0)  # a dying worker may still write
    assert_equal(whole, ice.simulate(body, out=out))


# -- bad input -------------------------------------------------------------------------------------

ELASTIC = {"young": [70, 400], "poisson": [0.33, 0.2]}

BAD: dict[str, tuple[dict[str, Any], tuple[str, ...]]] = {
    "unknown field": ({"sample": 3}, ("'sample'", "Did you mean 'samples'", "where:   recipe")),
    "no samples": ({"samples": 0}, ("samples", "greater than or equal to 1")),
    "half a sample": ({"samples": 1.5}, ("samples", "1.5")),
    "unknown generator": ({"generator": "random_feild"}, ("Did you mean 'random_field'",)),
    "no generator": ({"generator": None}, ("generator or preset",)),
    "unknown factor": ({"factors": {"lenght": 3}}, ("'lenght'", "Did you mean 'length'")),
    "factor beyond": ({"factors": {"volume_fraction": [0.5, 1.2]}}, ("volume_fraction", "1.2")),
    "reversed": ({"factors": {"length": [8, 2]}}, ("factors.length", "reversed")),
    "three ends": ({"factors": {"length": [1, 2, 3]}}, ("factors.length", "two ends")),
    "not a number": ({"factors": {"length": "long"}}, ("factors.length", "not a number")),
    "one axis": ({"shape": [64]}, ("shape", "[height, width]")),
    "four axes": ({"shape": [4, 4, 4, 4]}, ("shape", "[height, width]")),
    "too large": ({"shape": [4096, 4096, 4096]}, ("shape", "does not fit", "68,719,476,736")),
    "too many": ({"samples": 10**30}, ("samples", "less than or equal to 10000000")),
    "thin": ({"shape": [64, 1]}, ("shape[1]", "greater than or equal to 3")),
    "negative modulus": ({"property": {"elasticity": {**ELASTIC, "young": [70, -1]}}},
                         ("property.elasticity.young[1]", "negative")),
    "poisson": ({"property": {"elasticity": {**ELASTIC, "poisson": [0.5, 0.2]}}},
                ("property.elasticity.poisson[0]", "below 0.5")),
    "no constants": ({"property": {"elasticity": {}}}, ("property.elasticity.young", "missing")),
    "pairs": ({"property": {"elasticity": {**ELASTIC, "poisson": [0.2]}}}, ("poisson",)),
    "three phases": ({"property": {"conductivity": {"values": [1, 2, 3]}}},
                     ("property.conductivity.values", "2, the phases of 'random_field'")),
    "negative conductivity": ({"property": {"conductivity": {"values": [1, [-2, 3]]}}},
                              ("property.conductivity.values[1]", "negative")),
    "unknown phase": ({"property": {"conductivity": {"values": {"a": 1, "b": 2}}}},
                      ("property.conductivity.values", "has no value")),
    "no property": ({"property": {}}, ("property", "elasticity, cubic, conductivity")),
    "unstable": ({"property": {"cubic": {"c11": 1, "c12": 2, "c44": 1}}},
                 ("property.cubic", "Born")),
    "void": ({"property": {"elasticity": {**ELASTIC, "young": [0, 400]}}},
             ("property.elasticity.young[0]", "void", "small value")),
    "sensitivities of nothing": ({"property": None}, ("sensitivities", "name a property")),
    "unknown component": ({"sensitivities": ["C13"]}, ("sensitivities", "C11, C12, C16")),
    "tolerance": ({"solver": {"tolerance": 0}}, ("solver.tolerance", "greater than 0")),
    "precision": ({"solver": {"precision": "half"}}, ("solver.precision", "'single'")),
    "device": ({"solver": {"device": "gpu7"}}, ("gpu7",)),
    "seed": ({"seed": -1}, ("seed", "greater than or equal to 0")),
    "voxel": ({"voxel": {"size": 0}}, ("voxel.size", "greater than 0")),
}  # fmt: skip


@pytest.mark.parametrize("name", BAD)
def test_bad_recipes_name_the_field(name: str, tmp_path: Path) -> None:
    changes, words = BAD[name]
    with pytest.raises(IceframeError) as error:
        ice.simulate(recipe(**changes), out=tmp_path / "out", workers=1)
    for word in words:
        assert word in str(error.value), str(error.value)


FILES = {
    "indentation": ("a: 1\n   b: 2\n", ("line 2", "not readable YAML")),
    "brackets": ("shape: [64, 64\nsamples: 3\n", ("line 2", "not readable YAML")),
    "list": ("- 1\n", ("mapping of fields", "list")),
    "empty": ("", ("mapping of fields", "empty file")),
    "twice": ("samples: 1\nshape: [8, 8]\nsamples: 2\n", ("line 3", "'samples' comes twice")),
    "bytes": ("\x00\x01", ("not readable YAML",)),
    "recursive": ("a: &a [*a]\n", ("not readable YAML",)),
    "the line": (
        "generator: random_field\nshape: [8, 8]\nsamples: 3\nfactors:\n  length: [4, 2]\n",
        ("line 5, factors.length", "got:     [4, 2]"),
    ),
    "scientific": ("generator: x\nshape: [8, 8]\nsamples: 1e1\nsolver: {tolerance: -1e-5}\n",
                   ("line 4, solver.tolerance",)),
}  # fmt: skip


@pytest.mark.parametrize("name", FILES)
def test_bad_files_name_the_line(name: str, tmp_path: Path) -> None:
    text, words = FILES[name]
    path = tmp_path / "recipe.yaml"
    path.write_text(text)
    with pytest.raises(InputError) as error:
        load_recipe(path)
    for word in (*words, "recipe.yaml"):
        assert word in str(error.value), str(error.value)


def test_missing_file_and_folder_in_its_place(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="File not found"):
        load_recipe(tmp_path / "none.yaml")
    with pytest.raises(InputError, match="cannot be read"):
        load_recipe(tmp_path)


def test_another_recipe_in_the_same_folder_is_refused(made: Simulated, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="samples: 8 there, 9 asked"):
        ice.simulate(recipe(samples=9), out=made.folder)
    with pytest.raises(Stopped):
        ice.simulate(RECIPE, out=tmp_path / "torn", workers=1, watch=after(2))
    with pytest.raises(InputError, match="unfinished data set of another recipe"):
        ice.simulate(recipe(seed=4), out=tmp_path / "torn")


def test_before_the_first_part_a_recipe_may_still_be_mended(tmp_path: Path) -> None:
    out = tmp_path / "out"
    with pytest.raises(IceframeError, match="gpu7"):
        ice.simulate(recipe(solver={"device": "gpu7"}), out=out, workers=1)
    assert len(ice.simulate(recipe(), out=out, workers=1)) == 8


def test_another_version_does_not_finish_what_this_one_began(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(Stopped):
        ice.simulate(RECIPE, out=tmp_path / "torn", workers=1, watch=after(2))
    monkeypatch.setattr(ice, "__version__", "99.0")
    with pytest.raises(InputError, match="another version"):
        ice.simulate(RECIPE, out=tmp_path / "torn", workers=1)


def test_a_folder_with_something_else_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("years of work")
    with pytest.raises(InputError, match="holds no simulation"):
        ice.simulate(RECIPE, out=tmp_path, workers=1)
    assert [p.name for p in tmp_path.iterdir()] == ["thesis.tex"]
    with pytest.raises(InputError, match="a file, not a folder"):
        ice.simulate(RECIPE, out=tmp_path / "thesis.tex", workers=1)


def test_a_disk_that_takes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(InputError, match="Cannot write"):
        ice.simulate(RECIPE, out=Path("/proc/nowhere/data"), workers=1)

    def full(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("iceframe.workflow.simulate.parts.write_arrays", full)
    with pytest.raises(InputError, match="No space left on device"):
        ice.simulate(RECIPE, out=tmp_path / "full", workers=1)


def test_too_few_workers(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="workers"):
        ice.simulate(RECIPE, out=tmp_path / "out", workers=0)


# -- draws -----------------------------------------------------------------------------------------


def numbers(draw: Draw, whole: bool = False) -> np.ndarray:
    return draw.numbers(4000, np.random.default_rng(0), whole)


def test_draws_follow_their_laws() -> None:
    uniform = numbers(Draw(2, 6))
    assert uniform.min() >= 2
    assert uniform.max() <= 6
    assert uniform.mean() == pytest.approx(4, abs=0.1)
    decades = np.log10(numbers(Draw(1, 1000, log=True)))
    assert decades.mean() == pytest.approx(1.5, abs=0.05)
    assert decades.min() >= 0
    assert decades.max() <= 3
    chosen = numbers(Draw(1, 9, values=(1, 3, 9)))
    assert {v: round((chosen == v).mean(), 1) for v in (1, 3, 9)} == {1: 0.3, 3: 0.3, 9: 0.3}
    whole = numbers(Draw(0, 2), whole=True)
    assert sorted(set(whole)) == [0, 1, 2]
    assert [round((whole == v).mean(), 1) for v in range(3)] == [0.3, 0.3, 0.3]


# -- the demo --------------------------------------------------------------------------------------


@pytest.fixture
def demo(tmp_path: Path) -> Path:
    from iceframe.workflow.demo import make_demo_data

    return make_demo_data(tmp_path / "microstructures", samples=40, seed=1)


def test_the_demo_writes_an_ordinary_image_folder(demo: Path) -> None:
    from iceframe.workflow.demo import make_demo_data

    data = ice.read(demo)
    assert (data.target, data.task, len(data)) == ("conductivity", "regression", 40)
    assert data.images is not None
    assert data.images.shape == (1, 64, 64)
    assert data.recipe["symmetries"] == ["flip", "translate"]
    assert np.all((data.y > 1) & (data.y < 50)), "between the phases' conductivities"
    before = {p: p.stat().st_mtime_ns for p in demo.iterdir()}
    make_demo_data(demo, samples=40, seed=1)
    assert {p: p.stat().st_mtime_ns for p in demo.iterdir()} == before
    assert read_json(demo / "dataset.json")["recipe"]["generator"] == ["random_field"]


# -- junk ------------------------------------------------------------------------------------------

JUNK: list[Any] = [
    *(None, True, 0, -1, 2.5, 1e308, float("nan"), float("inf"), 10**30, "", "x", "1e-5", "all"),
    *([], [None], [[1, 2]], [1, "a"], ["a", "b"], [1, 2, 3], {}, {"a": 1}, {1: 2}),
    *({"low": 1}, {"low": 2, "high": 1}, {"values": []}, {"values": [1, None]}, b"x", object()),
    {"low": 0, "high": 1, "log": True},
]


def leaves(body: Any, path: tuple[str, ...] = ()) -> list[tuple[str, ...]]:
    if not isinstance(body, dict):
        return [path]
    return [path, *(leaf for key, value in body.items() for leaf in leaves(value, (*path, key)))]


def replaced(body: Any, path: tuple[str, ...], value: Any) -> Any:
    if not path:
        return value
    return {**body, path[0]: replaced(body[path[0]], path[1:], value)}


WHOLE = {**RECIPE, "samples": 2, "voxel": {"size": 1, "unit": "um"}, "solver": {"tolerance": 0.1}}


@pytest.mark.parametrize("base", [WHOLE, SPINODAL, GROWTH], ids=["solved", "spinodal", "growth"])
def test_junk_in_any_field_is_refused_in_words(base: dict[str, Any]) -> None:
    tried, refused = 0, []
    for path in leaves(base)[1:]:
        for value in JUNK:
            tried += 1
            try:
                make_plan(load_recipe(replaced(base, path, value)))
            except IceframeError as error:
                refused.append((error.where, path, value))
    assert len(refused) > 0.7 * tried
    assert not [one for one in refused if one[0] is None], "no field named"
