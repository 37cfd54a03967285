"""``iceframe audit``: biases of a finished run, and how far it holds."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from iceframe.cli import options as o
from iceframe.cli.app import app

if TYPE_CHECKING:
    from iceframe.workflow.auditing import RunAudit


@app.command()
def audit(
    run: o.RunFolder,
    data: Annotated[
        Path | None,
        typer.Option(
            "--data", help="Where the run's data are now, if they were moved.", show_default=False
        ),
    ] = None,
    rung: o.RungOption = None,
    only: Annotated[
        str | None,
        typer.Option(
            "--only",
            help="Kinds of audit, comma-separated: probes, cues, subgroups, leave-class-out, "
            "shifts, copies, shortcuts.",
            show_default=False,
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", help="Folder to write to; the run's own when not given."),
    ] = None,
    workers: o.Workers = None,
    as_json: o.AsJson = False,
) -> None:
    """Audit a run: shortcuts, nuisance cues, unfair errors, and shifts that it does not bear.

    Writes audit.html, one page with a picture for every finding. Repeating the command finds the
    work done.

    Example: [bold]iceframe audit runs/uhcs --only cues,shortcuts[/bold]
    """
    from iceframe.cli.console import progress_bar
    from iceframe.report.audit import PAGE, write_audit
    from iceframe.workflow.auditing import audit_run

    with progress_bar(lambda event: event.stage, "audits") as watch:
        found = audit_run(
            run, data, rung=rung, only=o.names(only), out=out, workers=workers, watch=watch
        )
    page = write_audit(found, (out or found.run.folder) / PAGE)
    if as_json:
        typer.echo(json.dumps({"page": str(page), **_plain(found.as_dict())}, indent=1))
        return
    _show(found, page)


def _plain(value: Any) -> Any:
    """JSON values: what is not finite is ``None``."""
    from iceframe.cli.summary import plain_numbers

    if isinstance(value, dict):
        return plain_numbers({k: _plain(v) for k, v in value.items()})
    return [_plain(v) for v in value] if isinstance(value, list | tuple) else value


def _show(found: RunAudit, page: Path) -> None:
    from iceframe.cli.console import err, out, show_audit
    from iceframe.core.values import Audit

    for one in found.examined:
        if one.skipped:
            err.print(f"{one.kind}: left out. {one.skipped}", style="dim", markup=False)
    show_audit(Audit(found.findings))
    out.print(f"Page: {page}", markup=False, soft_wrap=True)
