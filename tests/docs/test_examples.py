"""Every Python and console example in README, CONTRIBUTING and docs/ runs, page by page, in order.

A page is a story: its Python blocks share one namespace, its console blocks one folder. A comment
before a block changes how it is run: ``<!-- not run: REASON -->`` or ``<!-- exits 0 or 3 -->``.
"""

from __future__ import annotations

import re
import shlex
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from .conftest import PAGES, json_blocks, page_id

_BLOCK = re.compile(
    r"(?:<!-- (?P<note>[^\n]*?) -->\n)?^```(?P<language>python|console)\n(?P<code>.*?)^```$",
    flags=re.MULTILINE | re.DOTALL,
)


@dataclass(frozen=True)
class Example:
    """One block of code on a page, and the comment before it."""

    language: str
    code: str
    line: int
    note: str

    @property
    def exit_codes(self) -> set[int]:
        return {int(code) for code in re.findall(r"\d+", self.note)} or {0}


def examples(page: Path) -> list[Example]:
    """The blocks of a page that are to be run."""
    text = page.read_text(encoding="utf-8")
    found = []
    for match in _BLOCK.finditer(text):
        note = match["note"] or ""
        if not note.startswith("not run:"):
            line = text[: match.start("code")].count("\n") + 1
            found.append(Example(match["language"], match["code"], line, note))
    return found


def run_python(example: Example, page: Path, namespace: dict[str, object]) -> None:
    # Blank lines before the code keep the line numbers of the page in a traceback.
    source = "\n" * (example.line - 1) + example.code
    exec(compile(source, str(page), "exec"), namespace)


def run_console(example: Example, page: Path, capsys: pytest.CaptureFixture[str]) -> None:
    # In this process: a fresh interpreter a command would spend its time on imports.
    from iceframe.cli import main

    for line in example.code.splitlines():
        if not line.startswith("$ "):
            continue
        program, *arguments = shlex.split(line[2:], comments=True)
        assert program == "iceframe", f"{page_id(page)}: only iceframe's own commands are shown"
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(sys, "argv", [program, *arguments])
            with pytest.raises(SystemExit) as ended:
                main()
        said = "\n".join(capsys.readouterr())
        where = f"{page_id(page)}, after line {example.line}: {line}\n{said}"
        assert (ended.value.code or 0) in example.exit_codes, where


WITH_EXAMPLES = [page for page in PAGES if examples(page) and page.name != "CONTRIBUTING.md"]


@pytest.mark.parametrize("page", WITH_EXAMPLES, ids=page_id)
def test_examples_run(page: Path, example_folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    namespace: dict[str, object] = {"__name__": "__main__"}
    for example in examples(page):
        if example.language == "python":
            run_python(example, page, namespace)
        else:
            run_console(example, page, capsys)


@pytest.mark.parametrize("page", PAGES, ids=page_id)
def test_json_examples_are_json(page: Path) -> None:
    json_blocks(page.read_text(encoding="utf-8"))


def test_the_collector_sees_what_it_should(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(
        "a\n```python\nx = 1\n```\n<!-- not run: slow -->\n```console\n$ iceframe demo\n```\n"
        "<!-- exits 0 or 3 -->\n```console\n$ iceframe run\n```\n```json\n{}\n```\n"
    )
    first, second = examples(page)
    assert (first.language, first.code, first.line) == ("python", "x = 1\n", 3)
    assert second.exit_codes == {0, 3}
    assert {page_id(p) for p in WITH_EXAMPLES} >= {
        "README.md",
        "docs/tutorials/first-equilibrium.md",
    }
