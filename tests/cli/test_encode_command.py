"""``iceframe encode``: fit, look, encode new images, and what it says when something is wrong."""

from __future__ import annotations

import base64
import hashlib
import html
import json
import re
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from iceframe.measure.latents import disentanglement

Cli = Callable[..., Any]  # gives code, out, err; see conftest
QUICK = ("--epochs", "2", "--latents", "3")


def plates(folder: Path, n: int = 60, side: int = 16, seed: int = 0, state: bool = False) -> Path:
    """Images of varied brightness in a folder, with a table."""
    rng = np.random.default_rng(seed)
    folder.mkdir()
    bright = rng.uniform(60, 200, n).round(1)
    for i, level in enumerate(bright):
        pixels = rng.normal(level, 12, (side, side)).clip(0, 255).astype(np.uint8)
        Image.fromarray(pixels).save(folder / f"p{i:02d}.png")
    names = [f"p{i:02d}.png" for i in range(n)]
    table = pd.DataFrame({"file": names, "level": bright, "lot": np.resize(["a", "b"], n)})
    table.to_csv(folder / "labels.csv", index=False)
    if state:
        (folder / "dataset.json").write_text('{"kind": "phase"}')
    return folder


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return plates(tmp_path_factory.mktemp("in") / "plates")


@pytest.fixture(autouse=True)
def _few_resamples(monkeypatch: pytest.MonkeyPatch) -> None:
    """Intervals of scores are tested where they are made; here they would take seconds."""
    quick = partial(disentanglement.disentanglement_table, resamples=10, model_resamples=2)
    monkeypatch.setattr(disentanglement, "disentanglement_table", quick)


def test_from_images_to_latents_of_new_ones(iceframe: Cli, data: Path, tmp_path: Path) -> None:
    out = tmp_path / "latents"
    ended = iceframe("encode", data, "--encoder", "vae", "--out", out, *QUICK, "--target", "level",
                     "--factors", "level,lot")  # fmt: skip
    assert ended.code == 0, ended.err
    assert "60 images, 3 latents each" in ended.out
    assert "MIG" in ended.out
    assert str(out / "encoding.html") in ended.out.replace("\n", "")
    table = pd.read_csv(out / "latents.csv", index_col="id")
    assert table.shape == (60, 3)
    assert pd.read_csv(out / "disentanglement.csv")["score"].tolist()[3] == "MIG"

    new = plates(tmp_path / "new", n=4, seed=1)
    (new / "labels.csv").unlink()
    for name in ("new.csv", "new.parquet"):
        ended = iceframe("encode", new, "--with", out, "--out", tmp_path / name)
        assert ended.code == 0, ended.err
        assert "4 images, 3 latents each" in ended.out
    found = pd.read_csv(tmp_path / "new.csv", index_col="id")
    assert list(found.index) == [f"p{i:02d}.png" for i in range(4)]
    assert np.isfinite(found.to_numpy()).all()
    np.testing.assert_allclose(pd.read_parquet(tmp_path / "new.parquet").to_numpy(), found)
    ended = iceframe("encode", data, "--with", out, "--out", tmp_path / "same.csv", "--json")
    assert json.loads(ended.out)["images"] == 60
    same = pd.read_csv(tmp_path / "same.csv", index_col="id")
    pd.testing.assert_frame_equal(same, table)


def test_the_page_is_whole_and_asks_nothing(iceframe: Cli, data: Path, tmp_path: Path) -> None:
    ended = iceframe("encode", data, "-e", "autoencoder", "--out", tmp_path, *QUICK, "--json",
                     "--target", "lot")  # fmt: skip
    assert ended.code == 0, ended.err
    body = json.loads(ended.out)
    assert body["latents"] == ["latent 1", "latent 2", "latent 3"]
    assert body["record"]["epochs"] == 2
    assert body["scores"] == []
    text = Path(body["page"]).read_text(encoding="utf-8")
    own = re.sub(r"<script>.*?</script>", "", text, flags=re.DOTALL)
    assert own.count('src="data:image/png') == 3 * 7 + 6 * 6
    assert not re.findall(r'(?:src|href)="(?!data:|#|https://(?:doi|arxiv)\.org)', own)
    assert "Coloured by lot" in own
    policy = re.search(r"Content-Security-Policy\" content=\"([^\"]*)", text)
    assert policy is not None
    for script in re.findall(r"<script>(.*?)</script>", text, flags=re.DOTALL):
        digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
        assert f"'sha256-{digest}'" in html.unescape(policy[1])
    figures = re.findall(r'<script type="application/json" id="figure-[^"]*">(.*?)</script>', text)
    assert {trace["name"] for trace in json.loads(figures[0])["data"]} == {"a", "b"}


def test_an_encoder_without_decoder_has_no_traversals(
    iceframe: Cli, data: Path, tmp_path: Path
) -> None:
    ended = iceframe("encode", data, "-e", "contrastive", "--out", tmp_path, *QUICK)
    assert ended.code == 0, ended.err
    text = (tmp_path / "encoding.html").read_text(encoding="utf-8")
    assert 'id="traversals"' not in text
    assert 'id="neighbours"' in text


def test_an_aligned_encoder_says_how_much_leaks(iceframe: Cli, tmp_path: Path) -> None:
    hostile = plates(tmp_path / "plates", n=110)
    table = pd.read_csv(hostile / "labels.csv").rename(columns={"level": "<b>level</b>"})
    table.to_csv(hostile / "labels.csv", index=False)
    ended = iceframe("encode", hostile, "-e", "aligned_vae", "--out", tmp_path / "out", *QUICK,
                     "--factors", "<b>level</b>")  # fmt: skip
    assert ended.code == 0, ended.err
    text = (tmp_path / "out" / "encoding.html").read_text(encoding="utf-8")
    assert "Named latents" in text
    assert "&lt;b&gt;level&lt;/b&gt;" in text
    assert "<b>level</b>" not in text


def refused(ended: Any, code: int, *words: str) -> None:
    assert ended.code == code, ended.err or ended.out
    assert "Traceback" not in ended.err
    assert ended.err.count("Error:") == 1
    for word in words:
        assert word in ended.err, ended.err


def test_refusals(iceframe: Cli, data: Path, tmp_path: Path) -> None:
    out, file = tmp_path / "out", tmp_path / "new.csv"
    refused(iceframe("encode", data, "--out", out), 2, "--encoder", "vae", "--with")
    refused(iceframe("encode", data, "-e", "vea", "--out", out), 2, "Did you mean 'vae'")
    refused(iceframe("encode", data, "-e", "vae", "--out", out, "--latents", "0"), 2, "latents")
    refused(iceframe("encode", data, "-e", "vae", "--out", out, "--factors", "levl"), 1, "'level'")
    refused(
        iceframe("encode", data / "labels.csv", "--with", data, "--out", file), 1, "not a fitted"
    )
    few = plates(tmp_path / "few", n=5)
    refused(iceframe("encode", few, "-e", "vae", "--out", out), 1, "too few images")
    black = tmp_path / "black"
    black.mkdir()
    for i in range(12):
        Image.new("L", (16, 16)).save(black / f"{i}.png")
    refused(iceframe("encode", black, "-e", "vae", "--out", out), 1, "nothing to learn")
    assert not out.exists()


def test_other_images_than_those_of_the_fit_are_refused(
    iceframe: Cli, data: Path, tmp_path: Path
) -> None:
    out, file = tmp_path / "out", tmp_path / "new.csv"
    assert iceframe("encode", data, "-e", "autoencoder", "--out", out, *QUICK).code == 0
    larger = plates(tmp_path / "larger", n=3, side=24)
    refused(iceframe("encode", larger, "--with", out, "--out", file), 1, "24")
    segmented = plates(tmp_path / "segmented", n=3, state=True)
    for path in segmented.glob("*.png"):
        Image.fromarray(np.eye(16, dtype=np.uint8) * 255).save(path)
    refused(iceframe("encode", segmented, "--with", out, "--out", file), 1, "phase", "grey")
    assert not file.exists()
    refused(iceframe("encode", data, "--with", out, "--out", file, "--latents", "4",
                     "--size", "8x8"), 2, "--latents, --size")  # fmt: skip
    refused(iceframe("encode", data, "--with", out, "--out", out), 2, "--out is a file")


def test_interrupting_leaves_nothing(
    iceframe: Cli, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_: Any, **__: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("iceframe.scale.training.train", interrupted)
    ended = iceframe("encode", data, "-e", "vae", "--out", tmp_path / "out", *QUICK)
    assert ended.code == 130
    assert "Nothing was written" in ended.err
    assert not (tmp_path / "out").exists()
