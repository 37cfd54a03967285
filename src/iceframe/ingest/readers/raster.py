"""PNG, JPEG and BMP through Pillow."""

from __future__ import annotations

import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from iceframe.core.errors import InputError
from iceframe.ingest.reader import READERS, Header, ImageReader
from iceframe.ingest.readers._grey import luma, upright

if TYPE_CHECKING:
    from PIL import Image

_BITS = {"1": 1, "I": 32, "F": 32, "I;16": 16, "I;16B": 16, "I;16L": 16, "I;16N": 16}
_ORIENTATION, _EXIF_FOLDER = 0x0112, 0x8769
_OPENING = threading.RLock()


@READERS.register("raster")
class Raster(ImageReader):
    """Eight and sixteen bit images in the usual formats."""

    title = "PNG, JPEG, BMP"
    summary = "8 and 16 bit; palette, alpha, CMYK and colour become grey; EXIF orientation applied."
    reference = "ISO/IEC 15948, ISO/IEC 10918"
    suffixes = (".png", ".jpg", ".jpeg", ".bmp")

    def inspect(self, path: Path) -> Header:
        with _opened(path) as image:
            exif = _exif(image)
            orientation = _orientation(exif)
            width, height = image.size[::-1] if orientation >= 5 else image.size
            bits = _BITS.get(image.mode, 8)
            kinds = {1: "bool", 8: "uint8", 16: "uint16"}
            dtype = kinds.get(bits, "float32" if image.mode == "F" else "int32")
            if image.mode == "I" and image.format == "PNG":
                bits, dtype = 16, "uint16"  # Pillow widens some 16-bit PNG files
            tags = {f"exif_{k}": v for k, v in _numbers(_exif_items(exif)).items()}
            tags |= _numbers(image.info.items())
            traits = _traits(image, orientation)
            return Header(height, width, 1, dtype, bits, image.mode, traits, tags)

    def pixels(self, path: Path, page: int | None = None) -> np.ndarray:
        with _opened(path) as image:
            orientation = _orientation(_exif(image))
            wide = image.mode == "I" and image.format == "PNG"
            if image.mode in ("P", "PA", "CMYK", "YCbCr", "LAB", "HSV", "RGBX", "La", "RGBa"):
                # A palette may hold colours: look them up before turning them to grey.
                image = image.convert("LA" if image.mode == "La" else "RGB")
            values = np.asarray(image)
        if wide:
            values = values.astype(np.uint16)
        if values.ndim == 3:
            values = values[..., 0] if values.shape[-1] == 2 else luma(values)
        return upright(values, orientation)


@contextmanager
def _opened(path: Path) -> Iterator[Image.Image]:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Pillow warns of oddities that do not touch the pixels
            with _open_any_size(path) as image:
                yield image
    except InputError:
        raise
    except FileNotFoundError as error:
        raise InputError("File not found.", where=path) from error
    except Exception as error:  # damage shows as any exception, from deep inside a decoder
        raise InputError(
            "This image is corrupt or truncated.",
            where=path,
            got=str(error) or type(error).__name__,
            hint="restore it from a copy, or remove it from the data",
        ) from error


def _open_any_size(path: Path) -> Image.Image:
    # Pillow refuses large images by a module-wide limit; the limit here is the user's (max_pixels),
    # checked on the header before anything is decoded.
    from PIL import Image

    with _OPENING:
        limit, Image.MAX_IMAGE_PIXELS = Image.MAX_IMAGE_PIXELS, None
        try:
            return Image.open(path, formats=("PNG", "JPEG", "BMP", "MPO"))
        finally:
            Image.MAX_IMAGE_PIXELS = limit


def _exif(image: Image.Image) -> Any:
    """EXIF that stands before the pixels: Pillow's PNG reader would decode them to look further."""
    from PIL import Image as pillow

    return pillow.Image.getexif(image)


def _orientation(exif: Any) -> int:
    value = exif.get(_ORIENTATION, 1)
    return value if isinstance(value, int) and 1 <= value <= 8 else 1


def _traits(image: Image.Image, orientation: int) -> frozenset[str]:
    found = {
        "colour": image.mode in ("RGB", "RGBA", "RGBX", "YCbCr", "LAB", "HSV", "RGBa"),
        "alpha": image.mode in ("RGBA", "LA", "PA", "La", "RGBa") or "transparency" in image.info,
        "palette": image.mode in ("P", "PA"),
        "cmyk": image.mode == "CMYK",
        "rotated": orientation != 1,
    }
    return frozenset(trait for trait, present in found.items() if present)


def _exif_items(exif: Any) -> list[tuple[str, Any]]:
    from PIL.ExifTags import TAGS

    pairs = [*exif.items(), *exif.get_ifd(_EXIF_FOLDER).items()]
    return [(TAGS.get(key, str(key)), value) for key, value in pairs if key != _EXIF_FOLDER]


def _numbers(pairs: Any) -> dict[str, float]:
    found: dict[str, float] = {}
    for key, value in pairs:
        first = value[0] if isinstance(value, tuple) and value else value
        if isinstance(first, str):
            first = first.strip().rstrip("xX×")
        if isinstance(first, bool | bytes) or not isinstance(key, str):
            continue
        try:
            number = float(first)
        except (TypeError, ValueError, OverflowError, ZeroDivisionError):
            continue
        if np.isfinite(number):
            found[key.lower()] = number
    return found
