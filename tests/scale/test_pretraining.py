"""The script that pre-trains the micrograph encoder: repeatable, resumable, and its products."""

from __future__ import annotations

import importlib.util
import json
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.numpy import load_file

from iceframe.scale.micrograph_network import MicrographNetwork

ROOT = Path(__file__).parents[2]
CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def script():
    spec = importlib.util.spec_from_file_location(
        "pretrain_micrographs", ROOT / "scripts/pretrain_micrographs.py"
    )
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    yield module
    del sys.modules[spec.name]


@pytest.fixture(scope="module")
def recipe(script):
    return script.Recipe(structures=39, steps=3, pairs=4, sizes=(48,), warm_up=1, decay=2)


@pytest.fixture(scope="module")
def scratch(script, recipe, tmp_path_factory):
    folder = tmp_path_factory.mktemp("scratch")
    script.SIDES, before = (32, 40, 48), script.SIDES
    script.Pool(folder / script.POOL, recipe)
    yield folder
    script.SIDES = before


@pytest.fixture(scope="module")
def pool(script, recipe, scratch):
    return script.Pool(scratch / script.POOL, recipe)


def test_the_pool_holds_every_generator_and_its_factors(pool):
    assert len(pool) == 39
    assert np.bincount(pool.kind).tolist() == [3] * 13
    owners = np.array([pool.names.index(name) for name, _ in pool.factors])
    known = np.isfinite(pool.values)
    assert (known == (pool.kind[:, None] == owners[None])).all()


def test_a_window_shows_lengths_magnified(pool):
    index = np.arange(len(pool))
    plain, twice = pool.targets(index, np.ones(39)), pool.targets(index, np.full(39, 2.0))
    moved = (twice - plain) * pool.width
    assert np.allclose(moved[:, pool.is_length][np.isfinite(moved[:, pool.is_length])], np.log(2))
    still = moved[:, ~pool.is_length]
    assert np.allclose(still[np.isfinite(still)], 0)


def test_batches_follow_from_the_step_alone(script, pool, recipe):
    a = script.batch_of(pool, recipe, script.stream(0, "step", 5))
    b = script.batch_of(pool, recipe, script.stream(0, "step", 5))
    assert np.array_equal(a.pictures, b.pictures)
    assert a.pictures.shape[1:] == (1, 48, 48)
    half = len(a.kind) // 2
    assert np.array_equal(a.kind[:half], a.kind[half:])  # two views of each structure
    assert not np.array_equal(a.pictures[:half], a.pictures[half:])
    assert np.isfinite(a.measures).all()
    assert len(a.measures) == len(a.factors) == len(a.inside) == 2 * half


def test_measures_know_stripes(script):
    stripes = np.zeros((2, 64, 64), np.float32)
    stripes[0, :, (np.arange(64) // 4) % 2 == 1] = 1  # across x
    stripes[1] = stripes[0].T
    found = script.measured(stripes)
    count = len(script.LAGS)
    assert (found[:, 0] > 0.5).all()
    assert (found[:, 3] < 0).all()  # 5 pixels: more than half of the period of 8
    across, along = found[:, count + 1]
    assert across == pytest.approx(1, abs=0.01)
    assert along == pytest.approx(-1, abs=0.01)
    assert (script.measured(np.ones((1, 64, 64), np.float32)) == 0).all()


def test_the_rate_rises_stays_and_falls(script):
    recipe = script.Recipe(steps=100, warm_up=10, decay=20, learning_rate=1.0)
    rates = [recipe.rate(step) for step in (0, 9, 50, 80, 90, 99)]
    assert rates == pytest.approx([0.1, 1, 1, 1, 0.5, 0.05])


@pytest.mark.slow
def test_training_goes_on_where_it_stopped(script, pool, recipe, scratch, monkeypatch):
    monkeypatch.setattr(script, "WEIGHTS", scratch / "weights")
    monkeypatch.setattr(script, "PAGE", scratch / "page.md")
    monkeypatch.setattr(script, "AXES_BATCHES", 3)
    monkeypatch.setattr(script, "LATENTS", 5)
    checkpoint = scratch / "checkpoint"

    def weights():
        script.export(pool, recipe, scratch, CPU)
        return load_file(scratch / "weights/micrographs.safetensors")

    assert script.train(pool, recipe, scratch, CPU, np.inf, 0)
    whole = weights()
    for file in checkpoint.iterdir():
        file.unlink()
    stops = 0
    while not script.train(pool, recipe, scratch, CPU, 0, 0):  # one step at a time
        stops += 1
    assert stops == 2
    again = weights()
    assert all(np.array_equal(whole[name], again[name]) for name in whole)
    stored = MicrographNetwork(latents=5).eval()
    stored.load_state_dict({k: torch.tensor(v) for k, v in whole.items()})
    stored.axes = torch.nn.Identity()
    with torch.inference_mode():
        x = torch.rand(2, 1, 48, 48)
        trained, _ = script.trained(scratch)
        assert torch.allclose(stored(x), trained(x), rtol=0.02, atol=0.02)
    card = json.loads((scratch / "weights/micrographs.json").read_text())
    assert card["recipe"]["steps"] == 3
    assert card["file"]["sha256"] in (scratch / "page.md").read_text()
    with pytest.raises(SystemExit, match="another recipe"):
        script.train(pool, script.Recipe(structures=39), scratch, CPU, 0, 0)
