"""Where Quantus 0.6.0 is wrong, or fails, in the randomisation of a model's layers.

    PYTHON benchmarks/quantus_cases_randomisation.py [--list] [CASE …]

As quantus_cases.py, for MPRT and EfficientMPRT.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import quantus
import torch
from cases import Cases, gradient, linear_regression, numbers
from quantus.functions.n_bins_func import freedman_diaconis_rule
from quantus.functions.similarity_func import ssim
from quantus.helpers.model.pytorch_model import PyTorchModel
from torch import Tensor, nn

QUIET = {"disable_warnings": True}
CASES = Cases()


def all_drawn_anew(model: nn.Module) -> Any:
    """The model at the last stage of the randomisation, input side first."""
    *_, (_, drawn) = PyTorchModel(model, channel_first=True).get_random_layer_generator("bottom_up")
    return drawn


def regression() -> tuple[nn.Module, np.ndarray, np.ndarray]:
    """A perceptron of one output whose answers are negative, three images, column 0."""
    _, x, y, _ = linear_regression()
    last = nn.Linear(8, 1)
    model = nn.Sequential(nn.Flatten(), nn.Linear(64, 8), nn.Tanh(), last).eval()
    with torch.no_grad():
        for k, parameter in enumerate(model.parameters()):
            parameter.copy_(torch.from_numpy(numbers(*parameter.shape, seed=k)))
        last.bias.fill_(-50.0)
    return model, x, y


@CASES.of("layers")
def layers_left_trained() -> None:
    """Right: nothing learned is left at the last stage. What has no reset_parameters is."""

    class Token(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.token = nn.Parameter(torch.randn(1, 8, 8))

        def forward(self, x: Tensor) -> Tensor:
            return torch.tanh(x * self.token)

    trained = Token()
    drawn = all_drawn_anew(nn.Sequential(trained, nn.Flatten(), nn.Linear(64, 1)))
    print("token as trained:", torch.equal(drawn[0].token, trained.token))
    attention = nn.MultiheadAttention(8, 2)
    drawn = all_drawn_anew(attention)
    print("attention as trained:", torch.equal(drawn.in_proj_weight, attention.in_proj_weight))


@CASES.of("layers")
def layers_alike() -> None:
    """Right: layers are drawn independently. Those of one shape get the same weights."""
    drawn = all_drawn_anew(nn.Sequential(nn.Conv2d(4, 4, 3), nn.Tanh(), nn.Conv2d(4, 4, 3)))
    print("the two convolutions are equal:", torch.equal(drawn[0].weight, drawn[2].weight))


@CASES.of("layers")
def global_generator() -> None:
    """Right: torch's global generator stays as it was. It is set, and left so."""
    drawn = []
    for seed in (5, 6):
        torch.manual_seed(seed)
        quantus.MPRT(**QUIET)(*regression(), explain_func=gradient)
        drawn.append(torch.rand(1).item())
    print("next random numbers after seeds 5 and 6:", drawn)


@CASES.of("similarity")
def structural_similarity_of_a_line() -> None:
    """Right: the maps' own, 2-D. MPRT flattens them first, so that transposing them matters."""
    one = numbers(1, 12, 12)
    two = one + numbers(1, 12, 12, seed=1)
    across = one.transpose(0, 2, 1), two.transpose(0, 2, 1)
    for what, a, b in (("as they are", one, two), ("transposed", *across)):
        flat = ssim(a.reshape(1, -1), b.reshape(1, -1), batched=True)[0]
        print(f"{what}: flattened, as in MPRT {flat:.6f}, as maps {ssim(a[0], b[0]):.6f}")


@CASES.of("similarity")
def average_with_the_original() -> None:
    """Right: the mean over the stages. The original's similarity with itself, 1, is counted."""
    stages = quantus.MPRT(**QUIET)(*regression(), explain_func=gradient)
    average = quantus.MPRT(return_average_correlation=True, **QUIET)
    print({stage: np.round(values, 4).tolist() for stage, values in stages.items()})
    print("average", np.round(average(*regression(), explain_func=gradient), 4).tolist())


@CASES.of("entropy")
def entropy_of_a_regression() -> None:
    """Right: it is of the maps. Predictions are asked as well, and must not be negative."""
    quantus.EfficientMPRT(**QUIET)(*regression(), explain_func=gradient, softmax=False)


@CASES.of("entropy")
def extra_scores_of_a_regression() -> None:
    """Right: none, or f's own change. The softmax of one output is 1: 0 or NaN for any model."""
    metric = quantus.EfficientMPRT(compute_extra_scores=True, **QUIET)
    metric(*regression(), explain_func=gradient, softmax=True)
    for name in ("delta_model", "fraction_model", "correlation_model_vs_explanation_complexity"):
        print(name, np.array(metric.scores_extra[f"scores_{name}"]))


@CASES.of("entropy")
def number_of_bins() -> None:
    """Right: the rule's n is the number of values. It is the number of axes, 2."""
    maps = numbers(4, 64, 64)
    edges = np.histogram_bin_edges(maps[0], "fd")
    print(f"Freedman and Diaconis: {freedman_diaconis_rule(maps)}, NumPy: {len(edges) - 1}")


if __name__ == "__main__":
    CASES.main(__doc__ or "")
