"""Batches of bounded cost, for networks whose memory grows with the neighbours in a batch."""

from __future__ import annotations

from collections.abc import Sequence


def grouped(costs: Sequence[int], most: int) -> list[list[int]]:
    """Positions in order, in groups whose costs add to at most ``most``; a larger one stands alone.

    Examples
    --------
    >>> grouped([3, 3, 9, 1, 2], most=6)
    [[0, 1], [2], [3, 4]]
    """
    groups: list[list[int]] = []
    room = 0
    for position, size in enumerate(costs):
        if not groups or size > room:
            groups.append([])
            room = most
        groups[-1].append(position)
        room -= size
    return groups
