"""Errors that say what, where, got, allowed, and what to do next.

An invalid input is an exception; a computation that failed is a value with a remedy (see
:class:`iceframe.core.values.Equilibrium`).
"""

from __future__ import annotations


class IceframeError(Exception):
    """Base of every error that ICEFrame raises on purpose.

    Parameters
    ----------
    what : one sentence, what is wrong.
    where : file, column, row or option at fault.
    got : the offending value.
    allowed : what would have been accepted.
    hint : what to do next.
    """

    exit_code = 1

    def __init__(
        self,
        what: str,
        *,
        where: object = None,
        got: object = None,
        allowed: object = None,
        hint: str | None = None,
    ) -> None:
        self.what, self.where, self.got, self.allowed, self.hint = what, where, got, allowed, hint
        parts = [what]
        for label, value in (("where", where), ("got", got), ("allowed", allowed), ("next", hint)):
            if value is not None:
                parts.append(f"  {label + ':':<9}{value}")
        super().__init__("\n".join(parts))


class InputError(IceframeError):
    """The user's data or files are at fault (exit code 1)."""


class UsageError(IceframeError):
    """An option or argument is wrong (exit code 2)."""

    exit_code = 2


class BudgetExhausted(IceframeError):
    """The time budget ran out; the run can be resumed (exit code 3)."""

    exit_code = 3


class NotAvailable(UsageError):
    """A registered name exists, but what it needs is not installed."""
