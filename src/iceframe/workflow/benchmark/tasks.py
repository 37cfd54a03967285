"""The 13 tasks of Matbench v0.1, and reading their official files.

A task is a file, a target, a number of samples and five folds. The folds are positions in the file,
so that a file with rows missing or in another order is another benchmark: both are refused.

Reference: Dunn et al. 2020, doi:10.1038/s41524-020-00406-3 (table 1); targets and units as in the
benchmark's own description of its data.
"""

from __future__ import annotations

import difflib
import math
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from iceframe.core.dataset import Dataset
from iceframe.core.errors import InputError, UsageError
from iceframe.core.values import Task

BENCHMARK = "matbench_v0.1"
REFERENCE = "Matbench: Dunn et al. 2020, doi:10.1038/s41524-020-00406-3"
ENDINGS = (".json", ".json.gz", ".json.bz2")


@dataclass(frozen=True)
class BenchmarkTask:
    """One task. ``of``: what a sample is described by in the official file."""

    name: str
    target: str
    unit: str
    samples: int
    of: Literal["composition", "structure"]
    task: Task = "regression"

    @property
    def dataset(self) -> str:
        """What Matbench calls it."""
        return f"matbench_{self.name}"

    @property
    def metric(self) -> str:
        """What entries are ranked by."""
        return "mae" if self.task == "regression" else "balanced_accuracy"

    @property
    def ids(self) -> list[str]:
        """The official sample ids, in the order of the file.

        Examples
        --------
        >>> TASKS["steels"].ids[0], TASKS["mp_e_form"].ids[-1]
        ('mb-steels-001', 'mb-mp-e-form-132752')
        """
        digits = math.floor(math.log10(self.samples)) + 1
        prefix = f"mb-{self.name.replace('_', '-')}"
        return [f"{prefix}-{row:0{digits}d}" for row in range(1, self.samples + 1)]


TASKS = {
    task.name: task
    for task in (
        BenchmarkTask("steels", "yield strength", "MPa", 312, "composition"),
        BenchmarkTask("jdft2d", "exfoliation_en", "meV/atom", 636, "structure"),
        BenchmarkTask("phonons", "last phdos peak", "cm⁻¹", 1265, "structure"),
        BenchmarkTask("expt_gap", "gap expt", "eV", 4604, "composition"),
        BenchmarkTask("dielectric", "n", "", 4764, "structure"),
        BenchmarkTask("expt_is_metal", "is_metal", "", 4921, "composition", "classification"),
        BenchmarkTask("glass", "gfa", "", 5680, "composition", "classification"),
        BenchmarkTask("log_gvrh", "log10(G_VRH)", "log₁₀ GPa", 10987, "structure"),
        BenchmarkTask("log_kvrh", "log10(K_VRH)", "log₁₀ GPa", 10987, "structure"),
        BenchmarkTask("perovskites", "e_form", "eV/unit cell", 18928, "structure"),
        BenchmarkTask("mp_gap", "gap pbe", "eV", 106113, "structure"),
        BenchmarkTask("mp_is_metal", "is_metal", "", 106113, "structure", "classification"),
        BenchmarkTask("mp_e_form", "e_form", "eV/atom", 132752, "structure"),
    )
}
"""Smallest first."""


def task_named(name: str) -> BenchmarkTask:
    """The task of that name, with or without Matbench's own ``matbench_`` before it.

    Raises
    ------
    UsageError : an unknown name; the nearest is offered.

    Examples
    --------
    >>> task_named("matbench_steels").target
    'yield strength'
    >>> task_named("steel")
    Traceback (most recent call last):
    iceframe.core.errors.UsageError: Unknown Matbench task 'steel'. Did you mean 'steels'?
      allowed: steels, jdft2d, phonons, expt_gap, dielectric, expt_is_metal, glass, log_gvrh, \
log_kvrh, perovskites, mp_gap, mp_is_metal, mp_e_form
    """
    plain = plain_name(name)
    if plain in TASKS:
        return TASKS[plain]
    near = difflib.get_close_matches(plain, TASKS, n=1, cutoff=0.5)
    meant = f" Did you mean '{near[0]}'?" if near else ""
    raise UsageError(f"Unknown Matbench task '{name}'.{meant}", allowed=", ".join(TASKS))


def plain_name(name: str) -> str:
    """A task's name as it is used here.

    >>> plain_name(" matbench_mp_gap "), plain_name("log-kvrh")
    ('mp_gap', 'log_kvrh')
    """
    return name.strip().lower().replace("-", "_").removeprefix("matbench_")


def find_tasks(folder: Path, names: Iterable[str]) -> list[tuple[BenchmarkTask, Path]]:
    """The tasks named and their files; all that have a file in the folder where none is named.

    Raises
    ------
    UsageError : an unknown task, or one named twice.
    InputError : no such folder, a task without a file, a folder without any.
    """
    wanted = [task_named(name) for name in names]
    doubled = sorted({task.name for task in wanted if wanted.count(task) > 1})
    if doubled:
        raise UsageError("A task is named twice.", got=", ".join(doubled))
    if not folder.is_dir():
        raise InputError(
            "There is no such folder of task files.", where=folder, hint="name it with --data"
        )
    if not wanted:
        wanted = [task for task in TASKS.values() if _file_of(task, folder) is not None]
        if not wanted:
            raise _absent("This folder holds no Matbench task.", folder, "matbench_TASK")
    found = []
    for task in wanted:
        path = _file_of(task, folder)
        if path is None:
            raise _absent(f"The file of the task '{task.name}' is not there.", folder, task.dataset)
        found.append((task, path))
    return found


def _file_of(task: BenchmarkTask, folder: Path) -> Path | None:
    paths = [folder / f"{task.dataset}{ending}" for ending in ENDINGS]
    return next((path for path in paths if path.is_file()), None)


def _absent(what: str, folder: Path, stem: str) -> InputError:
    there = sorted(path.name for path in folder.glob("matbench_*"))
    return InputError(
        what,
        where=folder,
        got=", ".join(there) or "no file named matbench_…",
        allowed=" or ".join(f"{stem}{ending}" for ending in ENDINGS),
        hint="the official files belong to the data set of Dunn et al. 2020 "
        f"(doi:10.1038/s41524-020-00406-3); matminer's load_dataset('{stem}') fetches one and "
        "keeps it as .json.gz in its own folder of data sets",
    )


def read_task(task: BenchmarkTask, path: Path) -> Dataset:
    """The whole task in the official order, its samples named by the official ids.

    Raises
    ------
    InputError : an unreadable file, rows missing, or rows in another order.
    """
    from iceframe.ingest import read

    units = {task.target: task.unit} if task.unit else {}
    data = read(path, task.target, task=task.task, units=units)
    if len(data) != task.samples:
        raise InputError(
            f"This file does not hold the whole task '{task.name}'.",
            where=path,
            got=f"{len(data)} samples",
            allowed=f"{task.samples} samples",
            hint="it may be cut short or filtered: take the official file; the official folds are "
            "positions in it",
        )
    ids = task.ids
    if str(data.ids[0]).startswith("mb-"):
        other = next((row for row, name in enumerate(data.ids) if name != ids[row]), None)
        if other is not None:
            raise InputError(
                f"The samples of the task '{task.name}' are not in the official order.",
                where=f"{path}, row {other + 1}",
                got=data.ids[other],
                allowed=ids[other],
                hint="restore the order of the official file; its folds are positions in it",
            )
    table = data.table.set_axis(ids, axis="index")
    return replace(data, table=table, name=task.dataset, layout="matbench")
