"""TIFF (revision 6.0, and BigTIFF) through tifffile: any bit depth, pages, microscope tags."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from iceframe.core.errors import InputError
from iceframe.ingest.reader import READERS, Header, ImageReader
from iceframe.ingest.readers._grey import luma, upright

if TYPE_CHECKING:
    import tifffile

_LAYOUT_TAGS = frozenset(
    (
        *("ImageWidth", "ImageLength", "BitsPerSample", "Compression"),
        *("PhotometricInterpretation", "StripOffsets", "SamplesPerPixel", "RowsPerStrip"),
        *("StripByteCounts", "PlanarConfiguration", "TileWidth", "TileLength", "TileOffsets"),
        *("TileByteCounts", "SampleFormat", "NewSubfileType", "SubfileType", "FillOrder"),
        *("Orientation", "PageNumber", "Predictor", "ExtraSamples", "ColorMap", "ExifTag"),
        *("GPSTag", "SubIFDs", "JPEGTables", "DateTime", "ImageDescription", "Software"),
    )
)
_COLOUR, _PALETTE, _CMYK, _WHITE_IS_ZERO = ("RGB", "YCBCR"), "PALETTE", "SEPARATED", "MINISWHITE"
_MAX_TAGS = 200


@READERS.register("tiff")
class Tiff(ImageReader):
    """TIFF images and stacks."""

    title = "TIFF"
    summary = "8, 16, 32 bit and float; pages as volume or frames; palette, alpha, CMYK, colour."
    reference = "TIFF 6.0 (Adobe 1992)"
    suffixes = (".tif", ".tiff")

    def inspect(self, path: Path) -> Header:
        with _opened(path) as file:
            series = _series(file, path)
            page = series.keyframe
            sizes = dict(zip(series.axes, series.shape, strict=True))
            turned = _orientation(page) >= 5
            height, width = (sizes["X"], sizes["Y"]) if turned else (sizes["Y"], sizes["X"])
            pages = int(np.prod([n for axis, n in sizes.items() if axis not in "YXS"]))
            traits = {
                "colour": page.photometric.name in _COLOUR,
                "alpha": bool(page.extrasamples),
                "palette": page.photometric.name == _PALETTE,
                "cmyk": page.photometric.name == _CMYK,
                "rotated": _orientation(page) != 1,
            }
            others = len(file.series) - 1
            notes = (f"{others} further images of other sizes in one file were not read",)
            return Header(
                int(height),
                int(width),
                pages,
                str(series.dtype),
                int(page.bitspersample),
                f"{page.photometric.name}{'A' if page.extrasamples else ''}",
                frozenset(trait for trait, present in traits.items() if present),
                _tags(file, page),
                notes if others else (),
            )

    def pixels(self, path: Path, page: int | None = None) -> np.ndarray:
        with _opened(path) as file:
            series = _series(file, path)
            key = series.keyframe
            single = page is not None and len(series.pages) > 1 and series.pages[page] is not None
            if single and len(key.axes) + 1 == len(series.axes):
                values = _grey(file.asarray(series=0, key=page), key.axes, key)
            else:
                values = _grey(series.asarray(), series.axes, key)
            values = upright(values, _orientation(key))
        return values if page is None or values.ndim == 2 else values[page]


@contextmanager
def _opened(path: Path) -> Iterator[tifffile.TiffFile]:
    import tifffile

    # tifffile reports damage to a logger and goes on with zeros; here damage is an error.
    logger = logging.getLogger("tifffile")
    complaints = _Complaints()
    logger.addHandler(complaints)
    try:
        with tifffile.TiffFile(path) as file:
            yield file
        if complaints.errors:
            raise ValueError(complaints.errors[0])
    except InputError:
        raise
    except FileNotFoundError as error:
        raise InputError("File not found.", where=path) from error
    except Exception as error:  # every codec in imagecodecs has exceptions of its own
        raise InputError(
            "This image is corrupt or truncated.",
            where=path,
            got=(str(error) or type(error).__name__).splitlines()[0],
            hint="restore it from a copy, or remove it from the data",
        ) from error
    finally:
        logger.removeHandler(complaints)


class _Complaints(logging.Handler):
    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.errors: list[str] = []
        self.thread = threading.get_ident()

    def emit(self, record: logging.LogRecord) -> None:
        if record.thread == self.thread:  # other files may be open in other threads
            self.errors.append(record.getMessage())


def _series(file: tifffile.TiffFile, path: Path) -> Any:
    if not file.series:
        raise ValueError("no image in the file")
    series = file.series[0]
    axes = series.axes
    if "Y" not in axes or "X" not in axes or 0 in series.shape:
        raise ValueError(f"no image plane in axes {axes} of shape {series.shape}")
    if dict(zip(axes, series.shape, strict=True)).get("C", 1) > 1:
        raise InputError(
            "Images of several channels are not read.",
            where=path,
            got=f"axes {axes}, shape {series.shape}",
            hint="save each channel, or the one that shows the material, as an image of its own",
        )
    size = file.filehandle.size
    for page in series.pages:
        if page is None:
            continue
        for offset, count in zip(page.dataoffsets, page.databytecounts, strict=False):
            if offset + count > size:
                raise ValueError(f"pixel data end at byte {offset + count}, the file at {size}")
    return series


def _grey(values: np.ndarray, axes: str, page: Any) -> np.ndarray:
    """``(pages, h, w)`` or ``(h, w)`` from any order of axes, colours turned to grey."""
    order = [i for i, axis in enumerate(axes) if axis not in "YXS"]
    order += [axes.index("Y"), axes.index("X")]
    samples = axes.find("S")
    if samples >= 0:
        order.append(samples)
    values = np.transpose(values, order)
    if samples >= 0:
        colours = values.shape[-1] - len(page.extrasamples)
        if page.photometric.name == _CMYK:
            values = _cmyk_to_rgb(values)
        values = luma(values) if colours >= 3 else values[..., 0]
    elif page.photometric.name == _PALETTE and page.colormap is not None:
        values = luma(np.moveaxis(np.asarray(page.colormap)[:, values], 0, -1) >> 8).astype(
            np.uint8
        )
    if page.photometric.name == _WHITE_IS_ZERO and values.dtype.kind in "ub":
        values = ~values if values.dtype.kind == "b" else np.iinfo(values.dtype).max - values
    height, width = values.shape[-2:]
    values = values.reshape(-1, height, width)
    return values[0] if len(values) == 1 else values


def _cmyk_to_rgb(values: np.ndarray) -> np.ndarray:
    if values.dtype.kind != "u":
        raise ValueError(f"CMYK of type {values.dtype}")
    full = int(np.iinfo(values.dtype).max)
    ink = values[..., :4].astype(np.float64) / full
    rgb = (1 - ink[..., :3]) * (1 - ink[..., 3:4])
    return np.rint(rgb * full).astype(values.dtype)


def _orientation(page: Any) -> int:
    tag = page.tags.get("Orientation")
    value = int(tag.value) if tag is not None else 1
    return value if 1 <= value <= 8 else 1


def _tags(file: tifffile.TiffFile, page: Any) -> dict[str, float]:
    found: dict[str, float] = {}
    for tag in page.tags:
        if tag.name in _LAYOUT_TAGS:
            continue
        _collect(found, tag.name, tag.value)
    for name in ("fei_metadata", "sem_metadata"):  # FEI/Thermo Fisher and Zeiss microscopes
        _collect(found, name.partition("_")[0], getattr(file, name, None))
    return found


def _collect(found: dict[str, float], name: str, value: Any) -> None:
    if len(found) >= _MAX_TAGS:
        return
    if isinstance(value, dict):
        for key, inner in value.items():
            _collect(found, f"{name}.{key}", inner)
        return
    if isinstance(value, tuple) and len(value) == 2 and all(isinstance(v, int) for v in value):
        value = value[0] / value[1] if value[1] else None  # a rational number
    elif isinstance(value, tuple) and len(value) > 1:
        value = value[1]  # Zeiss: (label, value, unit)
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return
    try:
        number = float(value)
    except ValueError:
        return
    if np.isfinite(number):
        found[name.lower()] = number
