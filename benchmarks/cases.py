"""What quantus_cases.py, quantus_cases_randomisation.py and captum_cases.py share.

Models whose right answers are known, images, and how cases are listed and run.
"""

from __future__ import annotations

import argparse
import math
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

Case = Callable[[], None]


class Cases:
    """Cases by name, in groups; an error that a case does not catch is its observation."""

    def __init__(self) -> None:
        self.groups: dict[str, dict[str, Case]] = {}

    def of(self, group: str) -> Callable[[Case], Case]:
        """Decorator: the function is a case of that group."""

        def put(function: Case) -> Case:
            self.groups.setdefault(group, {})[function.__name__] = function
            return function

        return put

    def main(self, about: str) -> None:
        """Run the cases that the command line names, or all; or list them."""
        parser = argparse.ArgumentParser(description=about.splitlines()[0])
        parser.add_argument("case", nargs="*", help="cases to run; all if none is named")
        parser.add_argument("--list", action="store_true", help="names and what is right")
        asked = parser.parse_args()
        known = {name for group in self.groups.values() for name in group}
        if unknown := set(asked.case) - known:
            parser.error(f"no such case: {', '.join(sorted(unknown))}; --list names them")
        warnings.simplefilter("ignore")
        torch.set_num_threads(1)
        for group, cases in self.groups.items():
            chosen = {name: case for name, case in cases.items() if name in (asked.case or known)}
            if chosen:
                print(f"\n# {group}")
            for name, case in chosen.items():
                print(f"\n{name}\n    {case.__doc__}")
                if asked.list:
                    continue
                try:
                    case()
                except Exception as error:
                    print(f"{type(error).__name__}: {str(error).splitlines()[0][:160]}")


class Linear(nn.Module):
    """``f(x) = Σ w x + offset``, one output: a regression whose gradient is ``w``, exactly."""

    def __init__(self, weights: Any, offset: float = 0.0) -> None:
        super().__init__()
        self.weights, self.offset = nn.Parameter(torch.as_tensor(weights)), offset
        self.eval()

    def forward(self, x: Tensor) -> Tensor:
        return (x * self.weights).flatten(1).sum(1, keepdim=True) + self.offset


def numbers(*shape: int, seed: int = 0) -> np.ndarray:
    """Normal numbers, for maps and weights."""
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def images(n: int = 3, channels: int = 1, grid: tuple[int, ...] = (8, 8)) -> np.ndarray:
    """Images of uniform grey levels in [0, 1], ``(n, channels, *grid)``."""
    levels = np.random.default_rng(11).random((n, channels, *grid))
    return levels.astype(np.float32)


def linear_regression(channels: int = 1) -> tuple[Linear, np.ndarray, np.ndarray, np.ndarray]:
    """A linear model, three images, column 0 for each, and the exact map of each."""
    weights = numbers(channels, 8, 8)
    maps = np.repeat(weights[None], 3, axis=0)
    return Linear(weights), images(channels=channels), np.zeros(3, int), maps


def network(grid: tuple[int, ...] = (8, 8), channels: int = 1, outputs: int = 3) -> nn.Module:
    """Convolution, tanh, linear: weights from a seed."""
    convolution = nn.Conv3d if len(grid) == 3 else nn.Conv2d
    layers = convolution(channels, 4, 3, padding=1), nn.Tanh(), nn.Flatten()
    net = nn.Sequential(*layers, nn.Linear(4 * math.prod(grid), outputs)).eval()
    with torch.no_grad():
        for k, parameter in enumerate(net.parameters()):
            parameter.copy_(torch.from_numpy(0.3 * numbers(*parameter.shape, seed=k)))
    return net


def gradient(model: nn.Module, inputs: Any, targets: Any, **_: Any) -> np.ndarray:
    """Derivatives of each image's target output, summed over channels: ``(n, 1, *grid)``."""
    x = torch.as_tensor(inputs).detach().clone().requires_grad_()
    scores = model(x).gather(1, torch.as_tensor(targets).long()[:, None])
    return torch.autograd.grad(scores.sum(), x)[0].sum(1, keepdim=True).numpy()
