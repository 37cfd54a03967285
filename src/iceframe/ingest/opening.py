"""Open a set of image files: check every header, settle one size and one grey scale, say so."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeVar, get_args

import numpy as np

from iceframe.core.dataset import ImageSource
from iceframe.core.errors import InputError, UsageError
from iceframe.ingest.fitting import Fit, common_size, fit_pixels, show
from iceframe.ingest.images import (
    CACHE_BYTES,
    Decoding,
    FolderImages,
    Frame,
    PixelStore,
    decode,
    in_threads,
    inspect,
)
from iceframe.ingest.reader import Header

Pages = Literal["volume", "frames"]
Kind = Literal["grey", "phase"]
T = TypeVar("T")

MAX_PHASES = 16
"""More distinct values than this are grey levels, not phases."""

_NAMED = 5
_TWELVE_BIT = 1 << 12
_SELF_SCALED = ("bool", "uint8", "uint16")
_TRAITS = {
    "colour": "colour images were turned to grey (luma, ITU-R BT.601)",
    "palette": "palette images were looked up and turned to grey",
    "cmyk": "CMYK images were converted to RGB and turned to grey",
    "alpha": "images had an alpha channel; it was ignored",
    "rotated": "images were turned upright as their EXIF orientation says",
}


@dataclass(frozen=True)
class ImageOptions:
    """What the user states about images; see :func:`iceframe.ingest.reading.read`."""

    size: tuple[int, ...] | None = None
    fit: Fit | None = None
    pages: Pages | None = None
    max_pixels: int = 100_000_000
    kind: Kind = "grey"
    periodic: bool = False
    levels: tuple[float, ...] | None = None

    def __post_init__(self) -> None:
        for name, value, allowed in (
            ("fit", self.fit, get_args(Fit)),
            ("pages", self.pages, get_args(Pages)),
            ("kind", self.kind, get_args(Kind)),
        ):
            if value is not None and value not in allowed:
                raise UsageError(
                    f"Unknown value for '{name}'.", got=value, allowed=", ".join(allowed)
                )


@dataclass(frozen=True)
class Opened:
    """The images, the row of the table that each belongs to ``(n,)``, and what was done."""

    images: ImageSource
    rows: np.ndarray
    notes: tuple[str, ...]


def open_images(
    root: Path, files: Sequence[str], pages: Sequence[int | None], options: ImageOptions
) -> Opened:
    """Images for the rows of a table; row ``i`` names ``files[i]`` and perhaps one page of it.

    Raises
    ------
    InputError : damaged or empty files (named), too many pixels, sizes that differ while neither
        ``size`` nor ``fit`` says what to do.
    """
    distinct = list(dict.fromkeys(files))
    headers = dict(zip(distinct, _all(lambda f: inspect(root / f), distinct), strict=True))
    frames, rows, notes = _frames(files, pages, headers, options.pages)
    _limit_pixels(root, frames, options.max_pixels)
    sizes = [_size(frame) for frame in frames]
    _one_kind(sizes)
    size = common_size(sizes, options.size, options.fit)
    notes += _fit_notes(sizes, size, options.fit) + _header_notes(headers)
    dtypes = {frame.header.dtype for frame in frames}
    itemsize = max(np.dtype(dtype).itemsize for dtype in dtypes)
    keep = len(frames) * int(np.prod(size)) * itemsize < CACHE_BYTES
    decoding = Decoding(size, options.fit, options.levels)
    images = FolderImages(
        root, tuple(frames), decoding, options.kind, options.periodic, PixelStore(keep)
    )
    needs_levels = options.kind == "phase" or bool(dtypes - set(_SELF_SCALED))
    if keep or (needs_levels and options.levels is None):
        extremes = _walk(images)
        notes += _shallow_notes(extremes)
        if needs_levels and options.levels is None:
            levels, said = _levels(extremes, options.kind, images)
            decoding = Decoding(size, options.fit, levels)
            notes += said
            images = FolderImages(
                root, tuple(frames), decoding, options.kind, options.periodic, images.store
            )
    return Opened(images, np.asarray(rows, int), tuple(notes))


def _all(work: Callable[[Any], T], items: Sequence[Any]) -> list[T]:
    """``work`` on every item; all failures are told in one error."""
    failures: list[InputError] = []

    def attempt(item: Any) -> Any:
        try:
            return work(item)
        except InputError as error:
            failures.append(error)
            return None

    results = in_threads(attempt, items)
    if len(failures) == 1:
        raise failures[0]
    if failures:
        failures.sort(key=lambda error: str(error.where))
        named = "; ".join(f"{e.where}: {e.what}" for e in failures[:_NAMED])
        more = f"; and {len(failures) - _NAMED} more" if len(failures) > _NAMED else ""
        raise InputError(
            f"{len(failures)} images cannot be used.",
            where=named + more,
            got=failures[0].got,
            allowed=failures[0].allowed,
            hint=failures[0].hint,
        )
    return results


def _frames(
    files: Sequence[str],
    pages: Sequence[int | None],
    headers: dict[str, tuple[Header, int]],
    mode: Pages | None,
) -> tuple[list[Frame], list[int], list[str]]:
    frames: list[Frame] = []
    rows: list[int] = []
    split = volumes = 0
    for row, (file, page) in enumerate(zip(files, pages, strict=True)):
        header, file_bytes = headers[file]
        if page is not None:
            if page >= header.pages:
                raise InputError(
                    "This page is not in the file.",
                    where=f"{file}#{page}",
                    allowed=f"0 to {header.pages - 1}",
                )
            wanted: list[int | None] = [page if header.pages > 1 else None]
        elif header.pages > 1 and mode == "frames":
            wanted = list(range(header.pages))
            split += 1
        else:
            wanted = [None]
            volumes += header.pages > 1
        frames += [Frame(file, number, header, file_bytes) for number in wanted]
        rows += [row] * len(wanted)
    notes = []
    if split:
        notes.append(f"The pages of {split} files became {len(frames)} samples (pages=frames).")
    if volumes and mode is None:
        notes.append(f"{volumes} files of many pages were read as volumes (or state pages=frames).")
    return frames, rows, notes


def _size(frame: Frame) -> tuple[int, ...]:
    header = frame.header
    plane = (header.height, header.width)
    return plane if frame.page is not None or header.pages == 1 else (header.pages, *plane)


def _limit_pixels(root: Path, frames: Sequence[Frame], limit: int) -> None:
    for frame in frames:
        pixels = int(np.prod(_size(frame), dtype=object))
        if pixels > limit:
            raise InputError(
                "This image is too large; a small file can unpack to fill the memory.",
                where=root / frame.file,
                got=f"{show(_size(frame))} = {pixels:,} pixels",
                allowed=f"{limit:,}",
                hint=f"if it is meant, allow it: --max-pixels {pixels}",
            )


def _one_kind(sizes: Sequence[tuple[int, ...]]) -> None:
    if len({len(size) for size in sizes}) > 1:
        counts = Counter("volume" if len(size) == 3 else "image" for size in sizes)
        raise InputError(
            "Images and volumes are mixed.",
            got=", ".join(f"{count} {name}s" for name, count in counts.items()),
            hint="read pages as samples of their own (--pages frames), or part the set",
        )


def _fit_notes(
    sizes: Sequence[tuple[int, ...]], size: tuple[int, ...], fit: Fit | None
) -> list[str]:
    changed = sum(have != size for have in sizes)
    if not changed:
        return []
    done = {"crop": "cropped at the centre", "pad": "padded by mirroring", "resize": "resized"}
    warning = "; their pixels no longer have one physical size" if fit == "resize" else ""
    return [
        f"{changed} of {len(sizes)} images were {done[fit or 'crop']} to {show(size)}{warning}."
    ]


def _header_notes(headers: dict[str, tuple[Header, int]]) -> list[str]:
    counts = Counter(trait for header, _ in headers.values() for trait in header.traits)
    notes = [f"{counts[trait]} {text}." for trait, text in _TRAITS.items() if counts[trait]]
    depths = Counter(f"{header.bits}-bit {header.dtype}" for header, _ in headers.values())
    if len(depths) > 1:
        listed = ", ".join(f"{count} × {name}" for name, count in depths.most_common())
        notes.append(f"Bit depths are mixed ({listed}); each is scaled to [0, 1] by its own range.")
    elif any("uint16" in name for name in depths):
        notes.append("16-bit grey levels were divided by 65535.")
    further = Counter(note for header, _ in headers.values() for note in header.notes)
    return notes + [f"In {count} files: {note}." for note, count in further.items()]


@dataclass
class _Extremes:
    """Of one image: ``low`` and ``high`` for types without a natural range (else ±infinity),
    ``deepest`` for 16 bit (else 0), ``distinct`` for phases."""

    low: float = np.inf
    high: float = -np.inf
    deepest: int = 0
    distinct: frozenset[float] | None = None


def _walk(images: FolderImages) -> list[_Extremes]:
    """Decode every file once: proves that it is whole, fills the store, finds the extremes."""
    by_file: dict[str, list[Frame]] = {}
    for frame in images.frames:
        by_file.setdefault(frame.file, []).append(frame)

    def visit(file: str) -> list[_Extremes]:
        frames = by_file[file]
        # Pages of one file are decoded together: one by one would unpack the file for each.
        whole = decode(images.root / file, None if len(frames) > 1 else frames[0].page)
        found = []
        for frame in frames:
            pixels = whole[frame.page] if len(frames) > 1 and whole.ndim == 3 else whole
            pixels = fit_pixels(
                pixels, images.decoding.size, images.decoding.fit, images.kind, frame.name
            )
            if images.store.keep:
                images.store.pixels[frame.name] = pixels
            found.append(_extremes(pixels, images.kind, frame.name))
        return found

    return [one for several in _all(visit, list(by_file)) for one in several]


def _extremes(pixels: np.ndarray, kind: str, name: str) -> _Extremes:
    if pixels.dtype.kind == "f" and not np.isfinite(pixels).all():
        raise InputError(
            "This image holds NaN or infinite values.",
            where=name,
            got=f"{int((~np.isfinite(pixels)).sum())} of {pixels.size} pixels",
            hint="fill or crop them before reading",
        )
    distinct = None
    if kind == "phase":
        eight_bit = pixels.dtype == np.uint8
        values = np.flatnonzero(np.bincount(pixels.ravel())) if eight_bit else np.unique(pixels)
        distinct = frozenset(values[: MAX_PHASES + 1].astype(float).tolist())
    if str(pixels.dtype) in _SELF_SCALED:
        deepest = int(pixels.max()) if pixels.dtype == np.uint16 else 0
        return _Extremes(deepest=deepest, distinct=distinct)
    return _Extremes(float(pixels.min()), float(pixels.max()), distinct=distinct)


def _shallow_notes(extremes: Sequence[_Extremes]) -> list[str]:
    deepest = max(one.deepest for one in extremes)
    if not 0 < deepest < _TWELVE_BIT:
        return []
    return [
        f"No 16-bit image holds a value above {deepest}: if the camera has 12 bit or less, "
        "rescale the images to use the whole range."
    ]


def _levels(
    extremes: Sequence[_Extremes], kind: str, images: FolderImages
) -> tuple[tuple[float, ...] | None, list[str]]:
    if kind == "phase":
        phases = sorted(set().union(*(e.distinct or frozenset() for e in extremes)))
        if len(phases) > MAX_PHASES:
            raise InputError(
                "These images are said to show phases, but hold too many distinct values.",
                got=f"more than {MAX_PHASES}",
                hint="segment them, save them without loss (not as JPEG), or state kind=grey",
            )
        return tuple(phases), [f"Phases: the values {', '.join(f'{p:g}' for p in phases)}."]
    low, high = min(e.low for e in extremes), max(e.high for e in extremes)
    floats = all(frame.header.dtype.startswith("float") for frame in images.frames)
    if floats and low >= 0 and high <= 1:
        return (0.0, 1.0), ["Float grey levels lie within [0, 1] and were kept."]
    return (low, high), [
        f"Grey levels of types without a natural range were scaled from [{low:g}, {high:g}], "
        "the extremes of the set, to [0, 1]."
    ]
