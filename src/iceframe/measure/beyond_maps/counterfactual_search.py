"""The search for few flips of a two-phase structure that bring a model's answer to an aim.

Voxels are ranked by the gain that the gradient promises for their flip. A fourth of the flips that
seem to be needed are made, fewer where they do not keep half of the promise; then the gradient is
asked again, because it has changed. At the end flips are given back, the least useful first, as
long as the aim is kept. For a linear model this is exact: the gains add up, the greatest are taken,
and no smaller set reaches the aim.

Rejected: relaxing phases to [0, 1] with an L1 penalty and rounding at the end. The model is then
asked about grey structures that it has never seen, and what is rounded off has to be repaired by a
search like this one.

A sample's way does not depend on the others in its batch.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from torch import Tensor

    from iceframe.measure.image_model import ImageModel

PART = 4
"""A fourth of the flips that are still needed is made at once."""

KEPT = 0.5
"""Share of the promised gain that a batch of flips must bring, or a smaller one is tried."""

TRIED = 64
"""Flips that are asked of the model one by one where the gradient's order leads nowhere."""


class SearchStatus(StrEnum):
    """How the search for one sample ended."""

    REACHED = "REACHED"
    STUCK = "STUCK"
    TOO_MANY = "TOO_MANY"

    @property
    def remedy(self) -> str:
        """What to do about it; empty when there is nothing to do."""
        return {
            "REACHED": "",
            "STUCK": "ask for a smaller change: no flip that was tried moves the answer further",
            "TOO_MANY": "ask for a smaller change, or allow more voxels with most_changed",
        }[self.value]


@dataclass(frozen=True)
class Aim:
    """What is to be reached: ``value ≥ 0``.

    ``first`` ``(n, k)``: outputs before any change. Either ``wanted`` ``(n,)``, the change of the
    first output, or ``to`` ``(n,)``, the class whose logit is to be the highest.
    """

    first: Tensor
    wanted: Tensor | None = None
    to: Tensor | None = None

    def take(self, index: Tensor) -> Aim:
        """Of the samples at ``index``."""
        wanted = None if self.wanted is None else self.wanted[index]
        return Aim(self.first[index], wanted, None if self.to is None else self.to[index])

    def score(self, outputs: Tensor) -> Tensor:
        """The first output, or the logit of the class less the highest of the others: ``(n,)``."""
        import torch

        if self.to is None:
            return outputs[:, 0]
        own = torch.nn.functional.one_hot(self.to, outputs.shape[1]).bool()
        others = outputs.masked_fill(own, -torch.inf).amax(dim=1)
        return outputs.masked_fill(~own, 0.0).sum(dim=1) - others

    def value(self, outputs: Tensor) -> Tensor:
        """How far beyond the aim ``(n,)``, with the last digits of the outputs given for free to
        changes and asked on top of classes."""
        import torch

        digits = 2 * torch.finfo(torch.float32).eps * self.first.abs().amax(dim=1)
        if self.wanted is None:
            return self.score(outputs) - digits - 1e-6
        moved = (outputs[:, 0] - self.first[:, 0]) * self.wanted.sign()
        return moved - self.wanted.abs() * (1 - 1e-6) + digits


@dataclass(frozen=True)
class Search:
    """How structures are changed.

    ``levels``: pixel values of the phases. ``swaps``: as many voxels each way. ``most``: voxels
    that may change. ``beside``: whether only voxels at a boundary are flipped. ``periodic``:
    whether opposite edges meet.
    """

    model: ImageModel
    levels: tuple[float, float]
    swaps: bool
    most: int
    beside: bool
    periodic: bool

    def images(self, phases: Tensor) -> Tensor:
        """Phases, bool ``(n, 1, *grid)``, as the model sees them."""
        low, high = self.levels
        return low + (high - low) * phases.float()

    def outputs(self, phases: Tensor) -> Tensor:
        """What the model answers ``(n, k)``."""
        import torch

        with torch.no_grad():
            return self.model.in_batches(lambda x, _: self.model.module(x), self.images(phases))

    def run(self, phases: Tensor, aim: Aim) -> tuple[Tensor, list[SearchStatus]]:
        """Changed phases ``(n, 1, *grid)``, and how each search ended."""
        import torch

        state = phases.clone()
        status = [SearchStatus.STUCK] * len(phases)
        active = torch.arange(len(phases), device=phases.device)
        while len(active):
            now, part = state[active], aim.take(active)
            value = part.value(self.outputs(now))
            flipped = (now != phases[active]).flatten(1)
            room = (self.most - flipped.sum(dim=1)) // (2 if self.swaps else 1)
            reached, full = value >= 0, room <= 0
            for i in active[full].tolist():
                status[i] = SearchStatus.TOO_MANY
            for i in active[reached].tolist():
                status[i] = SearchStatus.REACHED
            going = ~reached & ~full
            active, now, part = active[going], now[going], part.take(going)
            if not len(active):
                break
            free = ~flipped[going]
            if self.beside:
                free &= beside_the_other(now, self.periodic).flatten(1)
            new = self._further(now, part, value[going], free, room[going])
            state[active] = new
            active = active[(new != now).flatten(1).any(dim=1)]
        self._give_back(state, phases, aim, status)
        return state, status

    def _gains(self, phases: Tensor, aim: Aim) -> Tensor:
        """What the gradient promises that each flip adds to the value ``(n, N)``."""
        import torch

        def slope(x: Tensor, rows: Tensor | None) -> Tensor:
            assert rows is not None
            with torch.enable_grad():
                x = x.detach().requires_grad_()
                value = aim.take(rows).value(self.model.module(x)).sum()
                return torch.autograd.grad(value, x)[0]

        rows = torch.arange(len(phases), device=phases.device)
        slopes = self.model.in_batches(slope, self.images(phases), rows)
        low, high = self.levels
        return torch.nan_to_num(slopes * (high - low) * (1 - 2 * phases.float())).flatten(1)

    def _ranks(self, phases: Tensor, gains: Tensor, free: Tensor) -> tuple[Tensor, Tensor]:
        """Rank of each voxel by its gain ``(n, N)``, N where it may not flip; and the gain of each
        rank ``(n, N)``, −∞ where there is none. For swaps each phase has ranks of its own, and a
        swap takes the voxels of equal rank."""
        import torch

        phase, most = phases.flatten(1), gains.shape[1]
        sides = (phase, ~phase) if self.swaps else (torch.ones_like(phase),)
        rank = torch.full_like(gains, most, dtype=torch.long)
        total = torch.zeros_like(gains)
        for side in sides:
            mine = gains.masked_fill(~(free & side), -torch.inf)
            order = mine.sort(dim=1, descending=True, stable=True)
            rank = torch.where(free & side, order.indices.argsort(dim=1), rank)
            total = total + order.values
        return rank.masked_fill(rank >= torch.isfinite(total).sum(1, keepdim=True), most), total

    def _further(self, now: Tensor, aim: Aim, value: Tensor, free: Tensor, room: Tensor) -> Tensor:
        """One batch of flips further; unchanged where none that was tried adds to the value."""
        import torch

        gains = self._gains(now, aim)
        rank, gain = self._ranks(now, gains, free)
        promised = gain.clamp(min=0).cumsum(dim=1)
        needed = (promised < -value[:, None]).sum(dim=1) + 1
        useful = torch.minimum((gain > 0).sum(dim=1), room)
        size = torch.minimum((needed + PART - 1) // PART, useful)
        new, best = now.clone(), value.clone()
        while bool((size > 0).any()):
            trial = _with_first(now, rank, size)
            found = torch.where(size > 0, aim.value(self.outputs(trial)), -torch.inf)
            better = found > best
            new = torch.where(_wide(better, now), trial, new)
            best = torch.where(better, found, best)
            enough = value + KEPT * promised.gather(1, (size - 1).clamp(min=0)[:, None])[:, 0]
            size = torch.where((found >= 0) | (found >= enough), 0, size // 2)
        for i in torch.nonzero(best <= value)[:, 0].tolist():
            new[i] = self._one_by_one(now[i], aim, i, rank[i], best[i])
        return new

    def _one_by_one(self, now: Tensor, aim: Aim, i: int, rank: Tensor, best: Tensor) -> Tensor:
        """The best of single flips (or swaps) of sample ``i``, where one adds to the value."""
        import torch

        count = int(torch.where(rank < len(rank), rank, -1).max()) + 1
        number = torch.arange(min(TRIED, count), device=now.device)
        if not len(number):
            return now
        trial = now ^ (rank == number[:, None]).view(-1, *now.shape)
        found = aim.take(torch.full_like(number, i)).value(self.outputs(trial))
        return trial[found.argmax()] if bool(found.max() > best) else now

    def _give_back(
        self, state: Tensor, phases: Tensor, aim: Aim, status: list[SearchStatus]
    ) -> None:
        """Undo flips that the aim does not need, where ``status`` says that it is reached."""
        import torch

        reached = [i for i, s in enumerate(status) if s is SearchStatus.REACHED]
        active = torch.tensor(reached, dtype=torch.long, device=phases.device)
        while len(active):
            now, part = state[active], aim.take(active)
            flipped = now != phases[active]
            rank, _ = self._ranks(now, self._gains(now, part), flipped.flatten(1))
            size = torch.zeros(len(now), dtype=torch.long, device=now.device)
            gone = torch.where(rank < rank.shape[1], rank, -1).amax(dim=1) + 1  # never fine
            while bool((gone - size > 1).any()):
                middle = (size + gone) // 2
                trial = _with_first(now, rank, middle)
                fine = part.value(self.outputs(trial)) >= 0
                if self.beside:
                    fine &= rooted(trial != phases[active], phases[active], self.periodic)
                size = torch.where(fine, middle, size)
                gone = torch.where(fine, gone, middle)
            state[active] = _with_first(now, rank, size)
            active = active[size > 0]


def _with_first(phases: Tensor, rank: Tensor, size: Tensor) -> Tensor:
    """Phases with the voxels of rank below ``size`` ``(n,)`` flipped."""
    return phases ^ (rank < size[:, None]).view_as(phases)


def _wide(flag: Tensor, like: Tensor) -> Tensor:
    """``(n,)`` as ``(n, 1, …)``."""
    return flag.view(-1, *(1 for _ in like.shape[1:]))


def _neighbours(x: Tensor, periodic: bool) -> list[Tensor]:
    """``x`` ``(n, 1, *grid)`` seen from the next voxel along each axis, both ways; beyond an edge
    that does not meet another, the voxel itself."""
    found = []
    for axis in range(2, x.ndim):
        for step in (1, -1):
            moved = x.roll(step, axis)
            if not periodic:
                edge = 0 if step == 1 else x.shape[axis] - 1
                moved.select(axis, edge).copy_(x.select(axis, edge))
            found.append(moved)
    return found


def beside_the_other(phases: Tensor, periodic: bool) -> Tensor:
    """Which voxels ``(n, 1, *grid)`` have a neighbour of the other phase."""
    found = phases ^ phases
    for neighbour in _neighbours(phases, periodic):
        found = found | (neighbour != phases)
    return found


def rooted(changed: Tensor, phases: Tensor, periodic: bool) -> Tensor:
    """Whether all ``changed`` voxels ``(n, 1, *grid)`` hang together with a boundary of ``phases``:
    ``(n,)``, true where nothing changed."""
    held = changed & beside_the_other(phases, periodic)
    while True:
        wider = held.clone()
        for neighbour in _neighbours(held, periodic):
            wider |= neighbour & changed
        if bool((wider == held).all()):
            return (held == changed).flatten(1).all(dim=1)
        held = wider


def found_flags(status: list[SearchStatus]) -> np.ndarray:
    """Bool ``(n,)``: where the aim is reached."""
    return np.array([s is SearchStatus.REACHED for s in status], bool)
