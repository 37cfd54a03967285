"""``iceframe describe``: named features of images, or of a volume larger than memory."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from iceframe.cli import options as o
from iceframe.cli.app import app
from iceframe.core.errors import UsageError

if TYPE_CHECKING:
    import pandas as pd


@app.command()
@o.with_reading_options
def describe(
    data: Annotated[
        Path,
        typer.Argument(
            help="A folder of images, a table that names image files, or one volume: .npy, .tif or "
            "a Zarr array, which may be larger than the memory.",
            show_default=False,
        ),
    ],
    out: Annotated[
        Path, typer.Option("--out", "-o", help="CSV or Parquet file to write.", show_default=False)
    ],
    descriptors: Annotated[
        str | None,
        typer.Option(
            "--descriptors",
            help="Comma-separated; see [bold]iceframe list descriptors[/bold]. By default those "
            "that are defaults for images of this kind.",
            show_default=False,
        ),
    ] = None,
    kind: Annotated[
        str | None,
        typer.Option("--kind", help="grey, or phase for segmented images.", show_default=False),
    ] = None,
    mask: Annotated[
        Path | None,
        typer.Option(
            "--mask",
            help="Where pixels were measured (0: not): a folder of files with the images' names, "
            "or a volume.",
            show_default=False,
        ),
    ] = None,
    spacing: Annotated[
        float | None, typer.Option("--spacing", help="Length of a pixel.", show_default=False)
    ] = None,
    unit: Annotated[
        str | None, typer.Option("--unit", help="Unit of that length.", show_default=False)
    ] = None,
    crop: Annotated[
        str | None,
        typer.Option("--crop", help="Part of a volume, z0:z1,y0:y1,x0:x1.", show_default=False),
    ] = None,
    block: Annotated[
        str | None,
        typer.Option(
            "--block",
            help="Voxels of a volume that are looked at at once, 128x128x128; chosen if not given.",
            show_default=False,
        ),
    ] = None,
    longest: Annotated[
        int | None,
        typer.Option(
            "--longest",
            help="Longest distance in voxels between two points of a volume; 64.",
            show_default=False,
        ),
    ] = None,
    as_json: o.AsJson = False,
    *,
    reading: dict[str, Any],
) -> None:
    """Describe microstructures by named features: a table with one row an image.

    Repeat the command to go on after an interruption.

    Example: [bold]iceframe describe micrographs --out features.csv[/bold], or
    [bold]iceframe describe battery.tif --kind phase --descriptors minkowski,lineal_path --out
    battery.csv[/bold]
    """
    from iceframe.cli.console import progress_bar
    from iceframe.workflow.describe import describe as make

    names = o.names(descriptors)
    box = None if crop is None else _box(crop)
    size = None if block is None else _sides(block)
    latest = ""

    def doing(event: Any) -> str:
        nonlocal latest
        latest = str(event.doing)
        return latest

    with progress_bar(doing, "images") as watch, _volumes_are_not_kept(lambda: latest):
        table = make(
            data,
            names,
            out=out,
            mask=mask,
            kind=kind,  # type: ignore[arg-type]
            spacing=spacing,
            unit=unit,
            crop=box,
            block=size,
            longest=longest,
            watch=watch,
            **reading,
        )
    _show(table, out, as_json)


@contextmanager
def _volumes_are_not_kept(doing: Callable[[], str]) -> Iterator[None]:
    """Ctrl-C in the middle of a volume: nothing is kept, and nobody should believe it."""
    from iceframe.cli.console import err

    try:
        yield
    except KeyboardInterrupt as interrupt:
        if not doing().endswith("volume"):
            raise
        err.print("Interrupted. A volume is described in one go: nothing is kept.")
        raise typer.Exit(130) from interrupt


def _show(table: pd.DataFrame, out: Path, as_json: bool) -> None:
    from iceframe.cli.console import err

    if as_json:
        columns = [{"name": n, "unit": u} for n, u in table.attrs["units"].items()]
        body = {"file": str(out), "samples": len(table), "columns": columns}
        typer.echo(json.dumps({**body, "notes": table.attrs["notes"]}, indent=1))
        return
    for note in table.attrs["notes"]:
        err.print(note, style="dim", markup=False)
    typer.echo(f"{table.shape[1]} features of {table.shape[0]} images: {out}")


def _box(text: str) -> list[tuple[int, int]]:
    try:
        found = [tuple(int(end) for end in part.split(":")) for part in text.split(",")]
        return [(low, high) for low, high in found]
    except ValueError as error:
        raise UsageError(
            "Cannot read --crop.", got=text, allowed="z0:z1,y0:y1,x0:x1, e.g. 0:256,0:256,0:256"
        ) from error


def _sides(text: str) -> tuple[int, ...]:
    try:
        return tuple(int(part) for part in text.lower().split("x"))
    except ValueError as error:
        raise UsageError("Cannot read --block.", got=text, allowed="e.g. 128x128x128") from error
