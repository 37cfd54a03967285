"""The pre-trained encoder: its file, what it accepts, and what it must not depend on."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import numpy as np
import pytest
import torch

from iceframe.core.errors import InputError, UsageError
from iceframe.core.values import Representation
from iceframe.physics import generate
from iceframe.physics.imaging import Imaging, micrographs
from iceframe.scale.encoder import ENCODERS, Encoder
from iceframe.scale.encoders import micrographs as module
from iceframe.scale.encoders.micrographs import packaged_weights
from iceframe.scale.image_batches import reduce
from iceframe.scale.micrograph_network import MicrographNetwork, folded, seen

ROOT = Path(__file__).parents[2]
WEIGHTS = ROOT / "src/iceframe/scale/weights"
LARGEST_FILE = 12_000_000


def pictures(n=6, grid=(64, 48), seed=0):
    """Rendered two-phase structures ``(n, 1, *grid)``."""
    phases = generate("random_field", n, grid, seed=seed).phases
    return micrographs(phases, np.random.default_rng(seed))[:, None]


def fitted(images, **settings):
    kind = settings.pop("kind", "grey")
    return ENCODERS["micrographs"](device="cpu", **settings).fit(images, kind=kind)


@pytest.fixture(scope="module")
def images():
    return pictures()


@pytest.fixture(scope="module")
def encoder(images):
    return fitted(images)


@pytest.fixture(scope="module")
def latents(encoder, images):
    return encoder.encode(images)


def test_the_file_is_what_the_card_says():
    card = json.loads((WEIGHTS / "micrographs.json").read_text())
    content = (WEIGHTS / "micrographs.safetensors").read_bytes()
    assert len(content) == card["file"]["bytes"] <= LARGEST_FILE
    assert hashlib.sha256(content).hexdigest() == card["file"]["sha256"]
    weights = packaged_weights()
    assert sum(v.size for v in weights.values()) == card["file"]["parameters"]
    assert all(v.dtype in (np.float16, np.float32) for v in weights.values())
    assert all(np.isfinite(v).all() for v in weights.values())
    assert len(weights["axes.bias"]) == card["network"]["latents"]
    assert card["recipe"]["seed"] == 0
    assert len(card["generators"]) == 13
    page = (ROOT / "docs/reference/micrograph-encoder.md").read_text()
    assert card["file"]["sha256"] in page
    assert all(text in page for text in card["limits"])
    assert f"| steps | {card['recipe']['steps']} |" in page


def test_latents(encoder, images, latents):
    assert latents.shape == (6, len(encoder.names))
    assert len(set(encoder.names)) == latents.shape[1]
    assert latents.dtype == np.float64
    assert np.isfinite(latents).all()
    assert np.array_equal(fitted(images).encode(images), latents)
    assert encoder.encode(images[:0]).shape == (0, latents.shape[1])


def test_latents_do_not_depend_on_other_images(encoder, images, latents, monkeypatch):
    assert np.allclose(encoder.encode(images[3:4]), latents[3:4], atol=1e-4)
    done = []
    monkeypatch.setattr(module, "BATCH_PIXELS", 4 * 64 * 48)
    again = encoder.encode(images, progress=lambda *told: done.append(told))
    assert np.allclose(again, latents, atol=1e-4)
    assert done == [(4, 6), (6, 6)]


def test_brightness_and_contrast_make_no_difference(encoder, images, latents):
    darker = encoder.encode(0.4 * images + 0.1)
    spread = latents.std(axis=0).mean()
    assert np.abs(darker - latents).mean() < 1e-3 * spread


def test_structures_are_told_apart_whatever_the_imaging():
    """Renderings of one structure are nearer to each other than to those of other structures."""
    kinds = ("lamellar", "particles", "spinodal", "voronoi", "fibres", "cracked", "sintered")
    size = {"voronoi": {"volume_fraction": 0.25}}
    phases = np.concatenate(
        [generate(kind, 1, (96, 96), seed=4, **size.get(kind, {})).phases for kind in kinds]
    )
    mild = Imaging(edges=0.2, relief=0.2, charging=0.2, noise=0.05, shot=0.05, texture=0.05,
                   defocus=0, blur=(0.4, 1.0))  # fmt: skip
    levels = np.tile([0.3, 0.7], (len(kinds), 1))
    views = [
        micrographs(phases, np.random.default_rng(seed), levels=levels, imaging=mild)[:, None]
        for seed in range(4)
    ]
    encoder = fitted(views[0])
    z = np.stack([encoder.encode(view) for view in views])
    right = 0
    for i, j in ((0, 1), (1, 2), (2, 3), (3, 0)):
        apart = np.linalg.norm(z[i][:, None] - z[j][None], axis=2)
        right += int((apart.argmin(axis=1) == np.arange(len(kinds))).sum())
    assert right >= 18  # of 28; by chance 4


@pytest.mark.parametrize("grid", [(32, 32), (33, 100), (237, 64)])
def test_any_size_from_32(grid):
    x = pictures(2, grid)
    z = fitted(x).encode(x)
    assert np.isfinite(z).all()
    assert z.shape[0] == 2


def test_large_images_are_reduced_and_a_factor_is_obeyed(monkeypatch):
    x = pictures(2, (128, 96))
    half = fitted(x, factor=2)
    assert half.factor_ == 2
    small = reduce(torch.tensor(x), 2).numpy()
    assert np.allclose(half.encode(x), fitted(small).encode(small), atol=1e-4)
    monkeypatch.setattr(module, "LARGEST_SIDE", 64)
    assert fitted(x).factor_ == 2
    for wrong in (0, 4, 1.5, -1):
        with pytest.raises(UsageError, match="factor"):
            fitted(x, factor=wrong)


def test_kinds_of_images():
    phases = generate("random_field", 3, (40, 40), seed=1).phases[:, None].astype(np.float32)
    grey = fitted(phases).encode(phases)
    assert np.allclose(fitted(phases, kind="phase").encode(phases), grey, atol=1e-4)
    assert np.allclose(fitted(85 * phases, kind="phase").encode(85 * phases), grey, atol=1e-4)
    three = np.random.default_rng(0).integers(0, 3, (2, 1, 40, 40)).astype(np.float32)
    assert np.allclose(
        fitted(three, kind="phase").encode(three), fitted(three).encode(three), atol=1e-4
    )
    colours = np.random.default_rng(1).random((2, 3, 40, 40)).astype(np.float32)
    mean = colours.mean(axis=1, keepdims=True)
    assert np.allclose(
        fitted(colours, kind="multichannel").encode(colours), fitted(mean).encode(mean), atol=1e-4
    )


def test_a_constant_image_has_latents():
    x = pictures(3, (40, 40))
    x[1], x[2] = 0.2, 0.9
    z = fitted(x).encode(x)
    assert np.isfinite(z).all()
    assert np.allclose(z[1], z[2], rtol=1e-3, atol=1e-3)  # what is left of rounding
    one_phase = np.ones((1, 1, 40, 40), np.float32)
    assert np.isfinite(fitted(one_phase, kind="phase").encode(one_phase)).all()


def test_what_cannot_be_encoded_is_refused(encoder, images):
    with pytest.raises(InputError, match="not volumes"):
        fitted(np.zeros((2, 1, 32, 32, 32), np.float32))
    with pytest.raises(InputError, match="too small") as caught:
        fitted(np.zeros((2, 1, 31, 64), np.float32))
    assert "32" in str(caught.value.allowed)
    with pytest.raises(InputError, match="no image"):
        fitted(images[:0])
    with pytest.raises(UsageError, match="factors"):
        ENCODERS["micrographs"]().fit(images, Representation(np.zeros((6, 1)), ("a",), ("",)))
    with pytest.raises(UsageError, match="not fitted"):
        ENCODERS["micrographs"]().encode(images)
    with pytest.raises(UsageError, match="decoder"):
        encoder.decode(np.zeros((1, 4)))
    for wrong in (images[..., :-1], np.repeat(images, 2, axis=1)):
        with pytest.raises(InputError, match="format"):
            encoder.encode(wrong)
    holed = images.copy()
    holed[2, 0, 5, 5] = np.nan
    with pytest.raises(InputError, match="image2"):
        encoder.encode(holed)


def test_a_fit_that_failed_leaves_nothing(images):
    encoder = fitted(images)
    with pytest.raises(InputError):
        encoder.fit(images[..., :20])
    with pytest.raises(UsageError, match="not fitted"):
        encoder.encode(images)


def test_storage_round_trip(encoder, images, latents, tmp_path):
    encoder.save(tmp_path)
    loaded = Encoder.load(tmp_path)
    assert loaded.settings() == encoder.settings()
    assert loaded.names == encoder.names
    assert np.array_equal(loaded.encode(images), latents)
    held = json.loads((tmp_path / "state.json").read_text())
    held["fitted"]["factor"] = 3
    (tmp_path / "state.json").write_text(json.dumps(held))
    with pytest.raises(InputError, match="damaged"):
        Encoder.load(tmp_path)


def test_missing_weights_are_told(monkeypatch, tmp_path, images):
    monkeypatch.setattr("importlib.resources.files", lambda package: tmp_path)
    with pytest.raises(InputError, match="missing or damaged"):
        fitted(images)


def test_the_trunk_encodes_and_has_a_slope(encoder, images, latents):
    trunk = encoder.trunk_for_tuning()
    x = torch.tensor(images, requires_grad=True)
    z = trunk(x)
    assert np.allclose(z.detach().numpy(), latents, atol=1e-4)
    z[2].sum().backward()
    slopes = x.grad.abs().amax(dim=(1, 2, 3))
    assert slopes[2] > 0
    assert (slopes[[0, 1, 3, 4, 5]] == 0).all()  # samples do not mix
    with torch.no_grad():
        for parameter in trunk.parameters():
            parameter.mul_(2)
    assert np.array_equal(encoder.encode(images), latents)  # it was a copy


def test_normalisation_is_folded_into_the_weights():
    torch.manual_seed(0)
    network = MicrographNetwork((4, 6), (1, 1), normalised=True)
    x = torch.rand(8, 1, 40, 36)
    for _ in range(5):
        network(x)
    with torch.no_grad():
        expected = network.eval()(x)
        assert torch.allclose(folded(network)(x), expected, atol=1e-4)
    assert not [n for n, _ in folded(network).named_buffers()]


def test_local_contrast_is_even():
    ramp = torch.linspace(0, 1, 96)[None, None, None, :] * torch.ones(1, 1, 96, 1)
    stripes = 0.5 + 0.5 * torch.sin(torch.arange(96) * 1.3)[None, None, :, None]
    local = seen(ramp + 0.05 * ramp * stripes)[:, 1]
    dark, bright = local[..., 24:48].std(dim=1).mean(), local[..., 64:88].std(dim=1).mean()
    whole = seen(ramp + 0.05 * ramp * stripes)[:, 0]
    uneven = whole[..., 64:88].std(dim=1).mean() / whole[..., 24:48].std(dim=1).mean()
    assert bright / dark < uneven
