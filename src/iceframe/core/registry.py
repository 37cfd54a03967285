"""Registries: one file is one entry.

A registry owns a package; every module in that package registers itself when imported, and the
package is imported on first use. Third parties join through the entry-point group
``iceframe.<registry>``. An unknown name answers with the nearest one, those available, and those
that are there but cannot be imported (and what to install).
"""

from __future__ import annotations

import difflib
import importlib
import importlib.metadata
import pkgutil
import threading
from collections.abc import Callable, Iterator
from typing import Any, Generic, TypeVar

from iceframe.core.errors import NotAvailable, UsageError

T = TypeVar("T")


class Registry(Generic[T]):
    """Named entries of one kind.

    Parameters
    ----------
    kind : singular name used in messages, for example ``"rung"``.
    package : dotted name of the package whose modules register entries; may be ``None``.

    Examples
    --------
    >>> colours = Registry("colour")
    >>> @colours.register("blue")
    ... class Blue: ...
    >>> colours.names()
    ['blue']
    >>> colours["bleu"]
    Traceback (most recent call last):
    iceframe.core.errors.UsageError: Unknown colour 'bleu'. Did you mean 'blue'?
      allowed: blue
    """

    def __init__(self, kind: str, package: str | None = None) -> None:
        self.kind = kind
        self.package = package
        self._entries: dict[str, T] = {}
        self._broken: dict[str, str] = {}
        self._discovered = package is None
        self._discovering = False
        self._lock = threading.RLock()

    def register(self, name: str) -> Callable[[Any], Any]:
        """Class decorator (or plain call on an instance) that adds an entry under ``name``."""

        def add(entry: Any) -> Any:
            held = self._entries.get(name)
            if held is not None and _origin(held) != _origin(entry):
                raise UsageError(f"A {self.kind} named '{name}' is registered twice.")
            self._entries[name] = entry
            return entry

        return add

    def discover(self) -> None:
        """Import every module of the package and every entry point, once."""
        if self._discovered:
            return
        with self._lock:  # threads wait here until all entries are in
            if not self._discovering:
                self._discovering = True
                self._import_all()
                self._discovered = True

    def _import_all(self) -> None:
        assert self.package is not None
        package = importlib.import_module(self.package)
        for module in sorted(pkgutil.iter_modules(package.__path__), key=lambda m: m.name):
            if not module.name.startswith("_"):
                self._load(module.name, lambda m=module: f"{self.package}.{m.name}")  # type: ignore[misc]
        group = f"iceframe.{self.kind}s"
        for point in importlib.metadata.entry_points(group=group):
            try:
                self._entries.setdefault(point.name, point.load())
            except ImportError as error:
                self._broken[point.name] = str(error)

    def _load(self, name: str, dotted: Callable[[], str]) -> None:
        try:
            importlib.import_module(dotted())
        except ImportError as error:
            missing = error.name or str(error)
            self._broken[name] = f"needs '{missing}' (pip install {missing.split('.')[0]})"

    def names(self) -> list[str]:
        """Names of the usable entries, sorted."""
        self.discover()
        return sorted(self._entries)

    def broken(self) -> dict[str, str]:
        """Entries that are present but cannot be imported, with what they need."""
        self.discover()
        return dict(self._broken)

    def __getitem__(self, name: str) -> T:
        self.discover()
        if name in self._entries:
            return self._entries[name]
        if name in self._broken:
            raise NotAvailable(
                f"The {self.kind} '{name}' is not importable.", got=self._broken[name]
            )
        near = difflib.get_close_matches(name, self._entries, n=1, cutoff=0.5)
        hint = f" Did you mean '{near[0]}'?" if near else ""
        allowed = ", ".join(self.names())
        if self._broken:
            allowed += "; not importable: " + ", ".join(
                f"{n} ({w})" for n, w in self._broken.items()
            )
        raise UsageError(f"Unknown {self.kind} '{name}'.{hint}", allowed=allowed)

    def __contains__(self, name: object) -> bool:
        self.discover()
        return name in self._entries

    def __iter__(self) -> Iterator[str]:
        return iter(self.names())

    def __len__(self) -> int:
        return len(self.names())

    def items(self) -> list[tuple[str, T]]:
        """Pairs of name and entry, sorted by name."""
        return [(name, self._entries[name]) for name in self.names()]


def _origin(entry: Any) -> tuple[str, str]:
    kind = entry if isinstance(entry, type) else type(entry)
    return kind.__module__, kind.__qualname__
