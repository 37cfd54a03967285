"""Every encoder keeps the contract; the named latents of the aligned one are what they say."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch

from iceframe.core.dataset import ArrayImages
from iceframe.core.errors import InputError, UsageError
from iceframe.core.values import Representation
from iceframe.physics import generate
from iceframe.scale.encoder import ENCODERS, Encoder
from iceframe.scale.encoder_networks import (
    Decoder,
    Interleave,
    Shape,
    distance_correlation,
    divergence,
    log_likelihood,
    trunk,
)
from iceframe.scale.encoders import _network
from iceframe.scale.encoders.aligned_vae import Leakage
from iceframe.scale.encoders.contrastive import vicreg
from iceframe.scale.training import Training, inner_parts, train

TINY = {"latents": 4, "widths": (4, 6), "epochs": 2, "device": "cpu"}
# A new encoder that is trained here is tested by existing.
NAMES = [n for n in ENCODERS.names() if issubclass(ENCODERS[n], _network.NetworkEncoder)]


def grey(n, grid, seed=0, channels=1):
    """Smooth grey images ``(n, channels, *grid)``, brighter or darker as a whole."""
    rng = np.random.default_rng(seed)
    x = (
        0.05 * rng.normal(size=(n, channels, *grid))
        + rng.uniform(0.2, 0.8, (n, channels))[(..., *(None for _ in grid))]
    )
    return x.astype(np.float32)


def phases(n, grid, seed=0, length=2.0):
    """Two-phase random fields ``(n, 1, *grid)`` of many volume fractions."""
    fractions = np.random.default_rng(seed).uniform(0.15, 0.85, n)
    made = generate("random_field", n, grid, volume_fraction=fractions, length=length, seed=seed)
    return made.phases[:, None].astype(np.float32)


def means(x):
    """The mean of each image as a named factor."""
    return Representation(
        x.reshape(len(x), -1).mean(axis=1, dtype=np.float64)[:, None], ("mean",), ("",)
    )


def fit(name, x, progress=None, kind="grey", periodic=False, factors=None, **settings):
    encoder = ENCODERS[name](**(TINY | settings))
    if encoder.uses_factors and factors is None:
        factors = means(np.asarray(x.values if isinstance(x, ArrayImages) else x))
    if not encoder.uses_factors:
        factors = None
    return encoder.fit(x, factors, kind=kind, periodic=periodic, progress=progress)


@pytest.fixture(scope="module")
def fields():
    return phases(24, (15, 12))


@pytest.fixture(scope="module")
def fitted(fields):
    """Every encoder, fitted to two-phase periodic images."""
    return {name: fit(name, fields, kind="phase", periodic=True) for name in NAMES}


each = pytest.mark.parametrize("name", NAMES)


def test_the_registry_holds_them():
    assert {"aligned_vae", "autoencoder", "contrastive", "vae"} <= set(NAMES)
    assert set(ENCODERS.names()) - set(NAMES) == {"micrographs"}
    assert ENCODERS.broken() == {}


@pytest.mark.parametrize("name", ENCODERS.names())
def test_an_encoder_says_what_it_is(name):
    entry = ENCODERS[name]
    assert entry.name == name
    assert entry.title
    assert entry.summary.endswith(".")
    assert "https://" in entry.reference
    assert issubclass(entry, Encoder)


@each
def test_latents(name, fitted, fields):
    encoder = fitted[name]
    z = encoder.encode(fields)
    assert z.shape == (24, 4)
    assert z.dtype == np.float64
    assert np.isfinite(z).all()
    assert z.std(axis=0).max() > 1e-3
    assert len(set(encoder.names)) == 4
    source = ArrayImages(fields, periodic=True, kind="phase")
    assert np.array_equal(encoder.encode(source), z)
    assert np.allclose(encoder.encode(fields[5:6]), z[5:6], atol=1e-5)
    assert encoder.encode(fields[:0]).shape == (0, 4)


@each
@pytest.mark.parametrize("periodic", [True, False])
def test_volumes_of_any_size(name, periodic):
    x = grey(12, (7, 6, 5), channels=2)
    encoder = fit(name, x, kind="multichannel", periodic=periodic)
    z = encoder.encode(x)
    assert z.shape == (12, 4)
    assert np.isfinite(z).all()
    if encoder.decodes:
        assert encoder.decode(z).shape == x.shape


@each
@pytest.mark.parametrize("grid", [(31, 4), (5, 16)])
def test_any_size(name, grid):
    x = grey(10, grid)
    encoder = fit(name, x, epochs=1)
    z = encoder.encode(x)
    assert np.isfinite(z).all()
    if encoder.decodes:
        assert encoder.decode(z).shape == x.shape


@each
def test_storage_round_trip(name, fitted, fields, tmp_path):
    encoder = fitted[name]
    encoder.save(tmp_path)
    loaded = Encoder.load(tmp_path)
    assert type(loaded) is ENCODERS[name]
    assert loaded.settings() == encoder.settings()
    assert loaded.format_ == encoder.format_
    assert loaded.names == encoder.names
    assert loaded.record_ == encoder.record_
    z = encoder.encode(fields)
    assert np.array_equal(loaded.encode(fields), z)
    if encoder.decodes:
        assert np.array_equal(loaded.decode(z), encoder.decode(z))
    assert sorted(p.name for p in tmp_path.iterdir()) == ["state.json", "state.safetensors"]
    loaded.save(tmp_path / "again")
    for file in ("state.json", "state.safetensors"):
        assert (tmp_path / file).read_bytes() == (tmp_path / "again" / file).read_bytes()


@each
def test_a_seed_decides_everything(name, fitted, fields):
    torch.manual_seed(7)
    expected = torch.rand(3)
    torch.manual_seed(7)
    again = fit(name, fields, kind="phase", periodic=True)
    assert torch.equal(torch.rand(3), expected)
    z = fitted[name].encode(fields)
    assert np.array_equal(again.encode(fields), z)
    other = fit(name, fields, kind="phase", periodic=True, random_state=1)
    assert not np.allclose(other.encode(fields), z, atol=1e-3)


@each
def test_progress_is_told(name, monkeypatch):
    x, epochs, done = grey(10, (8, 8)), [], []
    encoder = fit(name, x, progress=lambda *told: epochs.append(told))
    assert [told[:2] for told in epochs] == [(1, 2), (2, 2)]
    assert all(np.isfinite(told[2]) for told in epochs)
    monkeypatch.setattr(_network, "BATCH_PIXELS", 4 * 64)
    encoder.encode(x, progress=lambda *told: done.append(told))
    assert done == [(4, 10), (8, 10), (10, 10)]


@each
def test_batches_are_bounded_and_change_nothing(name, fitted, fields, monkeypatch):
    encoder, sizes = fitted[name], []
    z = encoder.encode(fields)
    monkeypatch.setattr(_network, "BATCH_PIXELS", 5 * fields[0].size)
    hook = encoder.network_.trunk.register_forward_pre_hook(lambda _, x: sizes.append(len(x[0])))
    assert np.allclose(encoder.encode(fields), z, atol=1e-5)
    hook.remove()
    assert sizes == [5, 5, 5, 5, 4]


@each
def test_an_image_without_contrast_has_an_encoding(name, fitted, fields):
    encoder = fitted[name]
    flat = np.ones((3, *fields.shape[1:]), np.float32)
    flat[2] = 0
    z = encoder.encode(flat)
    assert np.isfinite(z).all()
    assert np.allclose(z[0], z[1])
    assert not np.allclose(z[0], z[2], atol=1e-3)
    if encoder.decodes:
        assert np.isfinite(encoder.decode(z)).all()


@each
def test_sets_with_constant_images_are_learned(name):
    x = grey(12, (8, 8))
    x[:6] = x[:6].mean(axis=(2, 3), keepdims=True)
    assert np.isfinite(fit(name, x).encode(x)).all()


@each
def test_three_phases(name):
    x = np.random.default_rng(0).integers(0, 3, (12, 1, 8, 9)).astype(np.float32)
    encoder = fit(name, x, kind="phase")
    z = encoder.encode(x)
    assert np.isfinite(z).all()
    if encoder.decodes:
        decoded = encoder.decode(z)
        assert decoded.shape == x.shape
        assert set(np.unique(decoded)) <= {0, 1, 2}


@each
def test_images_of_another_format_are_refused(name, fitted, fields):
    encoder = fitted[name]
    for wrong in (fields[..., :-1], np.repeat(fields, 2, axis=1), fields[..., None]):
        with pytest.raises(InputError, match="format") as caught:
            encoder.encode(wrong)
        assert "(1, 15, 12)" in str(caught.value.allowed)
    with pytest.raises(InputError, match="format"):
        encoder.encode(ArrayImages(fields, periodic=True, kind="grey"))
    with pytest.raises(InputError, match="numbers"):
        encoder.encode(fields[0])


@each
@pytest.mark.parametrize("bad", [np.nan, np.inf, 0.5])
def test_pixels_that_mean_nothing_are_named(name, fitted, fields, bad):
    x = fields.copy()
    x[3, 0, 2, 2] = bad
    with pytest.raises(InputError, match="image3"):
        fitted[name].encode(x)
    if bad != 0.5:  # at fit, a third value is a third phase
        with pytest.raises(InputError, match="image3"):
            fit(name, x, kind="phase", factors=means(fields))


@each
def test_sets_that_nothing_can_be_learned_from(name):
    factors = Representation(np.arange(12.0)[:, None], ("mean",), ("",))
    with pytest.raises(InputError, match="too few"):
        fit(name, grey(9, (8, 8)))
    with pytest.raises(InputError, match="too small"):
        fit(name, grey(12, (8, 3)))
    for kind in ("grey", "phase"):
        with pytest.raises(InputError, match="nothing to learn"):
            fit(name, np.full((12, 1, 8, 8), 0.3), kind=kind, factors=factors)


@each
def test_settings_out_of_range(name):
    x = grey(12, (8, 9))
    for wrong in (
        {"latents": 0},
        {"widths": ()},
        {"epochs": 0},
        {"batch_size": 1},
        {"factor": 5},
        {"validation_fraction": 0.0},
        {"symmetries": ("mirror",)},
        {"symmetries": ("rotate90",)},
        {"device": "abacus"},
    ):
        with pytest.raises(UsageError):
            fit(name, x, **wrong)
    with pytest.raises(UsageError, match="kind"):
        fit(name, x, kind="x-ray")


@each
def test_before_fit_and_after_a_fit_that_failed(name, tmp_path, fields):
    encoder = ENCODERS[name](**TINY)
    with pytest.raises(UsageError, match="not fitted"):
        encoder.encode(fields)
    with pytest.raises(UsageError, match="not fitted"):
        encoder.save(tmp_path)
    encoder = fit(name, grey(10, (4, 4)), epochs=1)
    with pytest.raises(InputError):
        encoder.fit(fields[:2], means(fields[:2]) if encoder.uses_factors else None)
    with pytest.raises(UsageError, match="not fitted"):
        encoder.encode(grey(10, (4, 4)))


@each
def test_factors_are_used_or_refused(name, fields):
    encoder = ENCODERS[name](**TINY)
    with pytest.raises(UsageError, match="factors"):
        encoder.fit(fields, None if encoder.uses_factors else means(fields))


@each
def test_decode_or_say_who_can(name, fitted):
    encoder = fitted[name]
    if not encoder.decodes:
        with pytest.raises(UsageError, match="autoencoder"):
            encoder.decode(np.zeros((2, 4)))
        return
    decoded = encoder.decode(np.zeros((2, 4)))
    assert decoded.shape == (2, 1, 15, 12)
    assert decoded.dtype == np.float32
    assert decoded.min() > 0
    assert decoded.max() < 1
    for wrong in (np.zeros((2, 5)), np.zeros(4), np.full((2, 4), np.nan)):
        with pytest.raises(InputError, match="d = 4"):
            encoder.decode(wrong)


@each
def test_damaged_folders(name, fitted, tmp_path):
    encoder = fitted[name]
    encoder.save(tmp_path)
    file = tmp_path / "state.json"
    good = json.loads(file.read_text())
    shape = good["format"] | {"shape": [1, 30, 30]}
    for wrong in (
        good | {"settings": good["settings"] | {"latents": 5}},
        good | {"settings": {"colour": "blue"}},
        good | {"format": shape, "settings": good["settings"] | {"widths": [4, 8]}},
        {key: value for key, value in good.items() if key != "fitted"},
        good | {"fitted": good["fitted"] | {"factor": 0}},
        good | {"latents": ["a", "b", "c", "d"]},
    ):
        file.write_text(json.dumps(wrong))
        with pytest.raises(InputError, match="damaged"):
            Encoder.load(tmp_path)
    file.write_text(json.dumps(good | {"encoder": "oracle"}))
    with pytest.raises(UsageError, match="oracle"):
        Encoder.load(tmp_path)
    file.write_text("{}")
    with pytest.raises(InputError, match="not a stored encoder"):
        Encoder.load(tmp_path)


def bars(n, seed=0):
    """A bright bar of random place and direction in ``(n, 1, 16, 16)``."""
    rng = np.random.default_rng(seed)
    x = np.zeros((n, 1, 16, 16), np.float32)
    for image in x:
        place = rng.integers(0, 13)
        image[0, place : place + 4] = 1
        if rng.random() < 0.5:
            image[0] = image[0].T
    return x


@pytest.mark.parametrize(("name", "least"), [("autoencoder", 0.6), ("vae", 0.5)])
@pytest.mark.parametrize("kind", ["grey", "phase"])
def test_reconstructs_better_than_the_mean_image(name, least, kind):
    x, new = bars(160), bars(60, seed=1)
    settings = {"latents": 6, "widths": (8, 16, 16), "epochs": 25, "learning_rate": 1e-2}
    encoder = fit(name, x, kind=kind, **settings)
    missed = np.square(encoder.decode(encoder.encode(new)) - new).mean()
    assert missed < (1 - least) * np.square(x.mean(axis=0) - new).mean()


def test_a_heavy_divergence_silences_latents():
    x = bars(80)
    settings = {"latents": 6, "widths": (8, 16), "epochs": 12, "learning_rate": 1e-2}
    light, heavy = (fit("vae", x, beta=beta, **settings) for beta in (0.01, 1000.0))
    assert light.active(x).sum() > 3
    assert heavy.active(x).sum() == 0


def test_large_images_are_reduced_and_come_back_in_full_size():
    x = grey(12, (17, 16))
    encoder = fit("autoencoder", x, factor=4)
    decoded = encoder.decode(encoder.encode(x))
    assert decoded.shape == x.shape
    assert np.array_equal(decoded[..., 0:4:3, 0:4:3], decoded[..., 1:3, 1:3])
    assert np.array_equal(decoded[:, :, 16], decoded[:, :, 15])


def test_the_views_of_one_image_lie_together():
    x = phases(60, (16, 16))
    encoder = fit(
        "contrastive", x, kind="phase", periodic=True, epochs=15, symmetries=("flip", "translate")
    )
    z, moved = encoder.encode(x), encoder.encode(np.roll(x[:, :, ::-1], (3, 5), (2, 3)))
    assert np.square(z - moved).sum() < 0.1 * np.square(z - z.mean(axis=0)).sum()
    assert np.linalg.matrix_rank(z - z.mean(axis=0), tol=1e-2) == 4
    with pytest.raises(UsageError, match="symmetry"):
        fit("contrastive", x, symmetries=())
    with pytest.raises(UsageError, match="widened"):
        fit("contrastive", x, widened=1)


@pytest.fixture(scope="module")
def aligned():
    """An aligned encoder of random fields, with 200 new images and their volume fractions."""
    x = phases(500, (32, 32), length=4.0)
    encoder = ENCODERS["aligned_vae"](
        latents=8,
        widths=(8, 16, 32),
        epochs=20,
        symmetries=("flip", "translate"),
        learning_rate=1e-2,
        device="cpu",
    )
    factor = means(x)
    factor = Representation(100 * factor.values, ("volume fraction",), ("%",))
    encoder.fit(x[:300], factor.take(np.arange(300)), kind="phase", periodic=True)
    return encoder, x[300:], factor.take(np.arange(300, 500))


def test_a_factor_is_read_off_its_latent_in_its_unit(aligned):
    encoder, new, truth = aligned
    assert encoder.names[:2] == ("volume fraction", "latent 1")
    read = encoder.read(new)
    assert (read.names, read.units) == (("volume fraction",), ("%",))
    missed = np.square(read.values - truth.values).mean()
    assert 1 - missed / truth.values.var() >= 0.9


def test_leakage_is_measured_on_new_images(aligned):
    encoder, new, truth = aligned
    found = encoder.leakage(new, truth)
    assert found.samples == 200
    assert found.factors == ("volume fraction",)
    assert found.aligned[0] >= 0.9
    assert max(found.free_linear[0], found.free_trees[0]) < 0.3
    assert encoder.leakage_.samples == 60


def test_the_named_latent_moves_what_it_names_in_the_decoded_image(aligned):
    encoder, new, _ = aligned
    z = encoder.encode(new[:40])
    volume = []
    for value in (-1.5, 0.0, 1.5):
        z[:, 0] = value
        volume.append(encoder.decode(z).mean())
    assert volume[1] - volume[0] > 0.1
    assert volume[2] - volume[1] > 0.1


def test_the_free_latents_say_the_rest(aligned):
    encoder, new, _ = aligned
    z = encoder.encode(new)
    full = np.square(encoder.decode(z) - new).mean()
    z[:, 1:] = 0
    assert full < 0.95 * np.square(encoder.decode(z) - new).mean()


def test_leakage_is_seen_where_there_is_some(fields):
    """An encoder whose free latent is the factor leaks all of it; one of noise leaks nothing."""
    encoder = fit("aligned_vae", fields, kind="phase", periodic=True)
    truth = means(np.concatenate([fields] * 5))
    standard = (truth.values - encoder.factor_centre_) / encoder.factor_width_
    rng = np.random.default_rng(0)
    noise = rng.normal(size=(120, 3))
    encoder.encode = lambda images: np.column_stack([standard, standard**3, noise[:, 1:]])
    leaks = encoder.leakage(None, truth)
    assert leaks.aligned[0] == pytest.approx(1)
    assert leaks.free_trees[0] > 0.8
    encoder.encode = lambda images: np.column_stack([noise[:, 0], noise])
    none = encoder.leakage(None, truth)
    assert max(none.free_linear[0], none.free_trees[0], none.aligned[0]) < 0.1


def answer_of(encoder, x, y):
    """The aligned encoder's network and loss on images ``x`` and factors ``y`` ``(n, 1)``."""
    network = encoder.network_.eval()
    loss = encoder._loss(Shape(1, x.shape[2:], True, encoder.widths), True)
    return network, loss(network(x), (x, y)).item()


def test_the_loss_of_the_aligned_encoder_is_what_it_says(fitted, fields):
    encoder, x = fitted["aligned_vae"], torch.as_tensor(fields)
    y = torch.linspace(-1, 1, 24)[:, None]
    total = {}
    try:
        for weights in ((0, 0, 0), (1, 0, 0), (0, 3, 0), (0, 0, 3)):
            encoder.beta, encoder.alignment, encoder.independence = weights
            network, total[weights] = answer_of(encoder, x, y)
    finally:
        encoder.beta, encoder.alignment, encoder.independence = 2.0, 1.0, 1.0
    with torch.no_grad():
        answer = network(x)
    base = total[0, 0, 0]
    assert base == pytest.approx(log_likelihood(answer.output, x, True).item())
    paid = divergence(answer.mean, answer.log_variance).item() / (15 * 12)
    assert total[1, 0, 0] - base == pytest.approx(paid, rel=1e-3)
    missed = (answer.aligned - y).square().mean().item()
    assert total[0, 3, 0] - base == pytest.approx(3 * missed, rel=1e-3)
    leaked = distance_correlation(answer.mean, y).item()
    assert total[0, 0, 3] - base == pytest.approx(3 * leaked, rel=1e-3, abs=1e-5)
    assert abs(leaked) > 1e-3


def test_the_image_does_not_bend_the_named_latents(fitted, fields):
    network = fitted["aligned_vae"].network_
    network(torch.as_tensor(fields)).output.square().sum().backward()
    assert all(p.grad is None for p in network.perceptron.parameters())
    assert all(p.grad.abs().max() > 0 for p in network.free.parameters())
    network.zero_grad()


def test_leakage_is_stored(fields, tmp_path):
    x = np.concatenate([fields] * 5)
    encoder = fit("aligned_vae", x, kind="phase", periodic=True, epochs=1)
    assert isinstance(encoder.leakage_, Leakage)
    encoder.save(tmp_path)
    assert Encoder.load(tmp_path).leakage_ == encoder.leakage_


def test_factors_that_cannot_be_used(fields):
    values = means(fields).values
    for wrong, match in (
        (np.full_like(values, 2.0), "same"),
        (np.where(np.arange(24)[:, None] == 3, np.nan, values), "NaN"),
        (values[:-1], "match"),
    ):
        with pytest.raises(InputError, match=match):
            fit("aligned_vae", fields, factors=Representation(wrong, ("mean",), ("",)))
    twice = Representation(np.tile(values, 2), ("mean", "mean"), ("", ""))
    with pytest.raises(InputError, match="differ"):
        fit("aligned_vae", fields, factors=twice)
    with pytest.raises(UsageError, match="more latents"):
        fit("aligned_vae", fields, latents=1)
    with pytest.raises(UsageError, match="independence"):
        fit("aligned_vae", fields, independence=-1.0)
    encoder = fit("aligned_vae", fields, kind="phase", epochs=1)
    with pytest.raises(InputError, match="factors"):
        encoder.leakage(fields, Representation(values, ("other",), ("",)))
    with pytest.raises(InputError, match="too few"):
        encoder.leakage(fields[:5], means(fields[:5]))
    assert encoder.leakage_ is None


def test_distance_correlation():
    i = torch.arange(12.0, dtype=torch.float64)
    x = torch.stack([i.sin(), (2 * i).cos()], dim=1)
    y = torch.stack([i.sin(), i.cos() / 2, i.sin() ** 2], dim=1)
    # u_distance_correlation_sqr of the Python package dcor 0.7.
    assert distance_correlation(x, y).item() == pytest.approx(0.8188152373108818, rel=1e-6)
    rng = np.random.default_rng(0)
    draws = torch.as_tensor(rng.normal(size=(300, 2, 16, 1)))
    chance = np.array([distance_correlation(a, b).item() for a, b in draws])
    assert abs(chance.mean()) < 4 * chance.std() / np.sqrt(300)
    line = torch.linspace(-1, 1, 60)[:, None]
    assert distance_correlation(line, line**2).item() > 0.2
    assert distance_correlation(line[:3], line[:3]).item() == 0
    same = torch.ones(8, 2, requires_grad=True)
    value = distance_correlation(same, line[:8])
    value.backward()
    assert value.item() == 0
    assert torch.isfinite(same.grad).all()


def test_likelihoods():
    fields = torch.tensor([0.0, 1.0, 1.0, 0.0]).view(1, 1, 2, 2)
    logits = torch.tensor([0.0, 2.0, -1.0, 0.5]).view(1, 1, 2, 2)
    p = 1 / (1 + np.exp(-np.array([0.0, 2.0, -1.0, 0.5])))
    expected = -np.log([1 - p[0], p[1], p[2], 1 - p[3]]).mean()
    assert log_likelihood(logits, fields, True).item() == pytest.approx(expected, rel=1e-5)
    both, pair = torch.cat([1 - fields, fields], 1), torch.cat([0 * logits, logits], 1)
    assert log_likelihood(pair, both, True).item() == pytest.approx(expected, rel=1e-5)
    gap = log_likelihood(10 * fields, 0 * fields, False) - log_likelihood(fields, 0 * fields, False)
    assert gap.item() == pytest.approx(np.log(10), rel=1e-4)
    assert divergence(torch.zeros(2, 3), torch.zeros(2, 3)).item() == 0


def test_vicreg():
    views = 2.0 * torch.tensor([[1.0, 1.0], [1, -1], [-1, 1], [-1, -1]])
    assert vicreg(views, views).item() == 0
    assert vicreg(0 * views, 0 * views).item() == pytest.approx(25 * 0.99)
    assert vicreg(views, views + 1).item() == pytest.approx(25)
    tied = views[:, :1].expand(4, 2)
    assert vicreg(tied, tied).item() == pytest.approx(2 * 2 * (16 / 3) ** 2 / 2)


def test_interleaving_puts_blocks_in_place():
    x = torch.arange(8.0).view(1, 4, 1, 2)  # channels: pixel of the block; grid 1 x 2
    expected = [[[[0, 2, 1, 3], [4, 6, 5, 7]]]]
    assert Interleave((2, 4))(x).tolist() == expected
    assert torch.equal(
        Interleave((6, 8))(torch.arange(96.0).view(1, 8, 3, 4)),
        torch.nn.functional.pixel_shuffle(torch.arange(96.0).view(1, 8, 3, 4), 2),
    )
    assert Interleave((3, 3, 1))(torch.zeros(2, 8, 2, 2, 1)).shape == (2, 1, 3, 3, 1)


@pytest.mark.parametrize("periodic", [True, False])
def test_periodic_networks_know_no_edge(periodic):
    torch.manual_seed(0)
    shape = Shape(1, (16, 24), periodic, (4, 6))
    down, up = trunk(shape).eval(), Decoder(3, shape).eval().layers
    x, coarse = torch.randn(2, 1, 16, 24), torch.randn(2, 6, 4, 6)
    with torch.no_grad():
        gap = (down(x.roll((4, -8), (2, 3))) - down(x).roll((1, -2), (2, 3))).abs().max()
        back = (up(coarse.roll((1, -2), (2, 3))) - up(coarse).roll((4, -8), (2, 3))).abs().max()
    assert (gap < 1e-5) == periodic
    assert (back < 1e-5) == periodic


def test_validation_in_parts_gives_the_same_losses():
    x = torch.linspace(-1, 1, 40)[:, None]
    sizes = []

    def batch(index, augment):
        sizes.append(index.shape[1])
        return x[index[0]], (2 * x[index[0]], None)

    def loss(output, target):
        return (output - target[0]).square().mean()

    losses = []
    for size in (256, 3):
        torch.manual_seed(0)
        settings = Training(epochs=2, batch_size=32, evaluation_batch=size)
        parts = inner_parts(40, 0.2, 1, 0)
        losses.append(train(torch.nn.Linear(1, 1), batch, loss, parts, settings, seed=0).validation)
    assert np.allclose(*losses)
    assert sizes == [32, 8, 32, 8, 32, 3, 3, 2, 32, 3, 3, 2]
