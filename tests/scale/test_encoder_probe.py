"""Properties read off encoders: the probe and the tuned network are what they say."""

from __future__ import annotations

import inspect

import numpy as np
import pytest
import torch

from iceframe.core.dataset import ArrayImages
from iceframe.core.errors import InputError, UsageError
from iceframe.physics import generate
from iceframe.scale.encoder import ENCODERS, Encoder, Fields
from iceframe.scale.encoder_probe import (
    ProbeClassifier,
    ProbeRegressor,
    TunedClassifier,
    TunedRegressor,
)
from iceframe.scale.encoder_trunk import FieldsOf, FixedStatistics, factor_of, standardise_for
from iceframe.scale.image_batches import reduce
from iceframe.scale.image_format import ImageFormat
from iceframe.scale.named_factors import named_factors
from iceframe.scale.rung import RUNGS, Context
from iceframe.scale.rungs.encoder_probes import _rungs_of

TINY = {"latents": 6, "epochs": 2, "device": "cpu", "symmetries": ("translate",)}
AUTO = {"encoder": "autoencoder", "settings": {"latents": 4, "widths": (4, 6), "epochs": 2}}


def tiny(name):
    """Settings that make this encoder's fit short."""
    known = inspect.signature(ENCODERS[name]).parameters
    return {key: value for key, value in TINY.items() if key in known}


def two_phase(n=40, side=32, seed=0):
    fractions = np.random.default_rng(seed).uniform(0.2, 0.8, n)
    made = generate("random_field", n, (side, side), volume_fraction=fractions, length=3, seed=seed)
    return ArrayImages(made.phases[:, None].astype(np.float32), True, "phase")


def grey(n=40, side=16, seed=0, channels=1):
    rng = np.random.default_rng(seed)
    bright = rng.uniform(0.2, 0.8, (n, channels, 1, 1))
    return (bright + 0.1 * rng.normal(size=(n, channels, side, side))).astype(np.float32)


def brightness(x):
    return 10 + 5 * x.mean(axis=(1, 2, 3), dtype=float)


@pytest.mark.parametrize(
    "name", [n for n in RUNGS if hasattr(RUNGS[n], "encoder") and n.endswith("_tuned")]
)
def test_the_trunk_gives_the_latents_and_mixes_no_samples(name):
    kind = RUNGS[name].encoder
    images = two_phase(16)
    encoder = ENCODERS[kind](**tiny(kind))
    encoder.fit(images, named_factors(images, 2) if encoder.uses_factors else None)
    x = torch.tensor(Fields(images, encoder.format_).read(np.arange(8)))
    trunk = torch.nn.Sequential(standardise_for(encoder), encoder.trunk_for_tuning()).eval()
    z = trunk(reduce(x, factor_of(encoder)))
    assert np.allclose(z.detach(), encoder.encode(images)[:8], atol=1e-4)
    assert torch.allclose(trunk(reduce(x[2:3], factor_of(encoder))), z[2:3], atol=1e-4)
    z.square().sum().backward()
    assert any(p.grad is not None and bool(p.grad.any()) for p in trunk.parameters())


def test_every_encoder_has_its_rungs():
    for name, kind in ENCODERS.items():
        assert f"{name}_probe" in RUNGS
        network = kind.trunk_for_tuning is not Encoder.trunk_for_tuning
        assert (f"{name}_tuned" in RUNGS) == network


def test_an_encoder_that_is_no_network_is_probed_only():
    class Counted(Encoder):
        name, title, reference = "counted", "Counted", "https://doi.org/10.1000/1"

    assert [rung.name for rung in _rungs_of("counted", Counted)] == ["counted_probe"]


def test_symmetries_that_are_not_stated_are_the_encoders_own():
    context = Context("regression", 20, 0, symmetries=())
    said = Context("regression", 20, 0, symmetries=("rotate90",))
    rung = RUNGS["contrastive_tuned"]()
    assert "symmetries" not in rung.build({}, context).settings
    assert rung.build({}, said).settings["symmetries"] == ("rotate90",)
    assert rung.build({}, said).symmetries == ("rotate90",)
    assert rung.build({"latents": 3}, said).settings["latents"] == 3


def test_epochs_are_those_of_both_trainings():
    context = Context("regression", 20, 0)
    both = RUNGS["vae_tuned"]().build({"epochs": 7}, context)
    assert (both.settings["epochs"], both.epochs) == (7, 7)
    only = RUNGS["micrographs_tuned"]().build({"epochs": 7}, context)
    assert "epochs" not in only.settings
    assert only.epochs == 7
    assert RUNGS["vae_tuned"]().build({}, context).epochs is None


@pytest.mark.parametrize("kind", [ProbeRegressor, TunedRegressor])
@pytest.mark.parametrize("images", ["two phases", "three phases", "grey, reduced"])
def test_the_torch_model_is_the_model(kind, images):
    settings = dict(AUTO["settings"])
    if images == "two phases":
        source = two_phase(24, 16)
    elif images == "three phases":
        levels = np.digitize(grey(24), [0.35, 0.6]).astype(np.float32)
        source = ArrayImages(levels, False, "phase")
    else:
        source = ArrayImages(grey(24), False)
        settings["factor"] = 2
    y = brightness(source.values)
    model = kind(encoder="autoencoder", settings=settings).fit(source, y)
    x = torch.tensor(source.values[:5], requires_grad=True)
    answer = model.torch_model()(x)
    assert np.allclose(answer.detach()[:, 0], model.predict(source)[:5], rtol=1e-5)
    answer.sum().backward()
    assert torch.isfinite(x.grad).all()
    assert x.grad.abs().max() > 0


def test_fields_are_the_indicators_at_the_levels_and_have_slopes_between():
    known = ImageFormat((1, 2, 2), False, "phase", (0.0, 0.25, 1.0))
    x = np.array([[[[0.0, 0.25], [1.0, 0.25]]]], np.float32)
    fields = FieldsOf(known)
    assert np.array_equal(fields(torch.tensor(x)), known.split(x))
    between = fields(torch.full((1, 1, 1, 1), 0.1))[0, :, 0, 0]
    assert torch.allclose(between, torch.tensor([0.6, 0.4, 0.0]))
    x = torch.tensor(x, requires_grad=True)
    (fields(x) * torch.tensor([0.0, 1.0, 2.0]).view(1, 3, 1, 1)).sum().backward()
    assert (x.grad != 0).all()


def test_the_encoder_of_a_probe_does_not_see_the_target():
    x = grey()
    y = brightness(x)
    one = ProbeRegressor(**AUTO).fit(x, y).encoder_
    other = ProbeRegressor(**AUTO).fit(x, y[::-1]).encoder_
    assert np.array_equal(one.encode(x), other.encode(x))


def test_a_probe_reads_what_latents_hold():
    x, new = grey(80), grey(40, seed=1)
    settings = AUTO["settings"] | {"epochs": 40}
    model = ProbeRegressor(encoder="autoencoder", settings=settings).fit(x, brightness(x))
    missed = brightness(new) - model.predict(new)
    assert 1 - missed.var() / brightness(new).var() > 0.9


def test_tuning_starts_at_the_probe():
    x = grey()
    y = brightness(x)
    probe = ProbeRegressor(**AUTO).fit(x, y)
    still = TunedRegressor(**AUTO, learning_rate=1e-12, epochs=1).fit(x, y)
    assert np.allclose(still.predict(x), probe.predict(x), rtol=1e-4)
    classes = (y > np.median(y)).astype(int)
    probe = ProbeClassifier(**AUTO).fit(x, classes)
    still = TunedClassifier(**AUTO, learning_rate=1e-12, epochs=1).fit(x, classes)
    assert np.allclose(still.predict_proba(x), probe.predict_proba(x), atol=1e-4)


def test_tuning_learns_what_the_latents_do_not_hold():
    images = two_phase(200, 16)
    x = images.values
    y = np.abs(np.diff(x, axis=3)).mean(axis=(1, 2, 3), dtype=float)  # interfaces along x
    train, test = images.take(np.arange(150)), images.take(np.arange(150, 200))
    missed = {}
    for kind, more in (
        (ProbeRegressor, {}),
        (TunedRegressor, {"symmetries": ("flip", "translate")}),
    ):
        model = kind(encoder="autoencoder", settings={"epochs": 4}, **more).fit(train, y[:150])
        missed[kind] = np.mean((model.predict(test) - y[150:]) ** 2)
    assert missed[TunedRegressor] < 0.5 * missed[ProbeRegressor]


def test_tuning_keeps_the_statistics_of_the_norms():
    x = grey()
    model = TunedRegressor(**AUTO, epochs=2).fit(x, brightness(x))
    before = model.encoder_.trunk_for_tuning().state_dict()
    after = model.trunk_.state_dict()
    moved = {name for name in before if not torch.equal(before[name], after[name])}
    assert moved
    assert not [name for name in moved if "running" in name or "tracked" in name]


def test_fixed_statistics_let_no_samples_mix_while_training():
    norm = torch.nn.BatchNorm1d(3)
    fixed = FixedStatistics(torch.nn.Sequential(norm)).train()
    x = torch.randn(6, 3)
    assert torch.allclose(fixed(x)[:2], fixed(x[:2]))
    assert fixed.training
    assert not norm.training


@pytest.mark.parametrize("kind", [ProbeRegressor, TunedRegressor])
def test_several_targets_at_once(kind):
    x = grey()
    y = np.column_stack([brightness(x), -3 * brightness(x) + 1e4])
    model = kind(**AUTO).fit(x, y)
    predicted = model.predict(x)
    assert predicted.shape == y.shape
    assert np.abs(predicted - y).max(axis=0) == pytest.approx([0, 0], abs=20)
    again = kind(**AUTO).restore(*model.state())
    assert np.array_equal(again.predict(x), predicted)


@pytest.mark.parametrize("kind", [ProbeClassifier, TunedClassifier])
def test_a_class_with_one_sample_is_no_obstacle(kind):
    x = grey()
    y = np.array(["a", "b"])[(brightness(x) > np.median(brightness(x))).astype(int)]
    y[3] = "c"
    model = kind(**AUTO).fit(x, y)
    assert list(model.classes_) == ["a", "b", "c"]
    assert np.allclose(model.predict_proba(x).sum(axis=1), 1)
    assert set(model.predict(x)) <= {"a", "b", "c"}
    assert np.mean(model.predict(x) == y) > 0.6


def test_bad_input_is_refused():
    x = grey()
    y = brightness(x)
    model = ProbeRegressor(**AUTO).fit(x, y)
    for other, word in ((grey(4, 24), "size"), (grey(4, channels=2), "channels")):
        with pytest.raises(InputError, match=word):
            model.predict(other)
    with pytest.raises(InputError, match="phase"):
        model.predict(two_phase(4, 16))
    with pytest.raises(InputError, match="match"):
        ProbeRegressor(**AUTO).fit(x, y[:-1])
    with pytest.raises(InputError, match="too few"):
        ProbeRegressor(**AUTO).fit(x[:5], y[:5])
    with pytest.raises(InputError, match="nothing to learn"):
        TunedRegressor(**AUTO).fit(np.ones((20, 1, 16, 16), np.float32), y[:20])
    arrays, values = model.state()
    with pytest.raises(InputError, match="does not fit"):
        ProbeRegressor(encoder="vae").restore(arrays, values)
    with pytest.raises(InputError, match="does not fit"):
        TunedRegressor(**AUTO).restore(arrays, values)
    with pytest.raises(UsageError, match="no network"):
        Encoder.trunk_for_tuning(model.encoder_)


def test_named_factors_are_what_they_say():
    images = two_phase(12, 24)
    found = named_factors(images, 8)
    assert found.names[0] == "volume fraction"
    assert np.allclose(found.values[:, 0], images.values.mean(axis=(1, 2, 3)))
    assert all(name.startswith("correlation length") for name in found.names[1:])
    assert named_factors(images, 1).names == found.names[:1]
    pixels = images.values.copy()
    pixels[0] = 0.0  # one phase only: its lengths are undefined
    found = named_factors(ArrayImages(pixels, True, "phase"), 8)
    assert np.isfinite(found.values).all()
    assert found.values[0, 1] == np.median(found.values[1:, 1])
    x = grey(12)
    named = named_factors(ArrayImages(x), 8)
    assert named.names[:2] == ("mean grey level", "standard deviation of grey level")
    assert np.allclose(named.values[:, 0], x.mean(axis=(1, 2, 3)), atol=1e-6)
    with pytest.raises(InputError, match="varies"):
        named_factors(ArrayImages(np.repeat(x[:1], 12, axis=0)), 8)
