"""The board of a benchmark: one self-contained HTML file, and the same tables as Markdown."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from iceframe.core.files import write_text
from iceframe.report.figures.board import board_front
from iceframe.report.figures.style import Drawing
from iceframe.report.numbers import (
    MISSING,
    finite,
    fixed,
    number,
    percent,
    seconds,
    with_interval,
)
from iceframe.report.page import render_page
from iceframe.report.words import word
from iceframe.workflow.benchmark.view import BoardView, Comparison, Line, TaskBoard

KINDS = {
    "random": "official folds",
    "cluster": "clusters left out",
    "extremes": "extremes left out",
}
COLUMNS = (
    "Entry",
    "Rank",
    "Error",
    "± over folds",
    "Complexity",
    "C1",
    "C2",
    "C3",
    "Faithfulness",
    "Coverage",
    "Time",
)


@dataclass(frozen=True)
class Row:
    """One entry in the tables."""

    line: Line
    kind: str
    error: tuple[str, str]
    std: str
    parts: tuple[str, str, str, str]
    faithfulness: str
    coverage: str
    time: str


@dataclass(frozen=True)
class Section:
    """One task as the page shows it. ``apart``: rung -> for each kind of split loss, loss over
    that of the nearest neighbour, loss over that of the mean."""

    board: TaskBoard
    metric: str
    loss: str
    rows: tuple[Row, ...]
    figure: Drawing | None
    kinds: tuple[str, ...]
    apart: Mapping[str, tuple[tuple[str, str, str], ...]]
    compared: tuple[tuple[Comparison, tuple[str, str], str], ...]


def write_board(view: BoardView, folder: Path) -> tuple[Path, Path]:
    """Write ``board.html`` and ``board.md`` to ``folder``, each whole or not at all.

    Raises
    ------
    InputError : if they cannot be written.
    """
    page, table = Path(folder) / "board.html", Path(folder) / "board.md"
    write_text(page, render(view))
    write_text(table, markdown(view))
    return page, table


def render(view: BoardView) -> str:
    """The page as text."""
    return render_page(
        "board.html",
        created=view.created,
        view=view,
        headline=headline(view),
        sections=[section_of(task) for task in view.tasks],
        columns=COLUMNS,
        shared=shared_sentences(view),
        references=view.references,
    )


def headline(view: BoardView) -> str:
    """What the board asks, in a line."""
    if len(view.tasks) == 1:
        return f"How complex a model does {view.tasks[0].name} need?"
    return f"How complex a model do {len(view.tasks)} tasks of Matbench need?"


def section_of(task: TaskBoard) -> Section:
    """A task's numbers as text."""
    kinds = tuple(dict.fromkeys(row.kind for row in task.elsewhere))
    known = {(row.rung, row.kind): row for row in task.elsewhere}
    apart = {
        rung: tuple(
            (_loss(task, known[rung, kind].loss), *_ratios(known[rung, kind]))
            if (rung, kind) in known
            else (MISSING,) * 3
            for kind in kinds
        )
        for rung in dict.fromkeys(row.rung for row in task.elsewhere)
    }
    return Section(
        task,
        word(task.metric).label,
        "Mean absolute error" if task.task == "regression" else "1 − balanced accuracy",
        tuple(row_of(line, task) for line in task.lines),
        board_front(task),
        tuple(KINDS.get(kind, kind) for kind in kinds),
        apart,
        tuple((c, with_interval(c.difference, c.low, c.high), _chance(c.better))
              for c in told_comparisons(task)),
    )  # fmt: skip


def _loss(task: TaskBoard, value: float) -> str:
    return number(value) if task.task == "regression" else percent(value)[0]


def _ratios(row: object) -> tuple[str, str]:
    neighbour, mean = (float(getattr(row, name)) for name in ("to_neighbour", "to_mean"))
    return tuple(fixed(v, 2) if finite(v) else MISSING for v in (neighbour, mean))  # type: ignore[return-value]


def _chance(probability: float) -> str:
    """A probability, never a false certainty.

    >>> _chance(0.731), _chance(0.9999), _chance(0.001), _chance(float("nan"))
    ('0.73', '> 0.99', '< 0.01', '–')
    """
    if not finite(probability):
        return MISSING
    if probability > 0.99:
        return "> 0.99"
    return "< 0.01" if probability < 0.01 else fixed(probability, 2)


def told_comparisons(task: TaskBoard) -> tuple[Comparison, ...]:
    """The comparisons of the equilibrium and of the best rung; the others are in the JSON."""
    told = {line.name for line in (*task.ours[:1], *(x for x in task.ours if x.chosen))}
    return tuple(c for c in task.comparisons if c.rung in told)


def row_of(line: Line, task: TaskBoard) -> Row:
    """An entry's numbers as text."""
    share = word(task.metric).show == "percent"
    if share:
        error = percent(line.value, line.low, line.high)
        std = percent(line.std)[0]
    else:
        error = with_interval(line.value, line.low, line.high)
        error = (number(line.value, 4), error[1])
        std = number(line.std)
    return Row(
        line,
        ("glass box" if line.glass_box else "black box") if line.ours else "published",
        error,
        std,
        tuple(  # type: ignore[arg-type]
            fixed(v, 2) if finite(v) else MISSING
            for v in (line.complexity, line.c1, line.c2, line.c3)
        ),
        fixed(line.faithfulness, 2) if finite(line.faithfulness) else MISSING,
        percent(line.coverage)[0],
        seconds(line.seconds),
    )


def shared_sentences(view: BoardView) -> list[str]:
    """Formulas that tasks have in common, a sentence a pair.

    Examples
    --------
    >>> from iceframe.workflow.benchmark.view import Shared
    >>> shared_sentences(BoardView("matbench_v0.1", (), (Shared("a", "b", 1, 9, ("Fe",)),)))
    ['A model trained on `b` has seen the compositions of 1 of the 9 test samples of `a`: Fe.']
    """
    return [
        f"A model trained on `{pair.trained}` has seen the compositions of {pair.n} of the "
        f"{pair.of} test samples of `{pair.tested}`: {', '.join(pair.examples)}"
        + (", …" if pair.n > len(pair.examples) else ".")
        for pair in view.shared
    ]


# -- Markdown --------------------------------------------------------------------------------------


def markdown(view: BoardView) -> str:
    """The tables as Markdown."""
    parts = [f"# {headline(view)}", ""]
    for section in map(section_of, view.tasks):
        parts += _markdown_task(section)
    if view.shared:
        parts += ["## Compositions that tasks share", ""]
        parts += [f"- {sentence}" for sentence in shared_sentences(view)] + [""]
    if view.waiting:
        parts += [f"Not started in the budget: {', '.join(view.waiting)}.", ""]
    return "\n".join(parts)


def _markdown_task(section: Section) -> list[str]:
    task = section.board
    unit = f", {task.unit}" if task.unit else ""
    head = ["Entry", "Rank", f"{section.metric}{unit}", *COLUMNS[3:]]
    body = [
        [
            (f"**{row.line.name}**" if row.line.chosen else row.line.name) + f" ({row.kind})",
            str(row.line.rank),
            row.error[0] + (f" ({row.error[1]})" if row.error[1] else ""),
            row.std,
            *row.parts,
            row.faithfulness,
            row.coverage,
            row.time,
        ]
        for row in section.rows
    ]
    parts = [f"## {task.name}", "", task.verdict, "", *_table(head, body)]
    if section.apart:
        head = ["Rung"] + [
            f"{kind}: {name}"
            for kind in section.kinds
            for name in ("loss", "÷ nearest neighbour", "÷ mean")
        ]
        body = [
            [rung, *[v for cell in cells for v in cell]] for rung, cells in section.apart.items()
        ]
        parts += [f"{section.loss}{unit if task.task == 'regression' else ''}:", ""]
        parts += _table(head, body)
    if section.compared:
        head = ["Rung", "Published", "Difference", "90 % interval", "P(lower error)"]
        body = [
            [c.rung, c.published or c.algorithm, difference[0], difference[1], better]
            for c, difference, better in section.compared
        ]
        parts += _table(head, body)
    said = [*task.notes, *(f"`{rung}` failed: {why}" for rung, why in task.failures.items())]
    return [*parts, *[f"- {note}" for note in said], ""]


def _table(head: list[str], body: list[list[str]]) -> list[str]:
    clean: Callable[[str], str] = lambda text: text.replace("|", "\\|").replace("\n", " ")  # noqa: E731
    rows = [head, ["---"] * len(head), *body]
    return [*(f"| {' | '.join(map(clean, row))} |" for row in rows), ""]
