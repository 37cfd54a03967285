"""Options that several commands share, and reading the data that they describe."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from iceframe.core.errors import UsageError

if TYPE_CHECKING:
    from iceframe.core.dataset import Dataset

Data = Annotated[
    Path,
    typer.Argument(
        help="A table (CSV, Parquet, XLSX, JSON lines, Matbench JSON), a folder of images with a "
        "labels.csv, or one subfolder a class.",
        show_default=False,
    ),
]
Target = Annotated[
    str | None,
    typer.Option("--target", "-t", help="Column to predict.", show_default=False),
]
TaskOption = Annotated[
    str | None,
    typer.Option("--task", help="regression or classification; found out when not given."),
]
Features = Annotated[
    str | None,
    typer.Option("--features", help="Columns that models may use, comma-separated."),
]
Drop = Annotated[
    str | None, typer.Option("--drop", help="Columns that models must not see, comma-separated.")
]
Composition = Annotated[str | None, typer.Option("--composition", help="Column with formulas.")]
IdColumn = Annotated[str | None, typer.Option("--id", help="Column with the sample ids.")]
Specimen = Annotated[
    str | None,
    typer.Option("--specimen", help="Column naming the physical piece a sample was cut from."),
]
DropInvalid = Annotated[
    bool,
    typer.Option("--drop-invalid", help="Leave out rows whose target or formula is unusable."),
]
Size = Annotated[
    str | None,
    typer.Option("--size", help="Common image size HEIGHTxWIDTH, for example 256x256."),
]
Fit = Annotated[
    str | None,
    typer.Option("--fit", help="How images get that size: crop, pad or resize."),
]
Pages = Annotated[str | None, typer.Option("--pages", help="Multi-page TIFF: volume or frames.")]
MaxPixels = Annotated[
    int, typer.Option("--max-pixels", help="Refuse images larger than this (decompression bombs).")
]
MAX_PIXELS = 100_000_000


def reading_options(
    *,
    task: str | None = None,
    features: str | None = None,
    drop: str | None = None,
    composition: str | None = None,
    id_column: str | None = None,
    specimen: str | None = None,
    drop_invalid: bool = False,
    size: str | None = None,
    fit: str | None = None,
    pages: str | None = None,
    max_pixels: int = MAX_PIXELS,
) -> dict[str, Any]:
    """The keyword arguments of :func:`iceframe.read` that these options stand for."""
    return {
        "task": task,
        "features": _names(features),
        "drop": tuple(_names(drop) or ()),
        "composition": composition,
        "id_column": id_column,
        "specimen": specimen,
        "drop_invalid": drop_invalid,
        "size": _size(size),
        "fit": fit,
        "pages": pages,
        "max_pixels": max_pixels,
    }


def read_data(path: Path, target: str | None, **options: Any) -> Dataset:
    """Read the user's data."""
    from iceframe.ingest import read

    return read(path, target, **reading_options(**options))


def _names(text: str | None) -> list[str] | None:
    return [part.strip() for part in text.split(",") if part.strip()] if text else None


def _size(text: str | None) -> tuple[int, int] | None:
    if text is None:
        return None
    try:
        height, width = (int(part) for part in text.lower().split("x"))
    except ValueError as error:
        raise UsageError(
            "Cannot read --size.", got=text, allowed="HEIGHTxWIDTH, e.g. 256x256"
        ) from error
    return height, width
