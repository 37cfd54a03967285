"""The exact physics of a run's images, where the data set states the law: what explanations are
tested against.

In every fold the same few held-out samples serve all rungs; each rung's default explanation of
them is compared with the exact flips (:mod:`iceframe.measure.physical.agreement`), and its own
gradient with the exact sensitivities (:mod:`iceframe.measure.physical.gradient_agreement`), which
cost less: of as many samples as are explained.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from iceframe.core.dataset import Dataset, SupervisedImages
from iceframe.core.seeds import generator
from iceframe.core.values import Law
from iceframe.physics.components import component_pair

if TYPE_CHECKING:
    from iceframe.core.dataset import ImageSource
    from iceframe.measure.explainer import Attributions, Meaning
    from iceframe.measure.physical.agreement import PhysicalAgreement
    from iceframe.measure.physical.truth import PhysicalTruth
    from iceframe.physics.properties import Properties
    from iceframe.scale.fitting import Fitted
    from iceframe.scale.rung import Inputs
    from iceframe.workflow.plan import Workload

TRUTH = "truth.npz"
POSITIONS = "positions.npy"
SENSITIVITIES = "sensitivities.npz"
GRADIENT = "gradient_agreement"


def testable(data: Dataset) -> bool:
    """Whether the target of these images can be computed: two phases, opposite edges meet."""
    law, images = data.law, data.images
    if law is None or images is None or law.phases != 2 or data.task != "regression":
        return False
    return images.periodic and images.shape[0] == 1


def properties_of(law: Law) -> Properties:
    """The law's phases as the solver takes them."""
    from iceframe.physics.properties import Conductivity, Elasticity

    if law.kind == "conductivity":
        return Conductivity(law.constants["values"])
    return Elasticity(law.constants["young"], law.constants["poisson"], law.state)


def truth_of(images: ImageSource, law: Law, seed: int, device: str = "cpu") -> PhysicalTruth:
    """Exact flips of two-phase images."""
    from iceframe.measure.physical.truth import physical_truth

    phases = np.rint(images.read(np.arange(len(images)))[:, 0]).astype(np.uint8)
    return physical_truth(phases, properties_of(law), law.component, seed=seed, device=device)


def physics_maps(images: np.ndarray, law: Law, meaning: Meaning) -> np.ndarray:
    """What the solver's own derivative says of images ``(n, 1, *grid)``: maps ``(n, *grid)``.

    In the unit of the property a voxel: its derivative to the second phase, what the present phase
    adds to it by that, or the size, as ``meaning`` asks.
    """
    slope = sensitivities_of(images, law)[:, 0]
    if meaning == "contribution":
        return np.asarray(slope * (2.0 * np.rint(images[:, 0]) - 1.0))
    return np.asarray(np.abs(slope) if meaning == "importance" else slope)


def sensitivities_of(images: np.ndarray, law: Law, device: str = "cpu") -> np.ndarray:
    """Derivatives of the property to the pixels of two-phase images: both ``(n, 1, *grid)``.

    A pixel is the weight of the second phase. NaN where the solver did not converge.
    """
    from iceframe.physics.homogenisation import homogenize

    phases = np.rint(images[:, 0]).astype(np.uint8)
    solved = homogenize(phases, properties_of(law), sensitivities=True, device=device)
    assert solved.sensitivities is not None
    pair = component_pair(law.kind, law.component, phases.ndim - 1)
    return np.asarray(solved.sensitivities[:, solved.pairs.index(pair), :1])


def write_truth(work: Workload, test: np.ndarray, staged: Path) -> None:
    """Exact flips and sensitivities of some of the samples at ``test``, the same for every rung."""
    assert work.law is not None
    assert work.inputs.images is not None
    rng = generator(work.settings.seed, "physical samples", str(len(test)))
    order = rng.permutation(test)
    chosen = np.sort(order[: work.settings.physics_samples])
    images = work.inputs.images.take(chosen)
    truth = truth_of(images, work.law, work.settings.seed, work.context.device)
    np.save(staged / POSITIONS, chosen)
    truth.save(staged / TRUTH)
    more = np.sort(order[: work.settings.explain_samples])
    images = work.inputs.images.take(more)
    everything = np.arange(len(more))
    if isinstance(images, SupervisedImages) and images.supervised:
        slopes = images.gradients(everything)
    else:
        slopes = sensitivities_of(images.read(everything), work.law, work.context.device)
    np.savez(staged / SENSITIVITIES, positions=more, slopes=slopes.astype(np.float32))


def tested(fitted: Fitted, work: Workload, background: Inputs, base: Path) -> dict[str, Any]:
    """Explain the samples whose truth lies in ``base``; their agreement with it, as JSON values,
    and that of the network's own gradient."""
    from iceframe.measure.attribution import attribute
    from iceframe.measure.image_model import ImageModel
    from iceframe.measure.physical.gradient_agreement import network_agreement
    from iceframe.measure.physical.truth import PhysicalTruth

    inputs = work.inputs.take(np.load(base / POSITIONS, allow_pickle=False))
    attributions = attribute(fitted, inputs, background, seed=fitted.context.seed)
    truth = PhysicalTruth.load(base / TRUTH)
    found = agreement_of(fitted, attributions, inputs, truth)
    plain = {name: np.asarray(v).tolist() for name, v in vars(found).items() if name != "floors"}
    with np.load(base / SENSITIVITIES, allow_pickle=False) as known:
        positions, slopes = known["positions"], known["slopes"]
    assert work.inputs.images is not None
    images = work.inputs.images.read(positions)
    return plain | {
        "floors": {name: v.tolist() for name, v in found.floors.items()},
        GRADIENT: network_agreement(ImageModel.of(fitted), images, slopes).tolist(),
    }


def agreement_of(
    fitted: Fitted, attributions: Attributions, inputs: Inputs, truth: PhysicalTruth
) -> PhysicalAgreement:
    """Agreement of attributions of images with their exact flips."""
    from iceframe.measure.image_model import ImageModel
    from iceframe.measure.physical.agreement import physical_agreement

    assert inputs.images is not None
    x = inputs.images.read(np.arange(len(inputs)))
    return physical_agreement(
        attributions.values, attributions.meaning, x, truth, model=ImageModel.of(fitted)
    )
