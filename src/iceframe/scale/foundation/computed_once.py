"""Rows of numbers, one a crystal, that one model computed: once for each crystal that it sees.

Rows that were kept are read (:mod:`iceframe.scale.foundation.feature_cache`), and the others are
computed batch by batch, each batch kept as soon as it is done: what was computed before an
interruption is there after it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

import numpy as np

from iceframe.scale.foundation.feature_cache import FeatureCache

Progress = Callable[[int, int], None]
"""Called with the crystals done and their number."""


def computed_once(
    keys: Sequence[str],
    lengths: Sequence[int] | np.ndarray,
    cache: FeatureCache,
    batches: Callable[[np.ndarray], Iterable[Sequence[int] | np.ndarray]],
    compute: Callable[[np.ndarray], Mapping[int, np.ndarray]],
    progress: Progress | None = None,
) -> list[np.ndarray]:
    """A float32 row for each of ``n`` crystals, in their order.

    Parameters
    ----------
    keys, lengths : of each crystal, the hash of its content and how long its row is. A kept row of
        another length is computed again.
    batches : makes batches of the positions of those crystals that have no row yet, each content
        once.
    compute : gives the rows of one batch, by position.
    """
    wanted = dict(zip(keys, np.asarray(lengths).tolist(), strict=True))
    found = {k: row for k, row in cache.read(keys).items() if len(row) == wanted[k]}
    first = {key: i for i, key in reversed(list(enumerate(keys)))}  # a crystal may come twice
    lacking = np.array(sorted(i for key, i in first.items() if key not in found), int)
    done = len(keys) - len(lacking)
    if progress is not None:
        progress(done, len(keys))
    for batch in batches(lacking) if len(lacking) else ():
        new = {keys[i]: row for i, row in compute(np.asarray(batch, int)).items()}
        cache.write(new)
        found |= new
        done += len(batch)
        if progress is not None:
            progress(done, len(keys))
    return [found[key] for key in keys]
