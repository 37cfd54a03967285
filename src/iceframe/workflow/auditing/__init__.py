"""Audits of a finished run: which run, which model, which data, and where the answers are kept.

:func:`audit_run` does all of it; the kinds of audit are in :mod:`~.kinds`, what they look at is a
:class:`~.subject.Subject`. What each finds is computed in :mod:`iceframe.measure.audits`.
"""

from __future__ import annotations

from iceframe.workflow.auditing.session import KINDS, RunAudit, Stage, audit_run

__all__ = ["KINDS", "RunAudit", "Stage", "audit_run"]
