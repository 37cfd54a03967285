"""Fit an encoder to the images of a data set, keep it, and use it on new images.

::

    ENCODING/
      encoding.json         what was asked, of which data, how the fit ended; written last
      encoder/              the fitted encoder: safetensors and JSON
      latents.csv           one row a sample: id, latents
      disentanglement.csv   where factors are known: every score with its interval

The encoder sees no target. Factors are the columns that are named, or those that a simulation
varied; an encoder that needs factors and has none gets descriptors measured on the images. The
scores are of the images that were learned from.
"""

from __future__ import annotations

import inspect
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from iceframe.core.dataset import Dataset, ImageSource
from iceframe.core.errors import InputError, UsageError
from iceframe.core.files import read_json, replacing, write_json
from iceframe.core.hashing import content_hash
from iceframe.core.values import Representation
from iceframe.ingest.reading import read
from iceframe.ingest.roles import require_column
from iceframe.ingest.sidecar import load as sidecar_of
from iceframe.ingest.simulated import LAYOUT, is_simulated, open_simulated
from iceframe.scale.encoder import ENCODERS, Encoder

HEADER = "encoding.json"
ENCODER = "encoder"
LATENTS = "latents.csv"
SCORES = "disentanglement.csv"
FORMAT = 1

OF_IMAGES = (
    "size", "fit", "pages", "max_pixels", "kind", "levels", "periodic", "encoding", "drop_invalid",
)  # fmt: skip
"""What of the reading decides how an image looks; new images need no columns."""

LEAST_SCORED = 50
MOST_SCORED = 1000
"""Samples that are scored at most: more narrow the intervals little, and take minutes."""


@dataclass(frozen=True)
class EncodingProgress:
    """``done`` of ``total`` epochs or images; ``remaining`` seconds once something is known."""

    stage: str
    done: int
    total: int
    remaining: float | None


Watch = Callable[[EncodingProgress], None]


@dataclass(frozen=True)
class Factors:
    """Named factors of the samples; ``classes`` are the columns of ``values`` that are codes."""

    values: np.ndarray
    names: tuple[str, ...]
    units: tuple[str, ...]
    classes: tuple[int, ...] = ()
    notes: tuple[str, ...] = field(default=())

    def numbers(self) -> Representation:
        """The factors that are numbers, for an encoder."""
        kept = [j for j in range(len(self.names)) if j not in self.classes]
        return Representation(
            self.values[:, kept],
            tuple(self.names[j] for j in kept),
            tuple(self.units[j] for j in kept),
        )


class Encoding:
    """A fitted encoder and its latents, on disk. ``folder``: where; ``header``: what was asked."""

    def __init__(self, folder: Path, header: Mapping[str, Any]) -> None:
        self.folder, self.header = folder, header

    @cached_property
    def encoder(self) -> Encoder:
        """The fitted encoder."""
        return Encoder.load(self.folder / ENCODER)

    @cached_property
    def latents(self) -> pd.DataFrame:
        """Latents of the images that were learned from, indexed by sample id."""
        path = self.folder / LATENTS
        return pd.read_csv(path, index_col="id", dtype={"id": str}, float_precision="round_trip")

    @cached_property
    def scores(self) -> pd.DataFrame | None:
        """Disentanglement: score, value, low, high, chance, …; ``None`` without factors."""
        path = self.folder / SCORES
        return pd.read_csv(path).fillna({"warning": ""}) if path.exists() else None

    def encode(
        self, new: Dataset | str | Path | pd.DataFrame, watch: Watch | None = None
    ) -> pd.DataFrame:
        """Latents of new images, indexed by sample id.

        Raises
        ------
        InputError : images of another size, channel count or kind than those learned from.
        """
        data = new if isinstance(new, Dataset) else self._read_like(new)
        return latents_of(self.encoder, images_of(data), data.ids, watch)

    def _read_like(self, new: str | Path | pd.DataFrame) -> Dataset:
        """Read as the images of the fit were. What the new data say themselves counts: their kind,
        where they state it, and their size, where those of the fit were not brought to one."""
        recipe = dict(self.header["reading"])
        kind = recipe.pop("kind", None)
        if "fit" not in recipe:
            recipe.pop("size", None)
        stated = not isinstance(new, pd.DataFrame) and _states_kind(Path(new))
        return read(new, require_target=False, **recipe, kind=None if stated else kind)


def encode(
    data: Dataset | str | Path | pd.DataFrame,
    *,
    encoder: str,
    out: str | Path,
    latents: int | None = None,
    epochs: int | None = None,
    factors: Sequence[str] | None = None,
    seed: int = 0,
    device: str = "auto",
    watch: Watch | None = None,
) -> Encoding:
    """Fit an encoder to the images of ``data`` and store it with their latents.

    Parameters
    ----------
    data : a data set, or what :func:`iceframe.read` can read; a target is not needed.
    encoder : a name; see ``iceframe list encoders``.
    out : folder to write to. If it holds the same encoding already, that is returned.
    latents, epochs : how many numbers stand for an image, how often training passes over them; by
        default the encoder's own.
    factors : columns that made the images differ, to score the latents by; by default those that a
        simulation varied.
    device : auto (CUDA where there is one), cpu, cuda.
    watch : called with an :class:`EncodingProgress` after every epoch and batch.

    Raises
    ------
    InputError : no images, too few, all constant; factors that are no usable columns; another
        encoding in ``out``.
    UsageError : an unknown encoder, or a setting that it does not have.
    """
    dataset = data if isinstance(data, Dataset) else read(data, require_target=False)
    images, folder = images_of(dataset), Path(out)
    kind = ENCODERS[encoder]
    known = _factors(dataset, factors)
    settings = _settings(kind, dataset, latents=latents, epochs=epochs, seed=seed)
    identity = content_hash(
        FORMAT, images.fingerprint, encoder, settings, known.values, list(known.names)
    )
    held = _finished(folder, identity)
    if held is not None:
        return held
    fitted, used = _fitted(kind, {**settings, "device": device}, images, known, watch)
    table = latents_of(fitted, images, dataset.ids, watch)
    scores, notes = _scored(table, known, seed)
    fitted.save(folder / ENCODER)
    _write_csv(table.reset_index(), folder / LATENTS)
    if scores is None:
        (folder / SCORES).unlink(missing_ok=True)
    else:
        _write_csv(scores, folder / SCORES)
    write_json(
        folder / HEADER,
        {
            "format": FORMAT,
            "identity": identity,
            "encoder": encoder,
            "settings": settings,
            "data": {"name": dataset.name, "source": dataset.source, "images": len(images)},
            "reading": {k: v for k, v in dataset.recipe.items() if k in OF_IMAGES},
            "factors": {"names": list(known.names), "units": list(known.units)},
            "aligned": None if used is None else list(used.names),
            "record": getattr(fitted, "record_", {}),
            "notes": [*known.notes, *notes],
            "created": datetime.now().isoformat(timespec="minutes"),
        },
    )
    return open_encoding(folder)


def open_encoding(folder: str | Path) -> Encoding:
    """Open what :func:`encode` wrote.

    Raises
    ------
    InputError : nothing of that kind there, or of a newer version.
    """
    root = Path(folder)
    path = root / HEADER
    if not path.is_file():
        raise InputError(
            "This is not a fitted encoder.",
            where=root,
            allowed="a folder that `iceframe encode` wrote",
            hint="fit one: iceframe encode DATA --encoder NAME --out DIR",
        )
    header = read_json(path)
    if not isinstance(header, dict) or header.get("format") != FORMAT:
        raise InputError(
            "This encoding was stored by another version.",
            where=path,
            allowed=f"format {FORMAT}",
            hint="use the version that wrote it, or fit again",
        )
    return Encoding(root, header)


def latents_of(
    encoder: Encoder, images: ImageSource, ids: np.ndarray, watch: Watch | None = None
) -> pd.DataFrame:
    """Latents of images as a table, indexed by sample id."""
    clock = _Clock("encoding", watch)
    values = encoder.encode(images, progress=lambda done, total: clock.tell(done, total))
    return pd.DataFrame(values, index=pd.Index(ids, name="id"), columns=list(encoder.names))


class _Clock:
    """Tells the progress of one stage, with the time that is left at the pace so far."""

    def __init__(self, stage: str, watch: Watch | None) -> None:
        self.stage, self.watch, self.start = stage, watch, time.monotonic()

    def tell(self, done: int, total: int) -> None:
        if self.watch is not None:
            pace = (time.monotonic() - self.start) / max(done, 1)
            self.watch(EncodingProgress(self.stage, done, total, pace * (total - done)))


def _fitted(
    kind: type[Encoder],
    settings: Mapping[str, Any],
    images: ImageSource,
    known: Factors,
    watch: Watch | None,
) -> tuple[Encoder, Representation | None]:
    """The encoder, and the factors it was aligned with, if any."""
    from iceframe.scale.named_factors import named_factors

    accepted = inspect.signature(kind).parameters
    encoder = kind(**{k: v for k, v in settings.items() if k in accepted})
    used = None
    if kind.uses_factors:
        used = known.numbers()
        if not used.names:  # half of the latents stay free for what the factors do not say
            used = named_factors(images, most=int(getattr(encoder, "latents", 2)) // 2)
    clock = _Clock(f"fitting {kind.name}", watch)
    encoder.fit(images, used, progress=lambda done, total, _: clock.tell(done, total))
    if hasattr(encoder, "device"):
        encoder.device = "auto"  # another machine that loads it may have no CUDA
    return encoder, used


def images_of(data: Dataset) -> ImageSource:
    """The images of a data set, which must have some."""
    if data.images is None:
        raise InputError(
            "This data set has no images, and encoders look at images.",
            where=data.source or data.name,
            hint="give a folder of images, a table that names files, or a simulated data set",
        )
    return data.images


def _settings(kind: type[Encoder], data: Dataset, *, seed: int, **given: Any) -> dict[str, Any]:
    """The constructor's arguments, as JSON values."""
    accepted = inspect.signature(kind).parameters
    for name, value in given.items():
        if value is not None and name not in accepted:
            raise UsageError(
                f"The encoder '{kind.name}' has no setting '{name}'.",
                got=value,
                hint=f"leave --{name} out",
            )
    settings = {name: value for name, value in given.items() if value is not None}
    symmetries = list(data.recipe.get("symmetries", ()))
    if symmetries and "symmetries" in accepted:  # unsaid, an encoder that needs some has its own
        settings["symmetries"] = symmetries
    if "random_state" in accepted:
        settings["random_state"] = seed
    return settings


def _factors(data: Dataset, names: Sequence[str] | None) -> Factors:
    """The factors that are named, or those that a simulation varied and the table holds whole."""
    units = dict(data.units)
    notes: list[str] = []
    if names is None:
        simulated = data.layout == LAYOUT and bool(data.source)
        columns = open_simulated(data.source).manifest["columns"] if simulated else []
        found = [c["name"] for c in columns if c["role"] == "factor" and c["name"] in data.table]
        names = [n for n in found if _usable(data.table[n])]
        left = [n for n in found if n not in names and data.table[n].nunique() > 1]
        if left:
            notes.append(
                f"Not used as factors, since not every sample has them: {', '.join(left)}."
            )
    for name in names:
        require_column(name, [str(c) for c in data.table.columns], "factor")
        if not _usable(data.table[name]):
            raise InputError(
                "This column cannot be a factor: it is constant, or empty in places.",
                where=name,
                hint="leave it out, or leave out the samples where it is not known",
            )
    values, classes = np.zeros((len(data), len(names))), []
    for j, name in enumerate(names):
        column = data.table[name]
        if pd.api.types.is_numeric_dtype(column):
            values[:, j] = column.to_numpy(float)
        else:
            values[:, j] = pd.factorize(column.astype(str), sort=True)[0]
            classes.append(j)
    kept = tuple(units.get(name, "") for name in names)
    return Factors(values, tuple(names), kept, tuple(classes), tuple(notes))


def _usable(column: pd.Series) -> bool:
    if pd.api.types.is_numeric_dtype(column):
        return bool(np.isfinite(column.to_numpy(float)).all()) and column.nunique() > 1
    return bool(column.notna().all()) and column.nunique() > 1


def _scored(
    table: pd.DataFrame, known: Factors, seed: int
) -> tuple[pd.DataFrame | None, list[str]]:
    """Disentanglement of the latents, and what is to be said of it."""
    from iceframe.measure.latents.disentanglement import disentanglement_table

    n = len(table)
    if not known.names:
        return None, []
    if n < LEAST_SCORED:
        return None, [f"Disentanglement is not scored: {n} samples, {LEAST_SCORED} are needed."]
    chosen = np.unique(np.linspace(0, n - 1, min(n, MOST_SCORED)).round().astype(int))
    notes = (
        [f"Disentanglement is scored on {len(chosen)} of {n} samples."] if n > MOST_SCORED else []
    )
    scores = disentanglement_table(
        table.to_numpy()[chosen],
        known.values[chosen],
        classes=known.classes,
        names=known.names,
        seed=seed,
    )
    return scores, notes


def _finished(folder: Path, identity: str) -> Encoding | None:
    """The same encoding, if the folder holds it."""
    if not (folder / HEADER).is_file():
        return None
    held = open_encoding(folder)
    if held.header["identity"] != identity:
        raise InputError(
            "This folder holds another encoding.",
            where=folder,
            got=f"encoder '{held.header['encoder']}' of {held.header['data']['source']}",
            hint="choose another --out, or delete the folder",
        )
    return held


def _states_kind(path: Path) -> bool:
    """Whether data on disk say themselves what kind their images are."""
    if is_simulated(path):
        return True
    folder = path if path.is_dir() else path.parent
    return "kind" in sidecar_of(folder)[0]


def _write_csv(table: pd.DataFrame, path: Path) -> None:
    with replacing(path) as temporary:
        table.to_csv(temporary, index=False)
