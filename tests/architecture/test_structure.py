"""The shape of the code: what ARCHITECTURE.md promises and import-linter cannot see."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]
PACKAGE = REPOSITORY / "src" / "iceframe"
MODULES = sorted(PACKAGE.rglob("*.py"))
HEAVY = [
    "torch",
    "optuna",
    "interpret",
    "mapie",
    "pymatgen",
    "matminer",
    "plotly",
    "gpytorch",
    "botorch",
    "captum",
    "sklearn",
    "scipy",
    "pandas",
    "numpy",
    "matplotlib",
]


def relative(path: Path) -> str:
    return path.relative_to(PACKAGE).as_posix()


def layers() -> list[str]:
    settings = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())
    return settings["tool"]["importlinter"]["contracts"][0]["layers"]


def test_the_map_lists_the_packages_that_exist_in_import_order() -> None:
    text = (REPOSITORY / "ARCHITECTURE.md").read_text()
    listed = re.findall(r"^\| `(\w+)` \|", text, flags=re.MULTILINE)
    assert listed == layers()
    assert sorted(listed) == sorted(p.parent.name for p in PACKAGE.glob("*/__init__.py"))


def test_no_package_is_empty() -> None:
    for package in layers():
        held = [m for m in (PACKAGE / package).rglob("*.py") if m.name != "__init__.py"]
        assert held, f"{package} holds nothing yet; it belongs in the tree when it does"


@pytest.mark.parametrize("path", MODULES, ids=relative)
def test_a_module_opens_with_what_it_is_and_stays_readable(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert ast.get_docstring(ast.parse(text)), "no docstring"
    assert len(text.splitlines()) <= 400, "split it by subject"


@pytest.mark.parametrize("path", MODULES, ids=relative)
def test_no_pickle_no_eval(path: Path) -> None:
    """Nothing that is loaded can execute code."""
    forbidden_modules = {"pickle", "joblib", "dill", "cloudpickle", "marshal", "shelve"}
    worker_processes = {"joblib.externals.loky"}  # memory between processes, nothing on disk
    forbidden_calls = {"eval", "exec", "compile", "__import__"}
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        names: set[str] = set()
        if isinstance(node, ast.Import):
            names = {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            names = {node.module or ""}
        roots = {name.split(".")[0] for name in names - worker_processes}
        assert not forbidden_modules & roots, f"{path}: imports {names}"
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            assert node.func.id not in forbidden_calls, f"{path}, line {node.lineno}"


def test_arrays_are_never_loaded_as_pickles() -> None:
    """``numpy.load`` reads pickles only where asked to; nobody asks."""
    for path in MODULES:
        assert "allow_pickle=True" not in path.read_text(encoding="utf-8"), path


def test_names_say_what_a_module_is_about() -> None:
    vague = re.compile(r"(^|_)(utils?|helpers?|managers?|misc|common)(_|$)")
    assert not [relative(m) for m in MODULES if vague.search(m.stem)]


def test_public_functions_and_classes_have_docstrings() -> None:
    missing = []
    for path in MODULES:
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            if (
                isinstance(node, ast.FunctionDef | ast.ClassDef)
                and not node.name.startswith("_")
                and not ast.get_docstring(node)
            ):
                missing.append(f"{relative(path)}:{node.lineno} {node.name}")
    assert not missing


def test_importing_iceframe_and_its_command_line_loads_nothing_heavy() -> None:
    command = (
        "import sys, iceframe, iceframe.cli.app\n"
        "from iceframe.cli import commands\n"
        "commands.load()\n"
        f"print(*sorted(set({HEAVY!r}) & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", command], capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == []


def test_what_python_promises_is_there() -> None:
    import iceframe

    for name in iceframe.__all__:
        assert callable(getattr(iceframe, name)), name
    assert set(iceframe.__all__) <= set(dir(iceframe))
    with pytest.raises(AttributeError, match="no attribute 'red'"):
        _ = iceframe.red
