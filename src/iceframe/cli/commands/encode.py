"""``iceframe encode``: learn a few numbers that stand for an image, and look at what they mean."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from iceframe.cli import options as o
from iceframe.cli.app import app
from iceframe.core.errors import UsageError

if TYPE_CHECKING:
    import pandas as pd

    from iceframe.workflow.encode import Encoding

PAGE = "encoding.html"


@app.command()
@o.with_reading_options
def encode(
    data: o.Data,
    out: Annotated[
        Path,
        typer.Option(
            "--out",
            "-o",
            help="Folder to write to; with --with a CSV or Parquet file.",
            show_default=False,
        ),
    ],
    encoder: Annotated[
        str | None,
        typer.Option(
            "--encoder",
            "-e",
            help="Which to fit; see [bold]iceframe list encoders[/bold].",
            show_default=False,
        ),
    ] = None,
    fitted: Annotated[
        Path | None,
        typer.Option(
            "--with",
            help="Use the encoder in this folder, fitted before, instead of fitting one.",
            show_default=False,
        ),
    ] = None,
    target: o.Target = None,
    latents: Annotated[
        int | None,
        typer.Option(
            "--latents", help="How many numbers stand for an image; 16.", show_default=False
        ),
    ] = None,
    epochs: Annotated[
        int | None,
        typer.Option("--epochs", help="Most passes over the images.", show_default=False),
    ] = None,
    factors: Annotated[
        str | None,
        typer.Option(
            "--factors",
            help="Columns that made the images differ, comma-separated, to score the latents by; "
            "simulated data know theirs.",
            show_default=False,
        ),
    ] = None,
    seed: o.Seed = 0,
    device: o.Device = "auto",
    *,
    reading: dict[str, Any],
    as_json: o.AsJson = False,
) -> None:
    """Learn what images have in common, as a few numbers each.

    Fits an encoder without a target, writes the latents of every image, and a page to look at:
    what each latent paints, which images are neighbours, and a map. A target or factors only
    colour the map and score the latents. Repeating the command finds the work done.

    Example: [bold]iceframe encode micrographs/ --encoder vae --out latents[/bold], then
    [bold]iceframe encode new/ --with latents --out new.csv[/bold]
    """
    if (encoder is None) == (fitted is None):
        from iceframe.scale.encoder import ENCODERS

        raise UsageError(
            "Either fit an encoder, or use a fitted one.",
            allowed="--encoder " + ", ".join(ENCODERS.names()) + "; or --with DIR",
        )
    if fitted is not None:
        given = {"--latents": latents, "--epochs": epochs, "--factors": factors, "--target": target}
        _refuse([name for name, value in given.items() if value is not None], reading)
        _encode_with(fitted, data, out, as_json)
        return
    from iceframe.cli.console import progress_bar
    from iceframe.ingest import read
    from iceframe.report.encoding import write_encoding
    from iceframe.workflow.encode import encode as fit_encoder
    from iceframe.workflow.encoding_view import view_of

    dataset = read(data, target, require_target=target is not None, **reading)
    names = o.names(factors)
    with progress_bar(lambda event: event.stage) as watch, _nothing_kept():
        made = fit_encoder(
            dataset,
            encoder=str(encoder),
            out=out,
            latents=latents,
            epochs=epochs,
            factors=names,
            seed=seed,
            device=device,
            watch=watch,
        )
    page = write_encoding(view_of(made, dataset), made.folder / PAGE)
    _show(made, page, as_json)


def _refuse(given: list[str], reading: dict[str, Any]) -> None:
    """A fitted encoder reads data as those of its fit: nothing else can be asked of it."""
    usual = o.reading_options()
    given += [f"--{name.replace('_', '-')}" for name in reading if reading[name] != usual[name]]
    if given:
        raise UsageError(
            "With --with, images are read and encoded as those of the fit were.",
            got=", ".join(given),
            hint="leave these options out",
        )


def _encode_with(folder: Path, data: Path, out: Path, as_json: bool) -> None:
    from iceframe.cli.console import progress_bar
    from iceframe.workflow.encode import open_encoding

    if out.is_dir():
        raise UsageError(
            "With --with, --out is a file.", got=out, allowed="a .csv or .parquet file"
        )
    made = open_encoding(folder)
    with progress_bar(lambda event: event.stage) as watch, _nothing_kept():
        table = made.encode(data, watch=watch)
    _write(table, out)
    if as_json:
        body = {"file": str(out), "images": len(table), "latents": list(table.columns)}
        typer.echo(json.dumps(body, indent=1))
        return
    typer.echo(f"{len(table)} images, {table.shape[1]} latents each: {out}")


@contextmanager
def _nothing_kept() -> Iterator[None]:
    """Ctrl-C ends with exit code 130: a training that is cut short leaves nothing."""
    from iceframe.cli.console import err

    try:
        yield
    except KeyboardInterrupt as interrupt:
        err.print("Interrupted. Nothing was written; repeat the same command to start again.")
        raise typer.Exit(130) from interrupt


def _write(table: pd.DataFrame, out: Path) -> None:
    from iceframe.core.files import replacing

    with replacing(out) as temporary:
        if out.suffix.lower() in (".parquet", ".pq"):
            table.to_parquet(temporary)
        else:
            table.to_csv(temporary)


def _show(made: Encoding, page: Path, as_json: bool) -> None:
    from iceframe.cli.console import err, out, show_ladder
    from iceframe.report.numbers import finite, number

    scores = [] if made.scores is None else made.scores.to_dict("records")
    header = made.header
    if as_json:
        rows = [{k: v if not isinstance(v, float) or finite(v) else None for k, v in row.items()}
                for row in scores]  # fmt: skip
        body = {
            "folder": str(made.folder),
            "page": str(page),
            "encoder": header["encoder"],
            "images": header["data"]["images"],
            "latents": list(made.latents.columns),
            "record": header["record"],
            "factors": header["factors"]["names"],
            "scores": rows,
            "notes": header["notes"],
        }
        typer.echo(json.dumps(body, indent=1))
        return
    for note in header["notes"]:
        err.print(note, style="yellow", markup=False)
    images, latents = header["data"]["images"], made.latents.shape[1]
    out.print(f"{images} images, {latents} latents each: [bold]{made.folder}[/bold]")
    if scores:
        shown = [
            {
                "score": row["score"],
                "value": number(row["value"]),
                "95 %": f"{number(row['low'])} to {number(row['high'])}",
                "chance": number(row["chance"]),
            }
            for row in scores
        ]
        show_ladder(shown, ["score", "value", "95 %", "chance"])
        for warning in dict.fromkeys(str(row["warning"]) for row in scores if row["warning"]):
            err.print(warning, style="yellow", markup=False)
    out.print(f"Page: [bold]{page}[/bold]")
