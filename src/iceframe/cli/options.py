"""Options that several commands share, and reading the data that they describe."""

from __future__ import annotations

import functools
import inspect
import typing
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from iceframe.core.errors import UsageError

if TYPE_CHECKING:
    from iceframe.core.dataset import Dataset

Data = Annotated[
    Path,
    typer.Argument(
        help="A table (CSV, Parquet, XLSX, JSON lines, Matbench JSON), a folder of images or "
        "crystals (CIF, POSCAR, …) with a labels.csv or one subfolder a class, a file of crystals, "
        "or an archive of these.",
        show_default=False,
    ),
]
Target = Annotated[
    str | None,
    typer.Option("--target", "-t", help="Column to predict.", show_default=False),
]
Splits = Annotated[
    str,
    typer.Option(
        "--splits",
        help="auto, random, stratified, grouped:COL, leave-out:COL, cluster, forward:COL, extremes "
        "or matbench.",
    ),
]
Folds = Annotated[int, typer.Option("--folds", help="Number of outer folds.")]
Seed = Annotated[int, typer.Option("--seed", help="Root of every random choice.")]
Out = Annotated[Path, typer.Option("--out", "-o", help="Folder to write to.")]
Ladder = Annotated[
    str | None,
    typer.Option(
        "--ladder",
        help="Rungs, comma-separated; [bold]images[/bold] or [bold]crystals[/bold] for all that "
        "look at these. See [bold]iceframe list rungs[/bold].",
    ),
]
Descriptors = Annotated[
    str | None,
    typer.Option(
        "--descriptors",
        help="What tables of features are made of, comma-separated; [bold]default[/bold] stands "
        "for the default ones. See [bold]iceframe list descriptors[/bold].",
    ),
]
Device = Annotated[str, typer.Option("--device", help="auto, cpu or cuda.")]
Workers = Annotated[
    int | None, typer.Option("--workers", help="Processes; one a core when not given.")
]
Budget = Annotated[
    str | None,
    typer.Option("--budget", help="Stop starting work after this long (90s, 10m, 2h); resumable."),
]
Repeats = Annotated[
    int | None,
    typer.Option(
        "--repeats",
        help="Partitions on which losses are compared; three for a table of fewer than 400 "
        "samples when not given, else one.",
    ),
]
Trials = Annotated[
    int | None,
    typer.Option("--trials", help="Most tuning trials a rung and fold; 0: no tuning."),
]
Shift = Annotated[
    bool, typer.Option("--shift/--no-shift", help="Also measure leave-cluster-out error.")
]
RunFolder = Annotated[Path, typer.Argument(help="Folder of a run.", show_default=False)]
RungOption = Annotated[
    str | None, typer.Option("--rung", help="Another rung than the equilibrium's.")
]
AsJson = Annotated[bool, typer.Option("--json", help="Machine-readable.")]

READING = "Reading the data"  # heading of these options in the help
MAX_PIXELS = 100_000_000


def _option(name: str, text: str) -> Any:
    return typer.Option(name, help=text, rich_help_panel=READING, show_default=False)


def reading_options(
    task: Annotated[
        str | None, _option("--task", "regression or classification; found out if not given.")
    ] = None,
    features: Annotated[
        str | None, _option("--features", "Columns that models may use, comma-separated.")
    ] = None,
    drop: Annotated[
        str | None, _option("--drop", "Columns that models must not see, comma-separated.")
    ] = None,
    categorical: Annotated[
        str | None, _option("--categorical", "Columns of numbers that are codes, comma-separated.")
    ] = None,
    composition: Annotated[str | None, _option("--composition", "Column with formulas.")] = None,
    id_column: Annotated[str | None, _option("--id", "Column with the sample ids.")] = None,
    specimen: Annotated[
        str | None, _option("--specimen", "Column naming the piece a sample was cut from.")
    ] = None,
    drop_invalid: Annotated[
        bool,
        _option(
            "--drop-invalid", "Leave out rows with an unusable target, formula, file or crystal."
        ),
    ] = False,
    size: Annotated[
        str | None, _option("--size", "Common image size HEIGHTxWIDTH, for example 256x256.")
    ] = None,
    fit: Annotated[
        str | None, _option("--fit", "How images get that size: crop, pad or resize.")
    ] = None,
    pages: Annotated[str | None, _option("--pages", "Multi-page TIFF: volume or frames.")] = None,
    symmetries: Annotated[
        str | None,
        _option(
            "--symmetries",
            "Image operations that leave the target unchanged: flip, rotate90, translate.",
        ),
    ] = None,
    periodic: Annotated[
        bool | None, _option("--periodic/--not-periodic", "Whether opposite image edges meet.")
    ] = None,
    max_pixels: Annotated[
        int, _option("--max-pixels", "Refuse larger images (decompression bombs).")
    ] = MAX_PIXELS,
    encoding: Annotated[str | None, _option("--encoding", "Of a text table; UTF-8.")] = None,
) -> dict[str, Any]:
    """The keyword arguments of :func:`iceframe.read` that the options on reading stand for."""
    return {
        "task": task,
        "features": names(features),
        "drop": names(drop) or [],
        "categorical": names(categorical) or [],
        "composition": composition,
        "id_column": id_column,
        "specimen": specimen,
        "drop_invalid": drop_invalid,
        "size": _size(size),
        "fit": fit,
        "pages": pages,
        "symmetries": names(symmetries),
        "periodic": periodic,
        "max_pixels": max_pixels,
        "encoding": encoding,
    }


def with_reading_options(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command the options of :func:`reading_options`, as its argument ``reading``."""
    shared = inspect.signature(reading_options).parameters
    hints = typing.get_type_hints(reading_options, include_extras=True)
    own = inspect.signature(command)
    own_hints = typing.get_type_hints(command, include_extras=True)

    @functools.wraps(command)
    def wrapped(**given: Any) -> None:
        reading = {name: given.pop(name) for name in shared}
        command(**given, reading=reading_options(**reading))

    mine = [
        p.replace(annotation=own_hints[name])
        for name, p in own.parameters.items()
        if name != "reading"
    ]
    more = [p.replace(annotation=hints[name]) for name, p in shared.items()]
    keyword = inspect.Parameter.KEYWORD_ONLY
    parameters = [p.replace(kind=keyword) for p in [*mine, *more]]
    wrapped.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    wrapped.__annotations__ = {p.name: p.annotation for p in parameters}
    del wrapped.__wrapped__
    return wrapped


def read_data(path: Path, target: str | None, reading: dict[str, Any]) -> Dataset:
    """Read the user's data."""
    from iceframe.ingest import read

    return read(path, target, **reading)


def names(text: str | None) -> list[str] | None:
    """The names in a comma-separated list; ``None`` where there is none."""
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
