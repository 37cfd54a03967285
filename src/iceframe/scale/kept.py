"""Things that took long to build, kept until others need the room."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

Built = TypeVar("Built")


class Kept(Generic[Built]):
    """What was built under each key; those asked for longest ago go first.

    Parameters
    ----------
    size : how much room one takes, in any unit. room : how much all may take; the latest always
        stays.

    Examples
    --------
    >>> kept = Kept(len, room=5)
    >>> [kept.get(word, lambda: word.upper()) for word in ("iron", "tin", "iron")]
    ['IRON', 'TIN', 'IRON']
    >>> list(kept.held)
    ['iron']
    """

    def __init__(self, size: Callable[[Built], int], room: int) -> None:
        self.size, self.room = size, room
        self.held: OrderedDict[Hashable, Built] = OrderedDict()

    def get(self, key: Hashable, build: Callable[[], Built]) -> Built:
        """What is kept under ``key``, built where it is not."""
        if key not in self.held:
            self.held[key] = build()
        self.held.move_to_end(key)
        while len(self.held) > 1 and sum(map(self.size, self.held.values())) > self.room:
            self.held.popitem(last=False)
        return self.held[key]
