"""The report: one self-contained HTML file. Data → summary → template, three steps apart.

:mod:`iceframe.report.summary` turns a run's values into what the page says, in plain values;
:mod:`iceframe.report.figures` draws, one file a family; :mod:`iceframe.report.page` fills the
template. No science here: every number was measured elsewhere.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from iceframe.report.explanation import write_explanation as write_explanation
    from iceframe.report.page import write_report as write_report

__all__ = ["write_explanation", "write_report"]


def __getattr__(name: str) -> Any:
    if name == "write_report":
        from iceframe.report.page import write_report

        return write_report
    if name == "write_explanation":
        from iceframe.report.explanation import write_explanation

        return write_explanation
    raise AttributeError(name)
