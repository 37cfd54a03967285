"""The command line: thin. Parse, call, print."""

from __future__ import annotations


def main() -> None:
    """Entry point of the ``iceframe`` command; ends with the exit codes of the contract."""
    from iceframe.cli.app import main as run_app

    run_app()
