"""What one kind of audit says: findings, the facts that they rest on, or why it was left out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from iceframe.core.values import Finding

SURE = 0.05
"""Adjusted p-value from which something counts as found."""


@dataclass(frozen=True)
class Examined:
    """One kind of audit. ``facts`` are JSON values; ``skipped``: a sentence where it says nothing
    about these data. Findings about a cue have their ``cue`` (as
    :func:`iceframe.ingest.neutral.parse_cue` reads it) in ``cues``, by position."""

    kind: str
    findings: tuple[Finding, ...] = ()
    facts: Mapping[str, Any] = field(default_factory=dict)
    skipped: str = ""
    cues: Mapping[int, str] = field(default_factory=dict)
