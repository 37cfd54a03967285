"""The files that the documentation's examples speak of, made small, and one finished run."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

REPOSITORY = Path(__file__).resolve().parents[2]
PAGES = sorted(
    [
        *REPOSITORY.glob("*.md"),
        *(p for p in (REPOSITORY / "docs").rglob("*.md") if "_build" not in p.parts),
    ]
)


def page_id(path: Path) -> str:
    """How a page is called in the tests' names."""
    return path.relative_to(REPOSITORY).as_posix()


def alloys(n: int, seed: int) -> pd.DataFrame:
    """Steels whose strength is nearly linear in their composition and heat treatment."""
    rng = np.random.default_rng(seed)
    carbon, chromium = rng.uniform(0.1, 0.6, n), rng.uniform(0, 3, n)
    tempering = rng.uniform(200, 600, n)
    strength = 900 + 800 * carbon + 40 * chromium - 0.9 * tempering + rng.normal(0, 20, n)
    return pd.DataFrame(
        {
            "id": [f"A{i}" for i in range(n)],
            "carbon": carbon.round(4),
            "chromium": chromium.round(3),
            "tempering": tempering.round(1),
            "grain size": rng.uniform(5, 50, n).round(2),
            "furnace": rng.choice(list("NESWXY"), n),
            "yield strength": strength.round(1),
        }
    )


def _write_images(folder: Path, names: list[str], sides: list[int], seed: int) -> None:
    from PIL import Image

    rng = np.random.default_rng(seed)
    folder.mkdir(parents=True)
    for name, side in zip(names, sides, strict=True):
        pixels = rng.normal(120, 30, (side, side)).clip(0, 255).astype(np.uint8)
        Image.fromarray(pixels).save(folder / name)


def _small_recipe(name: str) -> str:
    """A template with few small samples."""
    from iceframe.workflow.simulate.templates import template

    recipe = template(name)
    for usual, small in (("samples: 500", "samples: 24"), ("[64, 64]", "[24, 24]")):
        assert usual in recipe
        recipe = recipe.replace(usual, small)
    return recipe


@contextmanager
def little_work() -> Iterator[None]:
    """Few tuning trials and no worker processes: it is the examples that are tested."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            "iceframe.workflow.settings.TRIALS", {"light": 3, "medium": 1, "heavy": 0, "extreme": 0}
        )
        patch.setattr("iceframe.workflow.session.MOST_WORKERS", 1)
        yield


@pytest.fixture(scope="session")
def prepared_files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with every file and run that an example may name."""
    with little_work():
        return _prepared_files(tmp_path_factory)


def _prepared_files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("examples")
    rng = np.random.default_rng(3)
    known = alloys(60, seed=1)
    known.to_csv(root / "alloys.csv", index=False)
    new = alloys(6, seed=2).drop(columns="yield strength")
    new["id"] = [f"N{i}" for i in range(6)]
    new.to_csv(root / "new-alloys.csv", index=False)

    gaps = known.rename(columns={"yield strength": "strength"})
    gaps.loc[[3, 7], "strength"] = np.nan
    gaps.to_csv(root / "gaps.csv", index=False)

    names = [f"{i:04d}.png" for i in range(24)]
    for folder, sides in (("micrographs", [48] * 24), ("mixed", [48, 64] * 12)):
        _write_images(root / folder, names, sides, seed=4)
        pd.DataFrame(
            {
                "file": names,
                "specimen": [f"S{i // 2}" for i in range(24)],
                "conductivity": rng.uniform(5, 15, 24).round(3),
            }
        ).to_csv(root / folder / "labels.csv", index=False)
    for seed, name in enumerate(("martensite", "pearlite")):
        _write_images(root / "textures" / name, names[:12], [48] * 12, seed=10 + seed)

    (root / "elastic.yaml").write_text(_small_recipe("elastic"), encoding="utf-8")

    import iceframe as ice
    from iceframe.report import write_report

    run = ice.run(
        ice.read(root / "alloys.csv", target="yield strength"),
        ladder=["mean", "ridge"],
        out=root / "runs" / "a1",
    )
    write_report(run.view(), run.folder / "report.html")
    return root


@pytest.fixture
def example_folder(
    prepared_files: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Path]:
    """A fresh copy of those files, which is the current folder."""
    folder = tmp_path / "work"
    shutil.copytree(prepared_files, folder)
    monkeypatch.chdir(folder)
    with little_work():
        yield folder


def json_blocks(text: str) -> list[object]:
    """The JSON blocks of a page, parsed."""
    return [json.loads(block) for block in _fenced(text, "json")]


def _fenced(text: str, language: str) -> list[str]:
    return [part.split("```")[0] for part in text.split(f"```{language}\n")[1:]]
