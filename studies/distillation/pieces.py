"""What is to be done: which glass box is taught by which black box, on which data."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

FOLDS = 5


@dataclass(frozen=True)
class Key:
    """One glass box and one teacher on one task, in one repeat of the outer folds."""

    task: str
    teacher: str
    student: str
    repeat: int

    @property
    def name(self) -> str:
        """As a file name."""
        return f"{self.task}-{self.teacher}-{self.student}-r{self.repeat}"


@dataclass(frozen=True)
class Study:
    """Where it lies and how far it goes.

    ``tasks``, ``teachers``, ``students``: names; ``repeats``: of five outer folds. ``trials``: of
    each rung's search at most, for the glass box alone as for its teacher (``None``: the usual
    number). ``labelled``, ``unlabelled``, ``tested``: simulated images.
    """

    out: Path
    tasks: tuple[str, ...]
    teachers: tuple[str, ...]
    students: tuple[str, ...]
    repeats: int = 2
    trials: int | None = None
    labelled: int = 150
    unlabelled: int = 1000
    tested: int = 300
    side: int = 32
    epochs: int | None = None

    @property
    def keys(self) -> tuple[Key, ...]:
        """All pairs, one repeat after the other, so that what is there early is of all kinds."""
        return tuple(
            Key(task, teacher, student, repeat)
            for repeat in range(self.repeats)
            for task in self.tasks
            for teacher in self.teachers
            for student in self.students
        )
