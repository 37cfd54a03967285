"""``iceframe simulate``: a data set with known truth, from a recipe."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from iceframe.cli import options as o
from iceframe.cli.app import app
from iceframe.core.errors import UsageError

if TYPE_CHECKING:
    from iceframe.ingest.simulated import Simulated
    from iceframe.workflow.simulate.estimate import Estimate


@app.command()
def simulate(
    recipe: Annotated[
        Path | None, typer.Argument(help="A YAML file.", show_default=False, metavar="RECIPE")
    ] = None,
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="Folder of the data set.", show_default=False)
    ] = None,
    workers: o.Workers = None,
    dry_run: Annotated[
        bool,
        typer.Option(
            "--dry-run", help="Check the recipe and say what it would cost; write nothing."
        ),
    ] = False,
    template: Annotated[
        str | None,
        typer.Option(
            "--template",
            help="Print a recipe to start from: conduction, elastic, volume, polycrystal, "
            "metal or spinodal.",
            show_default=False,
        ),
    ] = None,
    as_json: o.AsJson = False,
) -> None:
    """Simulate microstructures with known factors, properties and sensitivities.

    The recipe names a generator, its factors and the properties to compute. The data set can be
    given to [bold]iceframe run[/bold] as it is. Repeat the command to go on after an interruption.

    Example: [bold]iceframe simulate --template elastic > recipe.yaml[/bold], then
    [bold]iceframe simulate recipe.yaml --out elastic[/bold]
    """
    if template is not None:
        from iceframe.workflow.simulate.templates import template as text

        typer.echo(text(template), nl=False)
        return
    if recipe is None:
        raise UsageError(
            "Which recipe?",
            hint="iceframe simulate RECIPE.yaml --out DATASET; for a recipe to start from: "
            "iceframe simulate --template conduction",
        )
    if dry_run:
        from iceframe.workflow.simulate.estimate import estimate

        _show_estimate(estimate(recipe, out=out or Path("."), workers=workers), as_json)
        return
    if out is None:
        raise UsageError("Where to?", hint="name a folder with --out")
    from iceframe.cli.console import progress_bar
    from iceframe.workflow.simulate.session import simulate as make

    with progress_bar(lambda _: "simulating", "samples") as watch:
        made = make(recipe, out=out, workers=workers, watch=watch)
    _show_made(made, as_json)


def _show_estimate(found: Estimate, as_json: bool) -> None:
    from iceframe.cli.console import duration, err, out

    if as_json:
        typer.echo(json.dumps(found.plain(), indent=1))
        return
    shape = " × ".join(map(str, found.shape))
    out.print(f"[bold]{found.samples} samples[/bold] of {shape} voxels in {found.parts} parts")
    out.print(f"  columns: {', '.join(found.columns)}", markup=False)
    out.print(f"  arrays: {', '.join(found.arrays)}", markup=False)
    workers = f"{found.workers} worker" + ("s" if found.workers > 1 else "")
    out.print(f"  time: about {duration(max(1, found.seconds))} with {workers}")
    out.print(f"  size: about {size_text(found.bytes)} ({size_text(found.free)} are free)")
    if found.failed:
        err.print(
            f"[yellow]{found.failed} of the {found.tried} samples that were tried have no "
            "property:[/yellow] raise max_iterations, loosen the tolerance or lower the contrast"
        )
    if found.bytes > found.free:
        err.print("[yellow]The disk does not hold that much.[/yellow]")


def _show_made(made: Simulated, as_json: bool) -> None:
    from iceframe.cli.console import err, out

    manifest = made.manifest
    properties = [c["name"] for c in manifest["columns"] if c["role"] == "property"]
    if as_json:
        body = {key: manifest[key] for key in ("samples", "shape", "columns", "arrays")}
        rest = {key: manifest[key] for key in ("statuses", "notes", "recipe_hash")}
        typer.echo(json.dumps({"folder": str(made.folder), **body, **rest}, indent=1))
        return
    for note in manifest["notes"]:
        err.print(f"[yellow]{note}[/yellow]")
    out.print(f"{len(made)} samples: [bold]{made.folder}[/bold]")
    if properties:
        out.print(
            f"Next: iceframe run {made.folder} --target {properties[0]} --out runs/{properties[0]}",
            style="dim",
            markup=False,
            soft_wrap=True,
        )


def size_text(count: float) -> str:
    """Bytes as people say them.

    >>> size_text(900), size_text(5.4e6)
    ('900 B', '5.1 MiB')
    """
    for unit in ("B", "KiB", "MiB", "GiB"):
        if count < 1024:
            return f"{count:.0f} {unit}" if unit == "B" else f"{count:.1f} {unit}"
        count /= 1024
    return f"{count:.1f} TiB"
