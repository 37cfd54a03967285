"""What stands around the code agrees with itself: versions, pins, targets, packaged files."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

REPOSITORY = Path(__file__).resolve().parents[2]
PROJECT = tomllib.loads((REPOSITORY / "pyproject.toml").read_text(encoding="utf-8"))["project"]


def pins() -> dict[str, Requirement]:
    lines = (REPOSITORY / "constraints.txt").read_text(encoding="utf-8").splitlines()
    pinned = [Requirement(line) for line in lines if line and not line.startswith("#")]
    return {canonicalize_name(pin.name): pin for pin in pinned}


def requirements() -> list[Requirement]:
    extras = PROJECT["optional-dependencies"]
    texts = [*PROJECT["dependencies"], *(r for extra in extras.values() for r in extra)]
    return [r for r in map(Requirement, texts) if r.name != PROJECT["name"]]


def test_every_requirement_is_pinned_within_its_range() -> None:
    pinned = pins()
    for requirement in requirements():
        name = canonicalize_name(requirement.name)
        assert name in pinned, f"{name}: add it to constraints.txt"
        (specifier,) = pinned[name].specifier
        assert specifier.operator == "=="
        assert specifier.version in requirement.specifier, f"{requirement}, pinned {specifier}"


def test_pins_hold_on_any_machine() -> None:
    """No build tags (``+cpu``), no addresses, no paths: pip finds the right build by itself."""
    text = (REPOSITORY / "constraints.txt").read_text(encoding="utf-8")
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    assert not [line for line in lines if re.search(r"[+@/\\]", line.split(";")[0])]
    names = [canonicalize_name(Requirement(line).name) for line in lines]
    assert names == sorted(set(names))


def test_the_version_is_the_same_everywhere() -> None:
    import iceframe

    assert iceframe.__version__ == PROJECT["version"]


@pytest.mark.skipif(shutil.which("make") is None, reason="make is not installed")
def test_make_alone_lists_every_target() -> None:
    environment = {k: v for k, v in os.environ.items() if not k.startswith("MAKE")}
    done = subprocess.run(
        ["make"], cwd=REPOSITORY, capture_output=True, text=True, check=True, env=environment
    )
    makefile = (REPOSITORY / "Makefile").read_text(encoding="utf-8")
    phony = re.search(r"^\.PHONY:(.*)$", makefile, re.MULTILINE)
    assert phony is not None
    listed = re.findall(r"^  make (\S+)  +\S", done.stdout, re.MULTILINE)
    assert set(listed) == set(phony[1].split()) - {"check"}
    assert {"demo", "test", "test-all", "bench", "docs", "venv", "clean"} <= set(listed)


def test_the_continuous_check_is_the_test_command() -> None:
    script = REPOSITORY / ".ci" / "run"
    assert script.read_text(encoding="utf-8").splitlines()[-1] == "make test"
    assert os.name == "nt" or os.access(script, os.X_OK)


def test_files_beside_the_code_are_packaged() -> None:
    """Whatever lies beside the modules and is no module must be named, or a wheel lacks it."""
    settings = tomllib.loads((REPOSITORY / "pyproject.toml").read_text(encoding="utf-8"))
    patterns = settings["tool"]["setuptools"]["package-data"]["iceframe"]
    root = REPOSITORY / "src" / "iceframe"
    packaged = {path for pattern in patterns for path in root.glob(pattern)}
    beside = {
        path
        for path in root.rglob("*")
        if path.is_file() and path.suffix not in (".py", ".pyc") and "__pycache__" not in path.parts
    }
    assert beside <= packaged
