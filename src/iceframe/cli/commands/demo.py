"""``iceframe demo``: the whole way with no data at hand."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from iceframe.cli import options as o
from iceframe.cli.app import app
from iceframe.cli.commands.run import conclude


@app.command()
def demo(
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder for data and run.")] = Path(
        "demo"
    ),
    samples: Annotated[int, typer.Option("--samples", help="Microstructures to simulate.")] = 300,
    seed: o.Seed = 0,
    workers: o.Workers = None,
) -> None:
    """Simulate two-phase microstructures, and find out how complex their model must be.

    Makes microstructures of varied volume fraction, length and anisotropy, computes their
    effective conductivity, runs the ladder up to a CNN, and opens with the verdict.

    Example: [bold]iceframe demo --out demo[/bold]
    """
    from iceframe.cli.console import err, progress_bar
    from iceframe.workflow.demo import make_demo_data, run_demo

    err.print(f"Simulating {samples} two-phase microstructures …")
    folder = make_demo_data(out / "microstructures", samples=samples, seed=seed)
    with progress_bar() as watch:
        finished = run_demo(folder, out / "run", seed=seed, workers=workers, watch=watch)
    conclude(finished)
