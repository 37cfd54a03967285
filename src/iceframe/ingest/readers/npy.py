"""NumPy arrays (NEP 1): one image, a volume or a stack a file. Pickled objects are refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from iceframe.core.errors import InputError
from iceframe.ingest.reader import READERS, Header, ImageReader
from iceframe.ingest.readers._grey import luma


@READERS.register("npy")
class Npy(ImageReader):
    """``(h, w)``, ``(h, w, 3 or 4)`` in colour, or ``(pages, h, w)``."""

    title = "NumPy array (NPY)"
    summary = "One image, one volume or a stack a file; never unpickled."
    reference = "https://numpy.org/neps/nep-0001-npy-format.html"
    suffixes = (".npy",)

    def inspect(self, path: Path) -> Header:
        array = _mapped(path)
        colour = _is_colour(array)
        shape = array.shape[:2] if colour else array.shape
        return Header(
            int(shape[-2]),
            int(shape[-1]),
            1 if len(shape) == 2 else int(shape[0]),
            str(array.dtype),
            1 if array.dtype == bool else array.dtype.itemsize * 8,
            "RGB" if colour else "L",
            frozenset(["colour"] if colour else []),
        )

    def pixels(self, path: Path, page: int | None = None) -> np.ndarray:
        array = _mapped(path)
        if _is_colour(array):
            return luma(np.asarray(array))
        if array.ndim == 3 and page is not None:
            return np.array(array[page])
        return np.array(array[0] if array.ndim == 3 and len(array) == 1 else array)


def _mapped(path: Path) -> np.ndarray:
    try:
        array = np.lib.format.open_memmap(path, mode="r")
    except FileNotFoundError as error:
        raise InputError("File not found.", where=path) from error
    except Exception as error:  # the header is parsed as a Python literal: it can fail in any way
        objects = "Python objects" in str(error) or _looks_pickled(path)
        raise InputError(
            "This array holds Python objects; loading it could run code."
            if objects
            else "This array is corrupt or truncated.",
            where=path,
            got=str(error).splitlines()[0] if str(error) else type(error).__name__,
            hint="save it as a plain numeric array: numpy.save(path, array, allow_pickle=False)",
        ) from error
    if array.dtype.kind not in "biuf":
        raise InputError(
            "This file does not hold a numeric array.",
            where=path,
            got=str(array.dtype),
        )
    if array.ndim not in (2, 3) or 0 in array.shape:
        raise InputError(
            "This array is not an image.",
            where=path,
            got=f"shape {array.shape}",
            allowed="(height, width), (height, width, 3 or 4) or (pages, height, width)",
        )
    return array


def _looks_pickled(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(1) == b"\x80"  # PROTO, the first opcode since protocol 2


def _is_colour(array: np.ndarray) -> bool:
    # Three or four columns are no image; three or four samples a pixel are a colour.
    return array.ndim == 3 and array.shape[-1] in (3, 4) and array.shape[0] > 4
