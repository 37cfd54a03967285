"""Colour to grey: luma of ITU-R BT.601, Y = 0.299 R + 0.587 G + 0.114 B, in the file's own type."""

from __future__ import annotations

import numpy as np

LUMA = np.array([0.299, 0.587, 0.114])


def luma(colours: np.ndarray) -> np.ndarray:
    """Grey levels ``(…)`` of colours ``(…, 3 or more)``; integers are rounded, not truncated.

    Examples
    --------
    >>> luma(np.array([[255, 255, 255], [255, 0, 0]], np.uint8))
    array([255,  76], dtype=uint8)
    """
    grey = colours[..., :3].astype(np.float64) @ LUMA
    if np.issubdtype(colours.dtype, np.integer):
        grey = np.rint(grey)
    return grey.astype(colours.dtype)


def upright(pixels: np.ndarray, orientation: int) -> np.ndarray:
    """Pixels ``(…, h, w)`` turned as the EXIF orientation (1 to 8, EXIF 2.32 table 6) says.

    Examples
    --------
    >>> upright(np.array([[1, 2], [3, 4]]), 6)   # stored on its side: turn clockwise
    array([[3, 1],
           [4, 2]])
    """
    if orientation in (5, 6, 7, 8):
        pixels = np.swapaxes(pixels, -1, -2)
    if orientation in (2, 3, 6, 7):
        pixels = pixels[..., ::-1]
    if orientation in (3, 4, 7, 8):
        pixels = pixels[..., ::-1, :]
    return np.ascontiguousarray(pixels)
