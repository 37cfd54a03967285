"""The Typer application, and what happens when something goes wrong.

Exit codes: 0 done, 1 the input is at fault, 2 wrong usage, 3 stopped at a budget (resumable),
130 interrupted (resumable).
"""

from __future__ import annotations

import sys
from typing import Annotated, NoReturn

import typer

from iceframe.core.errors import IceframeError

app = typer.Typer(
    name="iceframe",
    no_args_is_help=True,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    add_completion=False,
    help=(
        "How complex must the model be, and can its explanation be believed? "
        "ICEFrame climbs a ladder of models over micrographs, compositions or process tables, "
        "measures complexity, fidelity and transparency on the same folds, and finds the "
        "equilibrium.\n\n"
        "Start with [bold]iceframe demo[/bold], or "
        "[bold]iceframe run alloys.csv --target 'yield strength' --out runs/a1[/bold]."
    ),
)


def _version(shown: bool) -> None:
    if shown:
        from iceframe import __version__

        typer.echo(f"iceframe {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool,
        typer.Option("--version", callback=_version, is_eager=True, help="Print the version."),
    ] = False,
) -> None:
    pass


def main() -> NoReturn:
    """Run the command line and exit."""
    from iceframe.cli import commands

    commands.load()
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):  # a Windows console may not know every character
            stream.reconfigure(errors="replace")
    try:
        app()
    except IceframeError as error:
        typer.secho("Error: ", fg="red", bold=True, nl=False, err=True)
        typer.echo(str(error), err=True)
        sys.exit(error.exit_code)
    except BrokenPipeError:
        sys.stderr.close()
        sys.exit(0)
    sys.exit(0)
