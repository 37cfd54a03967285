"""Pre-train the micrograph encoder on the project's own generators; write the packaged weights.

    python scripts/pretrain_micrographs.py scratch --steps 2400 --device auto --minutes 60

1. A pool of structures is generated once (``scratch/pool.npz``): every generator, factors drawn
   evenly over their ranges, lengths also magnified by up to 4, maps of 128², 192² and 256².
2. Every step draws pairs of windows of the same structures at random magnification and angle,
   some with a second structure inside one phase, and renders each window in its own way
   (:mod:`iceframe.physics.imaging`).
3. The network answers what the simulation knows: which generator made the structure (and which the
   one inside), its factors, and measures of the window itself before imaging (autocorrelation,
   amount of interface, direction, share of bright). The two windows of a structure must also be
   found among those of all others (InfoNCE), so that the latents forget the imaging.
4. The latents are those directions of the pooled features that tell structures apart most, for
   what two pictures of one structure differ: Fisher's discriminants, on pairs of their own.
5. Checkpoints (``scratch/checkpoint``) are resumed; with ``--minutes`` the script stops there and
   a second call goes on. At the end weights and model card are written to the package, and the
   card's page to the documentation.

Every number that is drawn follows from the seed; sums in bfloat16 differ between processors, so
that weights made elsewhere are equally good but not equal. No real image is read.

Reference for the contrastive term: van den Oord et al. 2018, https://arxiv.org/abs/1807.03748.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import multiprocessing
import platform
import time
from collections import deque
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.numpy import save
from torch import Tensor, nn

from iceframe.core.seeds import derive_seed, stream
from iceframe.physics.generator import GENERATORS, Factor
from iceframe.physics.imaging import Imaging, grey_levels, micrographs, windows
from iceframe.scale.micrograph_network import (
    DEPTHS,
    WIDTHS,
    MicrographNetwork,
    discriminants,
    folded,
)
from iceframe.scale.storage import load_state, save_state
from iceframe.scale.training import resolve_device

ROOT = Path(__file__).parents[1]
WEIGHTS = ROOT / "src/iceframe/scale/weights"
PAGE = ROOT / "docs/reference/micrograph-encoder.md"
LIMITS = (
    "It knows the structures that the generators make: particles, fibres, lamellae, grains, pores, "
    "cracks, spinodal and random fields, and one such structure inside another. Twins, dendrites, "
    "fracture surfaces, weld beads and whatever else has no generator were never seen.",
    "Images are seen at the resolution they come in. Structures of about 3 to 60 pixels were shown "
    "in training; much coarser or finer ones should be reduced (`factor`) or cropped first.",
    "A magnification is not undone: where it differs between images, so do their latents.",
    "Brightness and contrast make no difference. Inverted contrast does, where texture or edges "
    "tell which phase is which.",
    "The imaging is drawn at random, not modelled after an instrument. Banners, scale bars and "
    "text were never shown: crop them.",
    "Two-dimensional images of at least 32 pixels a side; channels are averaged.",
    "Trained for minutes on a processor, not for days: larger models trained on real photographs "
    "are likely to say more where they may be downloaded.",
)
SIDES = (128, 192, 256)
MAGNIFIED = (0.6, 4.0)
CIRCULAR = ("angle", "tilt")
GRAINS = 7
"""Grey levels that grains share."""
INSIDE = 20
"""First code of the phases of a structure inside another; below are grains and phases."""
LAGS = (1, 2, 3, 5, 8, 12, 18, 23)
LATENTS = 160
AXES_BATCHES, SHRINKAGE = 120, 0.1
"""For the directions of the latents: batches of pairs, and shrinkage."""
CHECKPOINT_STEPS = 100
POOL = "pool.npz"


@dataclass(frozen=True)
class Recipe:
    """Everything that decides the weights."""

    structures: int = 4500
    steps: int = 2400
    pairs: int = 24
    sizes: tuple[int, ...] = (64, 80, 96)
    zoom: tuple[float, float] = (0.6, 1.6)
    zoom_between_views: float = 1.25
    nested: float = 0.35
    grains: float = 0.6
    warm_up: int = 150
    decay: int = 300
    learning_rate: float = 1.5e-3
    weight_decay: float = 0.02
    temperature: float = 0.15
    contrastive: float = 0.3
    seed: int = 0

    def rate(self, step: int) -> float:
        """Learning rate: a rise, a plateau, and a linear fall over the last ``decay`` steps.

        A checkpoint from the plateau may be continued to any number of steps (Hägele et al. 2024,
        https://arxiv.org/abs/2405.18392).
        """
        rise, fall = (step + 1) / self.warm_up, (self.steps - step) / self.decay
        return self.learning_rate * min(1.0, rise, fall)

    @property
    def fixed(self) -> dict[str, object]:
        """What a checkpoint must agree with: everything but the number of steps."""
        return {k: v for k, v in json.loads(json.dumps(asdict(self))).items() if k != "steps"}


class Pool:
    """Structures, and what is true of them."""

    def __init__(self, file: Path, recipe: Recipe) -> None:
        names = [n for n in GENERATORS.names() if 2 in GENERATORS[n].dimensions]
        self.names = tuple(names)
        self.factors = [
            (name, factor)
            for name in names
            for factor in GENERATORS[name].factors
            if 2 in factor.dimensions and factor.name not in CIRCULAR
        ]
        if not file.exists():
            generated(self, file, recipe)
        held = np.load(file)
        self.maps = [held[f"phases{side}"] for side in SIDES]
        self.grains = [held[f"grains{side}"] for side in SIDES]
        self.where, self.kind, self.values = held["where"], held["kind"], held["values"]
        self.is_length = np.array([f.unit == "voxel" for _, f in self.factors])
        self.centre, self.width = scale_of(self.values)

    def __len__(self) -> int:
        return len(self.kind)

    def targets(self, index: np.ndarray, zoom: np.ndarray) -> np.ndarray:
        """Standardised factors ``(b, k)`` as the window shows them; NaN of other generators."""
        seen = self.values[index] + self.is_length * np.log(zoom)[:, None]
        return (seen - self.centre) / self.width


def scale_of(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    return np.nanmean(values, axis=0), np.maximum(np.nanstd(values, axis=0), 1e-6)


def drawn(factor: Factor, rng: np.random.Generator, n: int, magnified: np.ndarray) -> np.ndarray:
    """Values of a factor over its range; lengths are magnified as far as the generator allows."""
    if factor.whole:
        return rng.integers(int(factor.low), int(factor.high) + 1, n).astype(float)
    value = rng.uniform(factor.low, factor.high, n)
    if factor.unit == "voxel":
        value = value * magnified
    return np.clip(value, factor.minimum, factor.maximum)


def generated(pool: Pool, file: Path, recipe: Recipe) -> None:
    """Generate the structures and write them."""
    each = recipe.structures // (len(pool.names) * len(SIDES))
    content, where, kinds, rows = {}, [], [], []
    for part, side in enumerate(SIDES):
        maps, grains = [], []
        for code, name in enumerate(pool.names):
            start = time.perf_counter()
            rng = stream(recipe.seed, "factors", name, side)
            magnified = np.exp(rng.uniform(*np.log(MAGNIFIED), each))
            kind = GENERATORS[name]
            factors = {f.name: drawn(f, rng, each, magnified) for f in kind.factors
                       if 2 in f.dimensions}  # fmt: skip
            made = kind().generate(
                each, (side, side), seed=derive_seed(recipe.seed, name, side), **factors
            )
            maps.append(made.phases)
            empty = np.zeros(made.phases.shape, np.uint8)
            grains.append(empty if made.grains is None else (made.grains % GRAINS).astype(np.uint8))
            row = np.full((each, len(pool.factors)), np.nan)
            for column, (owner, factor) in enumerate(pool.factors):
                if owner == name:
                    value = np.asarray(made.factors[factor.name], float)
                    row[:, column] = (
                        np.log(np.maximum(value, 0.5)) if factor.unit == "voxel" else value
                    )
            rows.append(row)
            kinds.append(np.full(each, code))
            print(f"  {each} × {name} {side}²: {time.perf_counter() - start:.1f} s", flush=True)
        content[f"phases{side}"], content[f"grains{side}"] = map(np.concatenate, (maps, grains))
        count = len(content[f"phases{side}"])
        where.append(np.column_stack([np.full(count, part), np.arange(count)]))
    file.parent.mkdir(parents=True, exist_ok=True)
    np.savez(file, where=np.concatenate(where), kind=np.concatenate(kinds),
             values=np.concatenate(rows), **content)  # fmt: skip


@dataclass(frozen=True)
class Batch:
    """Pictures ``(2 b, 1, s, s)``, the two views one after the other, and their targets."""

    pictures: np.ndarray
    kind: np.ndarray
    inside: np.ndarray
    factors: np.ndarray
    measures: np.ndarray


def batch_of(pool: Pool, recipe: Recipe, rng: np.random.Generator) -> Batch:
    """Two windows of each of some structures, rendered in different ways."""
    size = int(rng.choice(recipe.sizes))
    pairs = round(recipe.pairs * (80 / size) ** 1.5)
    hosts, guests = rng.integers(len(pool), size=(2, pairs))
    zoom, guest_zoom = np.exp(rng.uniform(*np.log(recipe.zoom), (2, pairs)))
    nested = rng.random(pairs) < recipe.nested
    as_grains = rng.random(pairs) < recipe.grains
    chosen = rng.random(pairs)  # which of the host's phases holds the guest
    views = []
    for _ in range(2):
        between = np.exp(rng.uniform(-1, 1, pairs) * np.log(recipe.zoom_between_views) / 2)
        shown = zoom * between
        host, grain = pieces(pool, hosts, size, shown, rng)
        guest, _ = pieces(pool, guests, size, guest_zoom * between, rng)
        codes = np.where(host == 0, grain * as_grains[:, None, None], host + GRAINS - 1)
        top = host.reshape(pairs, -1).max(axis=1)
        holder = np.floor(chosen * (top + 1)).astype(int)
        within = nested[:, None, None] & (host == holder[:, None, None])
        codes = np.where(within, guest + INSIDE, codes).astype(np.uint8)
        levels = grey_levels(codes, rng, Imaging().contrast)
        levels = inside_levels(levels, holder, nested, rng)
        clean = levels[np.arange(pairs)[:, None, None], codes]
        seen = micrographs(codes, rng, levels=levels)
        visible = within.reshape(pairs, -1).mean(axis=1) > 0.1
        views.append(
            Batch(
                seen[:, None],
                pool.kind[hosts],
                np.where(visible, pool.kind[guests], len(pool.names)),
                pool.targets(hosts, shown),
                measured(clean),
            )
        )
    return Batch(*(np.concatenate([getattr(v, f) for v in views]) for f in Batch.__annotations__))


_POOL: list[Pool] = []  # of a rendering process


def _load_pool(file: Path, recipe: Recipe) -> None:
    _POOL[:] = [Pool(file, recipe)]


def _rendered(recipe: Recipe, step: int) -> Batch:
    return batch_of(_POOL[0], recipe, stream(recipe.seed, "step", step))


def batches(file: Path, recipe: Recipe, first: int, workers: int) -> Iterator[Batch]:
    """The batches of the steps from ``first``, made here or ahead of time by other processes."""
    steps = iter(range(first, recipe.steps))
    if not workers:
        _load_pool(file, recipe)
        yield from (_rendered(recipe, step) for step in steps)
        return
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(workers, context, _load_pool, (file, recipe)) as pool:
        ahead = deque(pool.submit(_rendered, recipe, s) for s in islice(steps, 2 * workers))
        while ahead:
            yield ahead.popleft().result()
            ahead.extend(pool.submit(_rendered, recipe, s) for s in islice(steps, 1))


def pieces(
    pool: Pool, index: np.ndarray, size: int, zoom: np.ndarray, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Windows of phases and of grains ``(b, size, size)``."""
    phases = np.empty((len(index), size, size), np.uint8)
    grains = np.empty_like(phases)
    for part in range(len(SIDES)):
        mine = np.flatnonzero(pool.where[index, 0] == part)
        if not len(mine):
            continue
        place = pool.where[index[mine], 1]
        both = pool.maps[part][place] + 16 * pool.grains[part][place]
        found = windows(both, (size, size), rng, zoom=zoom[mine])
        phases[mine], grains[mine] = found % 16, found // 16
    return phases, grains


def inside_levels(
    levels: np.ndarray, holder: np.ndarray, nested: np.ndarray, rng: np.random.Generator
) -> np.ndarray:
    """Grey levels where what is inside a phase differs less than the phases do, mostly."""
    if levels.shape[1] <= INSIDE:
        return levels
    rows = np.flatnonzero(nested)
    column = np.where(holder[rows] == 0, 0, holder[rows] + GRAINS - 1)
    about = levels[rows, column][:, None]
    strength = rng.uniform(0.2, 1.0, (len(rows), 1))
    levels = levels.copy()
    levels[rows, INSIDE:] = about + strength * (levels[rows, INSIDE:] - about)
    return np.clip(levels, 0, 1).astype(np.float32)


def measured(clean: np.ndarray) -> np.ndarray:
    """What the window shows before imaging ``(b, 15)``; 0 for a window of one grey level.

    Autocorrelation at some lags, averaged over the half plane ``dx >= 0`` (in which shifts along y
    count twice); the logarithm of the mean squared slope (the amount of interface); direction and
    anisotropy from the structure tensor; moments of the grey levels (which phase prevails).
    """
    height, width = clean.shape[1:]
    flat = clean.std(axis=(1, 2)) < 1e-4
    x = clean - clean.mean(axis=(1, 2), keepdims=True)
    x = x / np.where(flat, 1, clean.std(axis=(1, 2)))[:, None, None]
    reach = max(LAGS) + 1
    padded = (height + reach, width + reach)
    both = np.fft.irfft2(np.abs(np.fft.rfft2(x, s=padded)) ** 2, s=padded)
    dy, dx = np.meshgrid(np.arange(-reach + 1, reach), np.arange(reach), indexing="ij")
    auto = both[:, dy, dx] / ((height - np.abs(dy)) * (width - np.abs(dx)))
    radius = np.hypot(dy, dx)
    rings = [auto[:, np.abs(radius - r) < 0.7].mean(axis=1) for r in LAGS]
    down, along = np.diff(x, axis=1)[:, :, 1:], np.diff(x, axis=2)[:, 1:]
    yy, xx = (down * down).mean(axis=(1, 2)), (along * along).mean(axis=(1, 2))
    xy = (down * along).mean(axis=(1, 2))
    total = xx + yy + 1e-6
    square = x * x
    columns = [
        *rings,
        np.log(total + 1e-3),
        (xx - yy) / total,
        2 * xy / total,
        np.hypot(xx - yy, 2 * xy) / total,
        np.clip((square * x).mean(axis=(1, 2)), -4, 4),
        np.abs(x).mean(axis=(1, 2)),
        (square * square).mean(axis=(1, 2)) ** 0.25,
    ]
    values = np.column_stack(columns)
    values[flat] = 0
    return values.astype(np.float32)


class Learner(nn.Module):
    """The network, and the heads that are left behind after training."""

    def __init__(self, kinds: int, factors: int, measures: int) -> None:
        super().__init__()
        self.network = MicrographNetwork(normalised=True)
        latents = 2 * sum(WIDTHS)
        self.neck = nn.Sequential(nn.BatchNorm1d(latents), nn.Linear(latents, 384), nn.ReLU())
        self.kind, self.inside = nn.Linear(384, kinds), nn.Linear(384, kinds + 1)
        self.factors, self.measures = nn.Linear(384, factors), nn.Linear(384, measures)
        self.projector = nn.Sequential(nn.Linear(384, 256), nn.ReLU(), nn.Linear(256, 96))

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        z = self.neck(self.network(x))
        heads = ("kind", "inside", "factors", "measures", "projector")
        return {head: getattr(self, head)(z).float() for head in heads}


def losses(
    answer: dict[str, Tensor], truth: dict[str, Tensor], recipe: Recipe
) -> dict[str, Tensor]:
    known = truth["factors"].isfinite()
    off = nn.functional.huber_loss(
        answer["factors"], truth["factors"].nan_to_num(), reduction="none"
    )
    u = nn.functional.normalize(answer["projector"], dim=1)
    n = len(u)
    alike = (u @ u.T / recipe.temperature).fill_diagonal_(-torch.inf)
    other = torch.arange(n, device=u.device).roll(n // 2)
    cross = nn.functional.cross_entropy
    return {
        "kind": cross(answer["kind"], truth["kind"], label_smoothing=0.05),
        "inside": 0.3 * cross(answer["inside"], truth["inside"], label_smoothing=0.05),
        "factors": 2 * off[known].mean(),
        "measures": 2 * nn.functional.huber_loss(answer["measures"], truth["measures"]),
        "pairs": recipe.contrastive * cross(alike, other),
    }


def train(
    pool: Pool, recipe: Recipe, scratch: Path, device: torch.device, minutes: float, workers: int
) -> bool:
    """Go on from the checkpoint; whether the last step was reached."""
    begun = time.perf_counter()
    rng = stream(recipe.seed, "scale of the measures")
    sample = np.concatenate([batch_of(pool, recipe, rng).measures for _ in range(8)])
    centre, width = scale_of(sample)
    torch.manual_seed(derive_seed(recipe.seed, "weights"))
    learner = Learner(len(pool.names), len(pool.factors), sample.shape[1]).to(device)
    learner.to(memory_format=torch.channels_last)
    optimiser = torch.optim.AdamW(learner.parameters(), lr=1, weight_decay=recipe.weight_decay)
    first = resume(learner, optimiser, scratch / "checkpoint", recipe)
    learner.train()
    means: dict[str, float] = {}
    made_ahead = batches(scratch / POOL, recipe, first, workers)
    for step, made in enumerate(made_ahead, start=first):
        truth = {
            "kind": torch.as_tensor(made.kind),
            "inside": torch.as_tensor(made.inside),
            "factors": torch.as_tensor(made.factors, dtype=torch.float32),
            "measures": torch.as_tensor((made.measures - centre) / width),
        }
        truth = {name: value.to(device) for name, value in truth.items()}
        for group in optimiser.param_groups:
            group["lr"] = recipe.rate(step)
        x = torch.as_tensor(made.pictures).to(device, memory_format=torch.channels_last)
        with torch.autocast(device.type, dtype=torch.bfloat16):
            answer = learner(x)
        parts = losses(answer, truth, recipe)
        optimiser.zero_grad()
        torch.stack(list(parts.values())).sum().backward()
        nn.utils.clip_grad_norm_(learner.parameters(), 5.0)
        optimiser.step()
        right = float((answer["kind"].argmax(1) == truth["kind"]).float().mean())
        for name, value in [*((k, float(v.detach())) for k, v in parts.items()), ("right", right)]:
            means[name] = 0.98 * means.get(name, value) + 0.02 * value
        elapsed = time.perf_counter() - begun
        if step % 20 == 19:
            told = ", ".join(f"{name} {value:.3f}" for name, value in means.items())
            print(f"step {step + 1}/{recipe.steps}, {elapsed:.0f} s: {told}", flush=True)
        last = step + 1 == recipe.steps or elapsed > 60 * minutes
        if step % CHECKPOINT_STEPS == CHECKPOINT_STEPS - 1 or last:
            keep(learner, optimiser, scratch / "checkpoint", recipe, step + 1, means)
        if last:
            made_ahead.close()
            return step + 1 == recipe.steps
    return True


def keep(
    learner: Learner,
    optimiser: torch.optim.Optimizer,
    folder: Path,
    recipe: Recipe,
    step: int,
    means: dict[str, float],
) -> None:
    arrays = {f"model:{k}": v.detach().cpu().numpy() for k, v in learner.state_dict().items()}
    for i, held in optimiser.state_dict()["state"].items():
        arrays |= {f"optimiser:{i}:{k}": v.cpu().numpy() for k, v in held.items()}
    save_state(arrays, {"recipe": recipe.fixed, "step": step, "means": means}, folder)


def resume(learner: Learner, optimiser: torch.optim.Optimizer, folder: Path, recipe: Recipe) -> int:
    """Become what the checkpoint holds; the number of steps done."""
    if not (folder / "state.json").exists():
        return 0
    arrays, values = load_state(folder)
    if values["recipe"] != recipe.fixed:
        raise SystemExit(f"The checkpoint in {folder} was made by another recipe; delete it.")
    tensors = {name: torch.as_tensor(np.array(array)) for name, array in arrays.items()}
    learner.load_state_dict(
        {k.removeprefix("model:"): v for k, v in tensors.items() if k.startswith("model:")}
    )
    state = optimiser.state_dict()
    for name, value in tensors.items():
        if name.startswith("optimiser:"):
            _, i, key = name.split(":")
            state["state"].setdefault(int(i), {})[key] = value
    optimiser.load_state_dict(state)
    return int(values["step"])


def trained(scratch: Path) -> tuple[MicrographNetwork, dict[str, Any]]:
    """The network that the checkpoint holds, as in training, and what is known of it."""
    arrays, values = load_state(scratch / "checkpoint")
    network = MicrographNetwork(normalised=True)
    start = "model:network."
    network.load_state_dict(
        {
            name.removeprefix(start): torch.as_tensor(np.array(value))
            for name, value in arrays.items()
            if name.startswith(start)
        }
    )
    return network.eval(), values


def export(pool: Pool, recipe: Recipe, scratch: Path, device: torch.device) -> None:
    """Weights for use (float16, normalisation folded in) and the model card's facts."""
    network, values = trained(scratch)
    plain = folded(network).to(device, memory_format=torch.channels_last)
    axes, shift = axes_of(plain, pool, recipe, device)
    held = {k: v.cpu().numpy().astype(np.float16) for k, v in plain.state_dict().items()}
    held |= {"axes.weight": axes.astype(np.float32), "axes.bias": shift.astype(np.float32)}
    # safetensors writes arrays as they lie in memory, and those of the network lie channels last.
    weights = {name: np.asarray(value, order="C") for name, value in held.items()}
    WEIGHTS.mkdir(exist_ok=True)
    file = WEIGHTS / "micrographs.safetensors"
    file.write_bytes(save(weights))
    card = {
        "name": "micrographs",
        "file": {
            "sha256": hashlib.sha256(file.read_bytes()).hexdigest(),
            "bytes": file.stat().st_size,
            "parameters": sum(v.size for v in weights.values()),
            "number type": "float16, of the last layer float32",
        },
        "network": {"widths": WIDTHS, "depths": DEPTHS, "latents": LATENTS},
        "generators": pool.names,
        "recipe": asdict(recipe)
        | {"structures": len(pool), "steps": values["step"], "magnified": MAGNIFIED}
        | {"sides": SIDES, "axes_batches": AXES_BATCHES, "shrinkage": SHRINKAGE},
        "imaging": asdict(Imaging()),
        "losses at the end": {k: round(v, 4) for k, v in values["means"].items()},
        "trained on": f"{device.type}, bfloat16 where torch does so by itself",
        "versions": {
            "python": platform.python_version(),
            "torch": torch.__version__,
            "numpy": np.__version__,
        },
        "limits": LIMITS,
        "licence": "BSD-3-Clause, as the package; all training data were generated by it",
    }
    card = json.loads(json.dumps(card))
    (WEIGHTS / "micrographs.json").write_text(json.dumps(card, indent=1) + "\n")
    PAGE.write_text(page(card))
    print(f"wrote {file}, its card and {PAGE}")


def axes_of(
    network: MicrographNetwork, pool: Pool, recipe: Recipe, device: torch.device
) -> tuple[np.ndarray, np.ndarray]:
    """Directions and shift of the latents, from pictures that were not trained on."""
    pairs: tuple[list[np.ndarray], list[np.ndarray]] = ([], [])
    with torch.inference_mode():
        for i in range(AXES_BATCHES):
            made = batch_of(pool, recipe, stream(recipe.seed, "axes", i))
            found = network(torch.as_tensor(made.pictures).to(device)).cpu().numpy()
            for views, half in zip(pairs, np.split(found, 2), strict=True):
                views.append(half)
    first, second = (np.concatenate(views) for views in pairs)
    return discriminants(first, second, LATENTS, SHRINKAGE)


def page(card: dict[str, Any]) -> str:
    """The model card as a page of the documentation."""

    def table(rows: dict[str, Any]) -> str:
        lines = (f"| {name.replace('_', ' ')} | {shown(value)} |" for name, value in rows.items())
        return "\n".join(["| | |", "|---|---|", *lines])

    def shown(value: Any) -> str:
        return " to ".join(map(str, value)) if isinstance(value, list) else str(value)

    recipe = dict(card["recipe"])
    lists = {name: ", ".join(map(str, recipe[name])) for name in ("sizes", "sides")}
    network = {name: ", ".join(map(str, np.atleast_1d(v))) for name, v in card["network"].items()}
    kinds, latents = card["generators"], card["network"]["latents"]
    generators = ", ".join(f"`{name}`" for name in kinds)
    versions = ", ".join(f"{k} {v}" for k, v in card["versions"].items())
    losses_told = ", ".join(f"{k} {v}" for k, v in card["losses at the end"].items())
    limits = "\n".join(f"- {text}" for text in card["limits"])
    return f"""# The pre-trained micrograph encoder

The encoder `micrographs` travels with the package and needs no download: a residual network that
turns a grey image into {latents} latents. `fit` notes the format of the images and learns nothing.
This page is written by `scripts/pretrain_micrographs.py` from
`src/iceframe/scale/weights/micrographs.json`.

```python
import numpy as np
from iceframe.scale.encoder import ENCODERS

images = np.random.default_rng(0).random((4, 1, 64, 80))
latents = ENCODERS["micrographs"]().fit(images).encode(images)
print(latents.shape)
```

## Data

Simulated structures only, no real image: {recipe["structures"]} maps made by {len(kinds)}
generators ({generators}), factors drawn evenly over their ranges and lengths magnified. Windows of
them are rendered as micrographs with random grey levels, texture, edges, relief, charging,
scratches, light, blur, noise and tone (`iceframe.physics.imaging`), strengths up to:

{table(card["imaging"])}

## Recipe

Two windows of each structure, each rendered in its own way. The network tells the generator (and
the one of a structure inside the first), its factors, and measures of the window before imaging;
and it finds the two windows of a structure among those of all others. AdamW; the heads are left
behind. The features are the mean and the spread of every channel over the image, after each stage;
the latents are Fisher's discriminants of them between structures, on other pairs of windows.

{table(recipe | lists)}

Trained on: {card["trained on"]}. Versions: {versions}.
Running means at the end: {losses_told} (`right`: share of the generators told rightly, of
{len(kinds)}).

## Network and file

{table(network | card["file"])}

## Limits

{limits}

What it reaches on real images it has never seen: `benchmarks/micrograph_encoder.py`, and
[measured results](../results.md).

## Licence

{card["licence"]}.
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("scratch", type=Path, help="folder for the pool and the checkpoints")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--minutes", type=float, default=np.inf, help="stop after this long")
    parser.add_argument("--workers", type=int, default=0, help="processes that render ahead")
    parser.add_argument("--structures", type=int, default=Recipe.structures)
    parser.add_argument("--steps", type=int, default=Recipe.steps)
    parser.add_argument("--seed", type=int, default=Recipe.seed)
    given = parser.parse_args()
    recipe = Recipe(structures=given.structures, steps=given.steps, seed=given.seed)
    device = resolve_device(given.device)
    pool = Pool(given.scratch / POOL, recipe)
    print(f"{len(pool)} structures of {len(pool.names)} generators", flush=True)
    if train(pool, recipe, given.scratch, device, given.minutes, given.workers):
        export(pool, recipe, given.scratch, device)
    else:
        print("stopped in time; call again to go on")


if __name__ == "__main__":
    main()
