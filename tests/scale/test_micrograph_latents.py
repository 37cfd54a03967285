"""The latents of the pre-trained encoder as a descriptor: the same numbers, guarded weights."""

from __future__ import annotations

import numpy as np
import pytest

from iceframe.core.errors import InputError
from iceframe.scale.descriptors.micrograph_latents import MicrographLatents
from iceframe.scale.encoders.micrographs import Micrographs
from iceframe.scale.image_format import ImageFormat


def _fitted(shape=(1, 40, 48)) -> MicrographLatents:
    return MicrographLatents().fit_format(ImageFormat(shape, False, "grey"))


def test_the_features_are_the_encoders_latents():
    images = np.random.default_rng(0).random((3, 1, 40, 48)).astype(np.float32)
    descriptor = _fitted()
    wanted = Micrographs().fit(images).encode(images)
    assert np.array_equal(descriptor.describe(images), wanted)
    assert [f.name for f in descriptor.columns()][:1] == ["micrograph latent 1"]
    assert len(descriptor.columns()) == wanted.shape[1]


def test_a_stored_model_is_refused_where_the_weights_are_others():
    state = _fitted().state()
    again = MicrographLatents.from_state(state)
    assert again.format == _fitted().format
    with pytest.raises(InputError, match="other weights"):
        MicrographLatents.from_state({**state, "weights": "0" * 8})


def test_hidden_pixels_are_refused():
    images = np.zeros((1, 1, 40, 48), np.float32)
    valid = np.ones((1, 40, 48), bool)
    valid[0, 0, 0] = False
    with pytest.raises(InputError, match="cannot leave out"):
        _fitted().describe(images, valid)


def test_another_image_is_another_row_and_the_scale_of_grey_levels_does_not_matter():
    rng = np.random.default_rng(1)
    images = rng.random((2, 1, 40, 48)).astype(np.float32)
    first = _fitted().describe(images)
    darker = _fitted().describe(0.2 + 0.5 * images)
    assert np.allclose(first, darker, atol=1e-2 * np.abs(first).max())
    assert np.abs(first[0] - first[1]).max() > 0.1
