"""What the user states about data, and what a sidecar states where the user does not."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, get_args

from iceframe.core.errors import UsageError
from iceframe.core.values import Law, Task
from iceframe.ingest.opening import ImageOptions
from iceframe.ingest.sidecar import SYMMETRIES


@dataclass(frozen=True)
class Options:
    """The arguments of :func:`iceframe.ingest.reading.read`; see there."""

    target: str | None
    task: Task | None
    features: tuple[str, ...] | None
    drop: tuple[str, ...]
    categorical: tuple[str, ...]
    composition: str | None
    id_column: str | None
    specimen: str | None
    drop_invalid: bool
    units: Mapping[str, str]
    require_target: bool
    encoding: str | None
    images: ImageOptions
    symmetries: tuple[str, ...] | None
    pixel_size: float | None
    pixel_unit: str | None
    law: Law | None = None


def check_choice(name: str, value: str | None, allowed: Sequence[str]) -> None:
    """An unknown choice is a :class:`UsageError` that lists the known ones."""
    if value is not None and value not in allowed:
        raise UsageError(f"Unknown value for '{name}'.", got=value, allowed=", ".join(allowed))


def with_sidecar(
    options: Options, stated: Mapping[str, Any], *, kind_given: bool, periodic: bool | None
) -> Options:
    """What the user states comes before what the sidecar states."""
    task = options.task or stated.get("task")
    check_choice("task", task, get_args(Task))
    images = replace(
        options.images,
        kind=options.images.kind if kind_given else stated.get("kind", options.images.kind),
        periodic=bool(stated.get("periodic", False)) if periodic is None else periodic,
        levels=options.images.levels
        or (tuple(float(level) for level in stated["levels"]) if "levels" in stated else None),
    )
    symmetries = options.symmetries
    if symmetries is None and "symmetries" in stated:
        symmetries = tuple(str(one) for one in stated["symmetries"])
    for one in symmetries or ():
        check_choice("symmetries", one, SYMMETRIES)
    return replace(
        options,
        target=options.target or stated.get("target"),
        task=task,
        specimen=options.specimen or stated.get("specimen"),
        units={**stated.get("units", {}), **options.units},
        images=images,
        symmetries=symmetries,
        pixel_size=options.pixel_size or stated.get("pixel_size"),
        pixel_unit=options.pixel_unit or stated.get("pixel_unit"),
        law=stated.get("physics"),
    )
