"""Sizes of evolving structures: domains by the structure factor, grains by labelling."""

from __future__ import annotations

import numpy as np

from iceframe.core.errors import InputError


def domain_size(fields: np.ndarray, dimension: int, spacing: float = 1.0) -> np.ndarray:
    """Mean domain size ``2π/k₁``, ``k₁ = Σ k S(k)/Σ S(k)``: first moment of the structure factor.

    ``S(k)`` is ``|û|²`` averaged over shells of wave vectors, one grid step ``2π/(longest side)``
    wide, up to wave length 2, without the mean. Averaging over
    shells first keeps the Porod tail, ``S ~ k^−(d+1)``, from making the moment depend on the grid.

    Parameters
    ----------
    fields : ``(…, *shape)``; the last ``dimension`` axes are the grid, periodic.
    dimension : 2 or 3.
    spacing : edge of a voxel; the result has its unit.

    Returns
    -------
    ``(…)``; NaN for a uniform or a NaN field.

    Examples
    --------
    >>> x = np.arange(32)
    >>> wave = np.cos(2 * np.pi * 4 * x / 32) + np.zeros((32, 1))
    >>> float(domain_size(wave, 2).round(9))
    8.0
    """
    fields = np.asarray(fields, float)
    if dimension not in (2, 3) or fields.ndim < dimension:
        raise InputError(
            "A domain size needs fields on a grid.",
            got=f"shape {fields.shape}, dimension {dimension}",
            allowed="dimension 2 or 3, and at least as many axes",
        )
    axes = tuple(range(-dimension, 0))
    shape = fields.shape[-dimension:]
    waves = [np.fft.fftfreq(s) for s in shape[:-1]] + [np.fft.rfftfreq(shape[-1])]
    k = np.sqrt(sum(a**2 for a in np.meshgrid(*waves, indexing="ij", sparse=True)))
    shell = np.rint(k * max(shape)).astype(int).ravel()
    power = np.abs(np.fft.rfftn(fields, axes=axes)) ** 2
    # The half grid leaves out the mirror images of all but its first and (even) last plane.
    copies = np.full(k.shape, 2.0)
    copies[..., 0] = 1.0
    if shape[-1] % 2 == 0:
        copies[..., -1] = 1.0
    counts = np.bincount(shell, copies.ravel())
    flat = (power * copies).reshape(-1, shell.size)
    size = len(counts)
    bins = (np.arange(len(flat))[:, None] * size + shell).ravel()
    spectrum = np.bincount(bins, flat.ravel(), minlength=len(flat) * size).reshape(-1, size)
    held = np.arange(size) <= max(shape) / 2
    held[0] = False
    held &= counts > 0
    mean = spectrum[:, held] / counts[held]
    number = np.arange(size)[held] / max(shape)
    with np.errstate(invalid="ignore", divide="ignore"):
        result = mean.sum(axis=1) / (mean @ number)
    return np.asarray(spacing * result.reshape(fields.shape[:-dimension]))


def grain_labels(orders: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Grains of multi-order-parameter fields: connected, across the borders, in one order.

    A voxel belongs to its largest order parameter; voxels that share a face are connected.

    Parameters
    ----------
    orders : ``(n, orders, *shape)``, finite.

    Returns
    -------
    labels, int32 ``(n, *shape)``, from 0 in each sample; and the number of grains ``(n,)``.

    Examples
    --------
    Two columns of the first order touch across the border: one grain.

    >>> first = np.array([[1.0, 0.0, 0.0, 1.0]] * 3)
    >>> grain_labels(np.stack([first, 1 - first])[None])[1].tolist()
    [2]
    """
    from scipy import ndimage, sparse

    orders = np.asarray(orders, float)
    if orders.ndim < 4 or not np.isfinite(orders).all():
        raise InputError(
            "Grains are found in finite order parameters only.",
            got=f"shape {orders.shape}",
            allowed="(n, orders, *shape), finite",
            hint="leave out the frames that a sample did not reach",
        )
    n = len(orders)
    dimension = orders.ndim - 2
    owner = orders.argmax(axis=1)
    # One call labels every order of every sample: no connection along the first two axes.
    member = owner[:, None] == np.arange(orders.shape[1]).reshape(1, -1, *(1,) * dimension)
    structure = np.zeros((3,) * (dimension + 2), bool)
    structure[1, 1] = ndimage.generate_binary_structure(dimension, 1)
    parts, count = ndimage.label(member, structure)
    joins = []
    for axis in range(2, dimension + 2):
        ends = np.stack([parts.take(0, axis).ravel(), parts.take(-1, axis).ravel()])
        joins.append(ends[:, (ends > 0).all(axis=0)] - 1)
    a, b = np.concatenate(joins, axis=1)
    graph = sparse.coo_array((np.ones(len(a), bool), (a, b)), shape=(count, count))
    _, whole = sparse.csgraph.connected_components(graph, directed=False)
    found = whole[parts.max(axis=1) - 1]  # (n, *shape), grains numbered over the batch
    distinct, labels = np.unique(
        found + np.arange(n).reshape(n, *(1,) * dimension) * count, return_inverse=True
    )
    number = np.bincount(distinct // count, minlength=n)
    firsts = np.concatenate([[0], np.cumsum(number)[:-1]])
    labels = labels.reshape(found.shape) - firsts.reshape(n, *(1,) * dimension)
    return labels.astype(np.int32), number


def mean_grain_area(orders: np.ndarray, spacing: float = 1.0) -> np.ndarray:
    """Cell's area over its number of grains ``(n,)`` (in 3-D: volume); see :func:`grain_labels`.

    Examples
    --------
    >>> first = np.array([[1.0, 0.0, 0.0, 1.0]] * 4)
    >>> mean_grain_area(np.stack([first, 1 - first])[None], spacing=0.5).tolist()
    [2.0]
    """
    _, number = grain_labels(orders)
    shape = np.asarray(orders).shape[2:]
    return np.asarray(np.prod(shape) * spacing ** len(shape) / number)
