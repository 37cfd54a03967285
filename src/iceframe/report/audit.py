"""The page of the audits of a run: findings, each beside its picture, one self-contained file."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from iceframe.core.files import write_text
from iceframe.core.values import Finding
from iceframe.report.figures.audit import drawings
from iceframe.report.figures.style import Drawing
from iceframe.report.page import render_page

if TYPE_CHECKING:
    from iceframe.workflow.auditing import RunAudit

PAGE = "audit.html"

HEADINGS: dict[str, tuple[str, str]] = {
    "probes": (
        "Nuisance information",
        "Can the recording be read off what the model makes of a sample, and does it tell the "
        "target?",
    ),
    "cues": (
        "Cues in the images",
        "Bars, banners, borders, light and brightness that differ with the target.",
    ),
    "subgroups": ("Subgroups", "Are some samples predicted worse, or covered too seldom?"),
    "leave-class-out": ("Unseen classes", "What a class of materials costs that was left out."),
    "shifts": ("Shifts", "How far the data may move before the intervals no longer hold."),
    "copies": ("Copies", "What near copies on both sides of the split do to the score."),
    "shortcuts": (
        "Shortcuts",
        "Which part of an image the model answers to, tested by putting it into another image.",
    ),
}

REFERENCES = (
    "Adjusted p-values: Benjamini & Hochberg 1995, doi:10.1111/j.2517-6161.1995.tb02031.x",
    "Probes of latents: Alain & Bengio 2016, https://arxiv.org/abs/1610.01644",
    "Permutation tests of studentised statistics: Chung & Romano 2013, doi:10.1214/13-AOS1090",
    "Models right for the wrong reason: Lapuschkin et al. 2019, doi:10.1038/s41467-019-08987-4",
    "Graded corruptions: Hendrycks & Dietterich 2019, https://arxiv.org/abs/1903.12261",
)


@dataclass(frozen=True)
class Section:
    """One kind of audit on the page."""

    kind: str
    heading: str
    question: str
    findings: tuple[Finding, ...]
    drawings: tuple[Drawing, ...]
    skipped: str


def write_audit(audit: RunAudit, path: Path) -> Path:
    """Write the page of ``audit`` to ``path``, whole or not at all, and return the path.

    Raises
    ------
    InputError : if ``path`` cannot be written to.
    """
    write_text(Path(path), render(audit))
    return Path(path)


def render(audit: RunAudit) -> str:
    """The page as text."""
    header = audit.run.header
    sections = [
        Section(
            one.kind,
            *HEADINGS[one.kind],
            tuple(one.findings),
            () if one.skipped else tuple(drawings(one.kind, one.facts)),
            one.skipped,
        )
        for one in audit.examined
    ]
    return render_page(
        "audit.html",
        created=audit.run.created,
        data=header["facts"]["name"],
        target=header["target"],
        samples=header["facts"]["n"],
        rung=audit.rung,
        headline=headline(audit),
        sections=sections,
        references=REFERENCES,
    )


def headline(audit: RunAudit) -> str:
    """What the audits say, in one sentence."""
    counts = {s: sum(f.severity == s for f in audit.findings) for s in ("error", "warning", "note")}
    if not any(counts.values()):
        return f"Nothing was found against {audit.rung}"
    worst = audit.findings[0]
    rest = len(audit.findings) - 1
    return worst.title + (f", and {rest} more" if rest else "")
