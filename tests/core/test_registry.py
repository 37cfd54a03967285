"""A registry finds files by existing, keeps broken ones apart, and answers typing errors."""

from __future__ import annotations

import importlib.metadata
import sys
from collections.abc import Iterator
from pathlib import Path
from textwrap import dedent

import pytest

from iceframe.core.errors import NotAvailable, UsageError
from iceframe.core.registry import Registry


@pytest.fixture
def plugin_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Registry[type]]:
    """A package on disk with two good modules, a broken one and a private one."""
    package = tmp_path / "colours_for_tests"
    package.mkdir()
    files = {
        "__init__": "from iceframe.core.registry import Registry\n"
        "COLOURS = Registry('colour', __name__)",
        "blue": "from . import COLOURS\n@COLOURS.register('blue')\nclass Blue: ...",
        "green": "from . import COLOURS\n@COLOURS.register('green')\nclass Green: ...",
        "gold": "import a_metal_nobody_has.leaf",
        "_private": "raise RuntimeError('a module with an underscore is no entry')",
    }
    for name, text in files.items():
        (package / f"{name}.py").write_text(dedent(text))
    monkeypatch.syspath_prepend(str(tmp_path))
    import colours_for_tests  # type: ignore[import-not-found]

    yield colours_for_tests.COLOURS
    for name in [n for n in sys.modules if n.split(".")[0] == "colours_for_tests"]:
        del sys.modules[name]


def test_modules_are_found_by_existing(plugin_package: Registry[type]) -> None:
    assert plugin_package.names() == ["blue", "green"]
    assert list(plugin_package) == ["blue", "green"]
    assert len(plugin_package) == 2
    assert "blue" in plugin_package
    assert "gold" not in plugin_package
    assert [entry.__name__ for _, entry in plugin_package.items()] == ["Blue", "Green"]


def test_nothing_is_imported_before_it_is_needed(plugin_package: Registry[type]) -> None:
    assert "colours_for_tests.blue" not in sys.modules
    plugin_package.names()
    assert "colours_for_tests.blue" in sys.modules


def test_an_entry_that_cannot_be_imported_says_what_to_install(
    plugin_package: Registry[type],
) -> None:
    assert plugin_package.broken() == {
        "gold": "needs 'a_metal_nobody_has' (pip install a_metal_nobody_has)"
    }
    with pytest.raises(NotAvailable, match="pip install a_metal_nobody_has"):
        plugin_package["gold"]


def test_an_unknown_name_gets_the_nearest_the_available_and_the_broken(
    plugin_package: Registry[type],
) -> None:
    with pytest.raises(UsageError) as caught:
        plugin_package["bleu"]
    message = str(caught.value)
    assert "Unknown colour 'bleu'. Did you mean 'blue'?" in message
    assert "allowed: blue, green; not importable: gold" in message


def test_nothing_is_suggested_for_a_name_unlike_any(plugin_package: Registry[type]) -> None:
    with pytest.raises(UsageError) as caught:
        plugin_package["xyzzy"]
    assert "Did you mean" not in str(caught.value)


def test_two_things_under_one_name_are_refused() -> None:
    colours: Registry[type] = Registry("colour")
    colours.register("blue")(int)
    with pytest.raises(UsageError, match="'blue' is registered twice"):
        colours.register("blue")(float)
    assert colours["blue"] is int


def test_reloading_the_same_class_is_no_clash() -> None:
    """A notebook that reloads a module defines the class anew under the same qualified name."""
    colours: Registry[type] = Registry("colour")
    first = type("Blue", (), {"__module__": "m"})
    second = type("Blue", (), {"__module__": "m"})
    colours.register("blue")(first)
    colours.register("blue")(second)
    assert colours["blue"] is second


def test_register_returns_what_it_was_given() -> None:
    colours: Registry[type] = Registry("colour")

    @colours.register("blue")
    class Blue: ...

    assert isinstance(Blue, type)
    assert colours["blue"] is Blue


def test_entry_points_of_other_distributions_join(
    plugin_package: Registry[type], monkeypatch: pytest.MonkeyPatch
) -> None:
    points = [
        importlib.metadata.EntryPoint("fraction", "fractions:Fraction", "iceframe.colours"),
        importlib.metadata.EntryPoint("absent", "no_such_module_here:X", "iceframe.colours"),
        importlib.metadata.EntryPoint("blue", "decimal:Decimal", "iceframe.colours"),
    ]
    asked = []

    def entry_points(group: str) -> list[importlib.metadata.EntryPoint]:
        asked.append(group)
        return points

    monkeypatch.setattr(importlib.metadata, "entry_points", entry_points)
    assert plugin_package.names() == ["blue", "fraction", "green"]
    assert asked == ["iceframe.colours"]
    assert plugin_package["blue"].__name__ == "Blue", "a third party cannot replace our own"
    assert "no_such_module_here" in plugin_package.broken()["absent"]
