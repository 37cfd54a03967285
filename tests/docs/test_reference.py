"""The reference names everything that there is: commands, options, metrics, registries, links."""

from __future__ import annotations

import importlib
import importlib.util
import re
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

from .conftest import PAGES, REPOSITORY, page_id

DOCS = REPOSITORY / "docs"


def commands() -> Iterator[tuple[str, object]]:
    """Every command of the application, by its name on the command line."""
    import typer.main

    from iceframe.cli import commands as modules
    from iceframe.cli.app import app

    modules.load()
    group = typer.main.get_command(app)
    yield from group.commands.items()  # type: ignore[attr-defined]


def documented(text: str, heading: str) -> str:
    """The section of a page under a heading that starts so; empty where there is none."""
    found = re.search(rf"^## {heading}.*?(?=^## |\Z)", text, re.MULTILINE | re.DOTALL)
    return found[0] if found else ""


def test_every_command_and_option_is_documented() -> None:
    text = (DOCS / "reference" / "command-line.md").read_text(encoding="utf-8")
    formats = (DOCS / "reference" / "data-formats.md").read_text(encoding="utf-8")
    shared = documented(formats, "Reading options")
    assert shared
    missing = []
    for name, command in commands():
        section = documented(text, rf"`iceframe {name}\b")
        if not section:
            missing.append(name)
            continue
        body = section + (shared if "the reading options" in section else "")
        for parameter in command.params:  # type: ignore[attr-defined]
            options = {*parameter.opts, *parameter.secondary_opts} - {"--help"}
            for option in sorted(o for o in options if o.startswith("--")):
                if not re.search(rf"`{option}[ `]", body):
                    missing.append(f"{name} {option}")
    assert not missing


def test_every_option_on_reading_exists() -> None:
    formats = (DOCS / "reference" / "data-formats.md").read_text(encoding="utf-8")
    rows = [r for r in documented(formats, "Reading options").splitlines() if r.startswith("| `")]
    known = {o for _, c in commands() for p in c.params for o in [*p.opts, *p.secondary_opts]}  # type: ignore[attr-defined]
    assert {o for row in rows for o in re.findall(r"`(--[a-z-]+)", row)} <= known
    import inspect

    from iceframe.ingest import read

    arguments = {a for row in rows for a in re.findall(r"`(\w+)=", row)}
    assert arguments <= set(inspect.signature(read).parameters)


def test_every_key_of_the_sidecar_is_documented() -> None:
    from iceframe.ingest.sidecar import _KNOWN

    formats = (DOCS / "reference" / "data-formats.md").read_text(encoding="utf-8")
    rows = [r for r in documented(formats, "`dataset.json`").splitlines() if r.startswith("| `")]
    assert {k for row in rows for k in re.findall(r"`(\w+)`", row.split("|")[1])} == set(_KNOWN)


def test_no_command_is_documented_that_does_not_exist() -> None:
    text = (DOCS / "reference" / "command-line.md").read_text(encoding="utf-8")
    assert set(re.findall(r"^## `iceframe ([\w-]+)", text, re.MULTILINE)) == {
        n for n, _ in commands()
    }


def test_every_metric_has_its_formula() -> None:
    from iceframe.measure.metrics import METRICS

    text = (DOCS / "reference" / "metrics.md").read_text(encoding="utf-8")
    headings = re.findall(r"^### `(\w+)`$", text, re.MULTILINE)
    assert sorted(headings) == METRICS.names()
    for name in headings:
        section = " ".join(text.split(f"### `{name}`\n")[1].split("\n#")[0].split())
        axis, better = METRICS[name].axis, METRICS[name].better
        if axis != "complexity" and better != "neither":
            assert f"{better.capitalize()} is" in section, f"{name} does not say its direction"


def test_everything_that_a_run_measures_is_in_the_glossary(prepared_files: Path) -> None:
    import iceframe as ice
    from iceframe.measure.metrics import METRICS

    run = ice.open_run(prepared_files / "runs" / "a1")
    measured = set(run.evidence["metric"]) | set(run.costs["metric"])
    assert len(measured) > 10
    assert measured <= set(METRICS.names())


def test_the_run_folder_is_as_described(prepared_files: Path) -> None:
    text = (DOCS / "reference" / "run-folder.md").read_text(encoding="utf-8")
    root = prepared_files / "runs" / "a1"
    plain = text.split("## A balanced run")[0]
    named = set(re.findall(r"^  ([a-z]+\.\w+)", plain, re.MULTILINE)) | {"units", ".lock"}
    assert {p.name for p in root.iterdir()} - {".lock"} == named - {".lock"}
    kinds = set(re.findall(r"^    (?:RUNG-)?([a-z]+)-", plain, re.MULTILINE))
    found = {
        re.sub(r"^(mean|ridge)-", "", p.name).split("-")[0] for p in (root / "units").iterdir()
    }
    assert found == kinds - {"gate"}  # which the first prediction makes
    columns = re.findall(r"^\| (`rung`.*?) \|", text, re.MULTILINE)
    assert columns
    import pandas as pd

    evidence = pd.read_parquet(root / "evidence.parquet")
    table = text.split("## `evidence.parquet`")[1].split("##")[0]
    rows = [line.split("|")[1] for line in table.splitlines() if line.startswith("| `")]
    assert {name for row in rows for name in re.findall(r"`(\w+)`", row)} == set(evidence.columns)


def test_the_report_is_read_in_its_own_order(prepared_files: Path) -> None:
    guide = (DOCS / "how-to" / "read-the-report.md").read_text(encoding="utf-8")
    report = (prepared_files / "runs" / "a1" / "report.html").read_text(encoding="utf-8")
    sections = [re.sub("<.*?>", "", h) for h in re.findall(r"<h2[^>]*>(.*?)</h2>", report)]
    assert "What to do next" in sections
    headings = re.findall(r"^## (.*)$", guide, re.MULTILINE)
    assert [h for h in headings if h in sections] == sections


@pytest.mark.parametrize("module", ["scale.rung:RUNGS", "scale.descriptor:DESCRIPTORS"])
def test_every_entry_says_what_its_table_shows(module: str) -> None:
    name, attribute = module.split(":")
    registry = getattr(importlib.import_module(f"iceframe.{name}"), attribute)
    assert registry.names()
    assert not registry.broken()
    for key, entry in registry.items():
        assert entry.name == key
        assert all((entry.title, entry.summary, entry.reference)), key


def registry_table() -> ModuleType:
    """The extension that makes the tables; it lies beside the pages, not in the package."""
    path = DOCS / "_extensions" / "registry_table.py"
    spec = importlib.util.spec_from_file_location("registry_table", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_generated_tables_show_every_entry() -> None:
    from iceframe.scale.rung import RUNGS

    table = registry_table().rows(RUNGS, ["title", "glass_box", "tasks"])
    assert [row[0] for row in table] == [f"`{name}`" for name in RUNGS]
    assert {row[0]: row[2] for row in table}["`ridge`"] == "yes"


def test_every_generator_has_its_picture_and_its_factors() -> None:
    from iceframe.physics import GENERATORS

    for name, entry in GENERATORS.items():
        assert (REPOSITORY / "docs" / "images" / "generators" / f"{name}.png").exists()
        lines = "\n".join(registry_table().generator_lines(name, entry))
        assert all(f"`{factor.name}`" in lines for factor in entry.factors)


@pytest.mark.parametrize("text", ["doi 10.1080/0162.47", "doi:10.1080/0162.47", "10.1080/0162.47"])
def test_references_in_generated_tables_become_links(text: str) -> None:
    with_links = registry_table().with_links
    assert with_links(f"Ye 1998, {text}.") == (
        "Ye 1998, [10.1080/0162.47](https://doi.org/10.1080/0162.47)."
    )
    assert with_links("at https://doi.org/10.1080/0162.47, eq. 2") == (
        "at [10.1080/0162.47](https://doi.org/10.1080/0162.47), eq. 2"
    )
    assert with_links("arXiv 1703.01365") == (
        "[arXiv 1703.01365](https://arxiv.org/abs/1703.01365)"
    )
    assert with_links("see https://jsonlines.org") == "see <https://jsonlines.org>"


@pytest.mark.parametrize("page", PAGES, ids=page_id)
def test_fractions_have_braces(page: Path) -> None:
    r"""The MathML converter reads ``\frac12 C`` as 12 over C."""
    assert not re.findall(r"\\[td]?frac[^{]", page.read_text(encoding="utf-8"))


@pytest.mark.parametrize("page", PAGES, ids=page_id)
def test_links_between_pages_lead_somewhere(page: Path) -> None:
    text = re.sub(r"```.*?```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL)
    dead = []
    for link in re.findall(r"\]\(([^)\s]+)\)", text):
        target, _, _anchor = link.partition("#")
        if "://" in target or not target:
            continue
        path = (page.parent / target).resolve()
        if not path.exists():
            dead.append(link)
    assert not dead


@pytest.mark.parametrize("page", PAGES, ids=page_id)
def test_dois_are_written_as_links_to_themselves(page: Path) -> None:
    for shown, linked in re.findall(
        r"\[(10\.[^\]]+)\]\(([^)\s]+)\)", page.read_text(encoding="utf-8")
    ):
        assert linked == f"https://doi.org/{shown}"


def test_every_page_of_docs_is_in_a_table_of_contents() -> None:
    pages = {p for p in PAGES if DOCS in p.parents} - {DOCS / "index.md"}
    listed = set()
    for index in (DOCS / "index.md", DOCS / "adr" / "index.md"):
        for block in re.findall(r"```{toctree}\n(.*?)```", index.read_text(), re.DOTALL):
            for entry in block.splitlines():
                if entry and not entry.startswith(":"):
                    listed.add((index.parent / f"{entry}.md").resolve())
    assert listed == pages
