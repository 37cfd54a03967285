"""Contact of two hard bodies: how deep they overlap, and which way parts them.

Two ellipsoids ``x' Q⁻¹ x <= 1`` at distance ``r``, both scaled by ``μ``, touch where (Perram and
Wertheim 1985, doi:10.1016/0021-9991(85)90171-8)

    μ² = max over 0 <= λ <= 1 of  λ (1 - λ) r' Y⁻¹ r,   Y = (1 - λ) Q_i + λ Q_j,

and at the maximum, with ``w = Y⁻¹ r`` along the contact normal,
``λ / (1 - λ) = sqrt(w' Q_i w / w' Q_j w)``, which is solved as a fixed point. Any other λ gives too
small a μ, so that an unfinished iteration errs on the safe side. Two spherocylinders overlap by
their radii less the distance of their segments.

Everything is computed pair by pair with elementwise operations, so that a pair fares alike whatever
else is in the batch. Vectors are in the order of the grid axes, x last. Lengths are in voxels.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

# Depth (p,) and unit normal, one array (p,) an axis.
Contact = tuple[np.ndarray, list[np.ndarray]]


@dataclass(frozen=True)
class Ellipsoids:
    """Ellipsoids of revolution: half-axes ``long`` along ``axes``, ``short`` across; ``(m,)``."""

    sample: np.ndarray
    axes: np.ndarray
    long: np.ndarray
    short: np.ndarray

    @property
    def reach(self) -> np.ndarray:
        return np.maximum(self.long, self.short)

    def grown(self, by: np.ndarray) -> Ellipsoids:
        """Every half-axis longer by ``by`` ``(m,)``."""
        return Ellipsoids(self.sample, self.axes, self.long + by, self.short + by)

    def take(self, keep: np.ndarray) -> Ellipsoids:
        return Ellipsoids(self.sample[keep], self.axes[keep], self.long[keep], self.short[keep])

    def contact(self, r: list[np.ndarray], i: np.ndarray, j: np.ndarray) -> Contact:
        """Depth ``(p,)`` and unit normal that parts ``i`` from ``j``, at ``r = c_i - c_j``."""
        distance = np.maximum(np.sqrt(dot(r, r)), 1e-9)
        over = self.long[i] + self.long[j] - distance
        normal = [c / distance for c in r]
        long = np.flatnonzero((self.long[i] > self.short[i]) | (self.long[j] > self.short[j]))
        if len(long):
            exact, turned = self._contact([c[long] for c in r], i[long], j[long])
            over[long] = exact
            for whole, part in zip(normal, turned, strict=True):
                whole[long] = part
        return over, normal

    def _contact(self, r: list[np.ndarray], i: np.ndarray, j: np.ndarray) -> Contact:
        u, v = _columns(self.axes, i), _columns(self.axes, j)
        short_i, short_j = self.short[i] ** 2, self.short[j] ** 2
        more_i, more_j = self.long[i] ** 2 - short_i, self.long[j] ** 2 - short_j
        share = self.long[i] / (self.long[i] + self.long[j])
        for _ in range(4):
            # Y = base + p u u' + q v v', whose inverse acts through a 2 x 2 system.
            p, q = (1 - share) * more_i, share * more_j
            base = (1 - share) * short_i + share * short_j
            w = _solve_rank_two(base, p, u, q, v, r)
            ww, uw, vw = dot(w, w), dot(u, w), dot(v, w)
            first = np.sqrt(short_i * ww + more_i * uw**2)
            second = np.sqrt(short_j * ww + more_j * vw**2)
            scale = np.sqrt(np.maximum(share * (1 - share) * dot(r, w), 1e-18))
            share = first / np.maximum(first + second, 1e-18)
        length = np.maximum(np.sqrt(ww), 1e-18)
        return (1 / scale - 1) * dot(r, w) / length, [c / length for c in w]


@dataclass(frozen=True)
class Rods:
    """Spherocylinders: segments of half-length ``half`` along ``axes``, ``radius`` thick."""

    sample: np.ndarray
    axes: np.ndarray
    half: np.ndarray
    radius: np.ndarray

    @property
    def reach(self) -> np.ndarray:
        return self.half + self.radius

    def grown(self, by: np.ndarray) -> Rods:
        """Every radius larger by ``by`` ``(m,)``."""
        return Rods(self.sample, self.axes, self.half, self.radius + by)

    def take(self, keep: np.ndarray) -> Rods:
        return Rods(self.sample[keep], self.axes[keep], self.half[keep], self.radius[keep])

    def contact(self, r: list[np.ndarray], i: np.ndarray, j: np.ndarray) -> Contact:
        """As :meth:`Ellipsoids.contact`, from the nearest points of the two segments."""
        u, v = _columns(self.axes, i), _columns(self.axes, j)
        along, ru, rv = dot(u, v), dot(r, u), dot(r, v)
        sine = 1 - along**2
        parallel = sine < 1e-9
        s = np.where(parallel, -ru / 2, (along * rv - ru) / np.where(parallel, 1.0, sine))
        s = np.clip(s, -self.half[i], self.half[i])
        t = np.clip(along * s + rv, -self.half[j], self.half[j])
        s = np.clip(along * t - ru, -self.half[i], self.half[i])
        gap = [r[k] + s * u[k] - t * v[k] for k in range(len(r))]
        distance = np.maximum(np.sqrt(dot(gap, gap)), 1e-9)
        normal = [c / distance for c in gap]
        reach = self.radius[i] + self.radius[j]
        crossed = np.flatnonzero(distance < 1e-6)
        if len(r) == 2 and len(crossed):
            rest_i = np.where(s < 0, -1.0, 1.0) * (self.half[i] - np.abs(s))
            rest_j = np.where(t < 0, -1.0, 1.0) * (self.half[j] - np.abs(t))
            depth, out = _uncross(
                [c[crossed] for c in u], [c[crossed] for c in v], rest_i[crossed], rest_j[crossed]
            )
            distance[crossed] = -depth
            for whole, part in zip(normal, out, strict=True):
                whole[crossed] = part
        return reach - distance, normal


Bodies = Ellipsoids | Rods


def _uncross(
    u: list[np.ndarray], v: list[np.ndarray], rest_i: np.ndarray, rest_j: np.ndarray
) -> Contact:
    """Shortest way to part crossing segments in the plane: draw the nearer end across the other.

    ``rest`` is the signed length from the crossing to the nearer end, along ``u`` and ``v``.
    """
    sine = u[0] * v[1] - u[1] * v[0]
    # The end of j seen along the normal (-u1, u0) of i, and of i along the normal of j.
    end_j, end_i = rest_j * sine, -rest_i * sine
    of_j = np.abs(end_j) <= np.abs(end_i)
    sign = np.where(of_j, np.sign(end_j), -np.sign(end_i))
    normal = [
        sign * np.where(of_j, -u[1], -v[1]),
        sign * np.where(of_j, u[0], v[0]),
    ]
    return np.minimum(np.abs(end_j), np.abs(end_i)), normal


def _columns(vectors: np.ndarray, rows: np.ndarray) -> list[np.ndarray]:
    return [vectors[rows, k] for k in range(vectors.shape[1])]


def dot(a: list[np.ndarray], b: list[np.ndarray]) -> np.ndarray:
    """Inner products of vectors given by their columns.

    Written out: a library's product may round differently with the number of rows.
    """
    total = a[0] * b[0]
    for x, y in zip(a[1:], b[1:], strict=True):
        total = total + x * y
    return total


def _solve_rank_two(
    base: np.ndarray,
    p: np.ndarray,
    u: list[np.ndarray],
    q: np.ndarray,
    v: list[np.ndarray],
    r: list[np.ndarray],
) -> list[np.ndarray]:
    """``(base I + p u u' + q v v')⁻¹ r`` for unit vectors (Woodbury)."""
    uv, ru, rv = dot(u, v), dot(r, u), dot(r, v)
    # x = (u'w, v'w) solves [[base + p, q uv], [p uv, base + q]] x = (ru, rv).
    determinant = (base + p) * (base + q) - p * q * uv**2
    uw = ((base + q) * ru - q * uv * rv) / determinant
    vw = ((base + p) * rv - p * uv * ru) / determinant
    return [(r[k] - p * uw * u[k] - q * vw * v[k]) / base for k in range(len(r))]
