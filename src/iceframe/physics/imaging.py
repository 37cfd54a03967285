"""Micrographs of simulated structures: grey levels, relief, light, blur and noise, all random.

A map of phases becomes a picture in the order in which a microscope makes it:

1. every phase (or grain) has a grey level; within a phase it wanders with correlated noise;
2. interfaces are bright or dark, and slopes facing the detector are brighter than those facing
   away: with the surface ``z`` (the grey levels, smoothed), ``I += a |∇z| + b (u · ∇z)``;
3. what charges is surrounded by a bright halo, and trails along the scan lines (x);
4. scratches are straight and dark or bright; the light varies slowly, as a polynomial of order 2;
5. blur: a Gaussian that may be longer one way (astigmatism), and a disc (defocus), whose transform
   at the wave number ``k`` is ``2 J₁(k r) / (k r)``;
6. noise: of the counts, ``√I``, and of the detector, the same everywhere; rows may be offset;
7. contrast, brightness and gamma, cut to [0, 1] and rounded to 256 grey levels.

Strengths are drawn anew for every image, wider than any one microscope, so that what is learned
from such pictures holds on others (domain randomisation). None of this is a model of a particular
instrument: no yield, dose or detector geometry is computed.

References: Goldstein et al. 2018, Scanning Electron Microscopy and X-Ray Microanalysis,
https://doi.org/10.1007/978-1-4939-6676-9, chapters 3 to 6; Tobin et al. 2017,
https://arxiv.org/abs/1703.06907 (domain randomisation).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from iceframe.core.errors import InputError

GREY_LEVELS = 255
"""Steps between black and white of an 8-bit image."""

MARGIN = 8
"""Pixels by which images are continued (mirrored) before they are filtered, and cut afterwards."""

MOST_SCRATCHES = 3
EIGHTH = np.float32(0.125)


@dataclass(frozen=True)
class Imaging:
    """How strong each effect may be. Zero switches it off.

    Strengths are in units of the grey range, lengths in pixels. Each effect falls on a ``share``
    of the images, with a strength up to the one given; ``blur`` and the tone curve fall on all.

    texture : standard deviation of the grey levels within a phase.
    edges : brightening of interfaces (or darkening, as often). relief : shading of slopes.
    charging : halos and trails. streaks : offsets of rows. scratches : their depth.
    light : variation of the light over the image.
    blur : least and largest standard deviation of the Gaussian. astigmatism : how much longer it
        may be one way. defocus : largest radius of the disc.
    shot, noise : standard deviations at white of the two kinds of noise.
    contrast : least and largest range between the darkest and the brightest phase.
    shown : least and largest range that the picture's grey levels take up in the end, about, if
        that is not more than twice their own; up to 0, they stay as they are.
    gamma : least and largest exponent of the tone curve; drawn evenly in its logarithm.
    """

    share: float = 0.5
    texture: float = 0.2
    edges: float = 0.8
    relief: float = 0.6
    charging: float = 0.4
    streaks: float = 0.08
    scratches: float = 0.4
    light: float = 0.3
    blur: tuple[float, float] = (0.4, 1.6)
    astigmatism: float = 0.6
    defocus: float = 2.5
    shot: float = 0.12
    noise: float = 0.12
    contrast: tuple[float, float] = (0.15, 0.8)
    shown: tuple[float, float] = (0.6, 1.05)
    gamma: tuple[float, float] = (0.6, 1.6)


FAITHFUL = Imaging(
    share=0,
    blur=(0, 0),
    contrast=(1, 1),
    shown=(0, 0),
    gamma=(1, 1),
)
"""No effect at all: the grey levels of the phases, rounded to 8 bits."""


def windows(
    maps: np.ndarray,
    size: tuple[int, int],
    rng: np.random.Generator,
    *,
    zoom: Sequence[float] | np.ndarray | float = 1.0,
    turn: bool = True,
) -> np.ndarray:
    """Pieces of periodic maps at random places, magnified, mirrored and turned at random.

    Parameters
    ----------
    maps : ``(n, height, width)``, of any kind; pixels are taken from the nearest place.
    size : height and width of the pieces; larger ones than the map show it more than once.
    zoom : magnification, one for all or ``(n,)``: at 2, two pixels of the piece for one of the map.
    turn : by any angle; otherwise pieces are only mirrored.

    Returns
    -------
    ``(n, *size)``, of the type of ``maps``.

    Examples
    --------
    >>> maps = np.arange(12).reshape(1, 3, 4)
    >>> piece = windows(maps, (2, 2), np.random.default_rng(0), turn=False)
    >>> abs(int(piece[0, 0, 1] - piece[0, 0, 0])) in (1, 3)
    True
    """
    if maps.ndim != 3 or 0 in maps.shape or min(size) < 1:
        raise InputError(
            "Windows need maps and a size.", got=(maps.shape, tuple(size)), allowed="(n, h, w)"
        )
    n = len(maps)
    scale = np.broadcast_to(np.asarray(zoom, float), n)
    if not (np.isfinite(scale).all() and (scale > 0).all()):
        raise InputError("The magnification must be above zero.", got=zoom)
    angle = rng.uniform(0, 2 * np.pi, n) if turn else np.zeros(n)
    mirror = np.where(rng.random((2, n)) < 0.5, -1.0, 1.0) / scale
    centre = rng.random((2, n)) * np.array(maps.shape[1:])[:, None]
    y, x = (np.arange(side) - (side - 1) / 2 for side in size)
    cell = (slice(None), None, None)
    cos, sin = np.cos(angle)[cell], np.sin(angle)[cell]
    down, along = y[:, None] * mirror[0][cell], x[None, :] * mirror[1][cell]
    rows = np.floor(centre[0][cell] + cos * down - sin * along).astype(int) % maps.shape[1]
    columns = np.floor(centre[1][cell] + sin * down + cos * along).astype(int) % maps.shape[2]
    return maps[np.arange(n)[cell], rows, columns]


def grey_levels(
    phases: np.ndarray, rng: np.random.Generator, contrast: tuple[float, float] = (0.15, 0.8)
) -> np.ndarray:
    """A grey level for every phase of every image: float32 ``(n, phases)``, in [0, 1].

    Parameters
    ----------
    phases : whole numbers from 0, ``(n, height, width)``.
    contrast : least and largest range between the darkest and the brightest phase that an image
        shows. Which phase is bright is drawn too.
    """
    n, count = len(phases), int(phases.max(initial=0)) + 1
    pixels = int(np.prod(phases.shape[1:]))
    level = rng.random((n, count))
    shown = np.zeros((n, count), bool)
    shown[np.arange(n)[:, None], phases.reshape(n, pixels)] = True
    low = np.where(shown, level, np.inf).min(axis=1, keepdims=True)
    high = np.where(shown, level, -np.inf).max(axis=1, keepdims=True)
    width = rng.uniform(*contrast, (n, 1))
    start = rng.random((n, 1)) * (1 - width)
    spread = np.where(high > low, high - low, 1)
    return np.clip(start + width * (level - low) / spread, 0, 1).astype(np.float32)


def micrographs(
    phases: np.ndarray,
    rng: np.random.Generator,
    *,
    levels: np.ndarray | None = None,
    imaging: Imaging | None = None,
) -> np.ndarray:
    """Pictures of maps of phases or grains, each seen in its own way.

    Parameters
    ----------
    phases : whole numbers from 0, ``(n, height, width)``; grains count as phases.
    rng : every strength and all noise come from it.
    levels : grey levels ``(n, phases)`` in [0, 1]; drawn by :func:`grey_levels` where not given.
    imaging : how strong the effects may be.

    Returns
    -------
    float32 ``(n, height, width)`` in [0, 1], in steps of 1/255.

    Raises
    ------
    InputError : maps of another shape or type, or too few grey levels.

    Examples
    --------
    >>> phases = np.zeros((1, 16, 16), np.uint8)
    >>> phases[:, :, 8:] = 1
    >>> levels = np.array([[0.2, 0.8]])
    >>> seen = micrographs(phases, np.random.default_rng(0), levels=levels, imaging=FAITHFUL)
    >>> np.unique(seen).astype(float).round(3).tolist()
    [0.2, 0.8]
    """
    if phases.ndim != 3 or phases.dtype.kind not in "ui" or phases.min(initial=0) < 0:
        raise InputError(
            "Micrographs are made of maps of whole numbers from 0.",
            got=(phases.shape, str(phases.dtype)),
            allowed="(n, height, width)",
        )
    given = imaging or Imaging()
    levels = grey_levels(phases, rng, given.contrast) if levels is None else np.asarray(levels)
    count = int(phases.max(initial=0)) + 1
    if levels.ndim != 2 or len(levels) != len(phases) or levels.shape[1] < count:
        raise InputError(
            "Every phase of every image needs a grey level.",
            got=levels.shape,
            allowed=f"({len(phases)}, at least {count})",
        )
    if not phases.size:
        return np.zeros(phases.shape, np.float32)
    draw = _Draw(rng, len(phases), given.share)
    margins = ((0, 0), (MARGIN, MARGIN), (MARGIN, MARGIN))
    continued = np.pad(phases, margins, mode="symmetric")
    image = levels.astype(np.float32)[np.arange(len(phases))[:, None, None], continued]
    waves = _Waves(image.shape[1:])
    if given.texture:
        image = image + _texture(draw, waves, continued, given.texture)
    if given.edges or given.relief or given.charging:
        image = image + _surface(draw, waves, image, given)
    if given.scratches or given.light:
        image = _marked(draw, image, given)
    image = _blurred(draw, waves, image, given)
    image = _noisy(draw, waves, image, given)
    return _toned(draw, image[:, MARGIN:-MARGIN, MARGIN:-MARGIN], given)


class _Draw:
    """Random numbers for ``n`` images, shaped to multiply ``(n, height, width)``."""

    def __init__(self, rng: np.random.Generator, n: int, share: float) -> None:
        self.rng, self.n, self.share = rng, n, share

    def between(self, low: float, high: float) -> np.ndarray:
        return self.rng.uniform(low, high, (self.n, 1, 1)).astype(np.float32)

    def scale(self, low: float, high: float) -> np.ndarray:
        """Between two positive numbers, evenly in the logarithm."""
        return np.exp(self.between(np.log(low), np.log(high)))

    def strength(self, most: float) -> np.ndarray:
        """Up to ``most`` on a share of the images, else 0."""
        falls = self.rng.random((self.n, 1, 1)) < self.share
        return np.where(falls, self.between(0, most), np.float32(0))

    def seldom(self, most: float) -> np.ndarray:
        """As :meth:`strength`, but large strengths are rare."""
        return self.strength(1) ** 2 * np.float32(most)

    def sign(self) -> np.ndarray:
        return np.where(self.rng.random((self.n, 1, 1)) < 0.5, np.float32(-1), np.float32(1))

    def noise(self, shape: Sequence[int]) -> np.ndarray:
        return self.rng.standard_normal((self.n, *shape), dtype=np.float32)


class _Waves:
    """Wave numbers (radians per pixel) of images of one size, and filters by their transform."""

    def __init__(self, shape: Sequence[int]) -> None:
        self.shape = (int(shape[0]), int(shape[1]))
        self.y = (2 * np.pi * np.fft.fftfreq(self.shape[0])).astype(np.float32)[:, None]
        self.x = (2 * np.pi * np.fft.rfftfreq(self.shape[1])).astype(np.float32)[None, :]
        self.square = self.y**2 + self.x**2

    def filtered(self, image: np.ndarray, transfer: np.ndarray) -> np.ndarray:
        return np.fft.irfft2(np.fft.rfft2(image) * transfer, s=self.shape)

    def gaussian(self, width: np.ndarray) -> np.ndarray:
        """Transform of a Gaussian blur, ``width`` its standard deviation in pixels."""
        return np.exp(-0.5 * width**2 * self.square)


def _texture(draw: _Draw, waves: _Waves, phases: np.ndarray, most: float) -> np.ndarray:
    """Correlated noise that is of another strength in every phase.

    The spectrum ``(1 + k² ℓ²)^(-p)`` is rough for small ``p`` and smooth for large ones.
    """
    length, power = draw.scale(0.7, 8), draw.between(0.5, 2)
    noise = waves.filtered(draw.noise(waves.shape), (1 + length**2 * waves.square) ** -power)
    noise /= noise.std(axis=(1, 2), keepdims=True) + 1e-9
    count = int(phases.max()) + 1
    share = draw.rng.random((draw.n, count)).astype(np.float32) ** 2
    return draw.strength(most) * noise * share[np.arange(draw.n)[:, None, None], phases]


def _surface(draw: _Draw, waves: _Waves, image: np.ndarray, given: Imaging) -> np.ndarray:
    """What interfaces add: bright or dark edges, shaded slopes, halos and trails."""
    smooth = waves.filtered(image, waves.gaussian(draw.scale(0.7, 2.5)))
    down, along = np.gradient(smooth, axis=(1, 2))
    steep = np.hypot(down, along)
    top = steep.max(axis=(1, 2), keepdims=True) + np.float32(1e-6)
    flat = top < 1e-3  # no interface: nothing to enhance but noise
    top = np.where(flat, np.float32(1), top)
    steep = np.where(flat, 0, steep / top)
    angle = draw.between(0, 2 * np.pi)
    slope = (np.cos(angle) * along + np.sin(angle) * down) / top
    added = draw.strength(given.edges) * draw.sign() * steep**1.5
    added = added + draw.strength(given.relief) * slope
    charged = draw.strength(given.charging)
    if charged.any():
        bright = np.maximum(image - image.mean(axis=(1, 2), keepdims=True), 0) + steep * EIGHTH
        halo = waves.gaussian(draw.scale(2, 8))
        # A trail that fades as a^x behind what charges: causal along the scan.
        fading = draw.between(0.8, 0.97)
        trail = (1 - fading) / (1 - fading * np.exp(-1j * waves.x).astype(np.complex64))
        trails = draw.rng.random((draw.n, 1, 1)) < 0.5
        added = added + charged * waves.filtered(bright, np.where(trails, trail, halo)) * 2
    return added


def _marked(draw: _Draw, image: np.ndarray, given: Imaging) -> np.ndarray:
    """Scratches, and light that varies over the image."""
    height, width = image.shape[1:]
    y = np.linspace(-1, 1, height, dtype=np.float32)[:, None]
    x = np.linspace(-1, 1, width, dtype=np.float32)[None, :]
    depth = draw.strength(given.scratches)
    scratched = np.flatnonzero(depth[:, 0, 0])
    image = image.copy()
    for i in scratched:
        for _ in range(draw.rng.integers(1, MOST_SCRATCHES + 1)):
            angle, offset = draw.rng.uniform(0, np.pi), draw.rng.uniform(-0.8, 0.8)
            away = np.abs(np.cos(angle) * x + np.sin(angle) * y - offset) * (min(height, width) / 2)
            wide = draw.rng.uniform(0.4, 1.5)
            sign = draw.rng.choice([-1.0, 1.0])
            image[i] += depth[i] * np.float32(sign) * np.exp(-((away / wide) ** 2))
    if not given.light:
        return image
    terms = draw.rng.uniform(-1, 1, (5, draw.n, 1, 1)).astype(np.float32)
    light = terms[0] * x + terms[1] * y + terms[2] * x * y + terms[3] * x**2 + terms[4] * y**2
    return image * (1 + draw.strength(given.light) * light)


def _blurred(draw: _Draw, waves: _Waves, image: np.ndarray, given: Imaging) -> np.ndarray:
    from scipy.special import j1

    if not (max(given.blur) or given.defocus * given.share):
        return image
    width = draw.between(*given.blur)
    longer = width * (1 + draw.strength(given.astigmatism))
    angle = draw.between(0, np.pi)
    along = np.cos(angle) * waves.x + np.sin(angle) * waves.y
    across = np.cos(angle) * waves.y - np.sin(angle) * waves.x
    transfer = np.exp(-0.5 * ((longer * along) ** 2 + (width * across) ** 2))
    radius = draw.seldom(given.defocus)
    out = np.flatnonzero(radius[:, 0, 0] > 0)
    if len(out):
        path = radius[out] * np.sqrt(waves.square) + np.float32(1e-6)
        transfer[out] *= 2 * j1(path) / path
    return waves.filtered(image, transfer)


def _noisy(draw: _Draw, waves: _Waves, image: np.ndarray, given: Imaging) -> np.ndarray:
    """Noise of counts and of the detector, as fine as a pixel or a little coarser; row offsets."""
    if given.shot or given.noise:
        shot, noise = draw.seldom(given.shot), draw.seldom(given.noise)
        grain = draw.noise(waves.shape)
        coarse = draw.rng.random(draw.n) < EIGHTH * 2
        if coarse.any():
            smooth = waves.filtered(grain[coarse], np.exp(-0.5 * 0.6**2 * waves.square))
            grain[coarse] = smooth / smooth.std(axis=(1, 2), keepdims=True)
        image = image + np.sqrt(shot**2 * np.clip(image, 0, 1) + noise**2) * grain
    if given.streaks:
        rows = draw.noise((waves.shape[0], 1))
        image = image + draw.seldom(given.streaks) * rows
    return image


def _toned(draw: _Draw, image: np.ndarray, given: Imaging) -> np.ndarray:
    """Brightness and contrast that lose little, a tone curve, and 8 bits."""
    if max(given.shown) > 0:
        low, high = np.quantile(image, (0.002, 0.998), axis=(1, 2), keepdims=True)
        reach = np.maximum(high - low, np.float32(1e-3))
        width = np.minimum(reach * draw.scale(0.7, 2), draw.between(*given.shown))
        start = (1 - width) * draw.between(0, 1)
        image = (image - low) / reach * width + start
    curve = draw.scale(*given.gamma)
    image = np.clip(image, 0, 1) ** curve
    return (np.rint(image * GREY_LEVELS) / np.float32(GREY_LEVELS)).astype(np.float32)
