"""The cue study: are planted cues found, named rightly, and is the repaired model honest?

    python studies/cues/study.py run report [--out runs/cues] [--plantings 100] [--controls 100]
        [--sources uhcs,simulated] [--each 80]

Every case is a line of ``cases.jsonl`` under --out; the same command goes on where it stopped.
What is measured and why stands in README.md.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

if __name__ == "__main__":  # run as a script: the repository in the place of this folder
    sys.path[0] = str(Path(__file__).resolve().parents[2])

from studies.cues.planting import KINDS, Planting, draw, plant, shown
from studies.cues.sources import simulated, uhcs, with_free_brightness

from iceframe.core.dataset import ArrayImages, ImageSource
from iceframe.ingest.neutral import NeutralImages
from iceframe.measure.audits.cues import FoundCue, find_cues
from iceframe.measure.fidelity import clopper_pearson

CONTROL = "control"
SCORES = ("honest", "fooled", "repaired", "least")
TESTED = 60
"""Cue-free pictures of each class that accuracy is measured on."""


def cases(sources: list[str], plantings: int, controls: int) -> Iterator[tuple[str, str, int]]:
    """Source, kind and number of each case; the kinds take turns, so that a part is a whole."""
    for number in range(max(plantings, controls)):
        for source in sources:
            for kind in (*KINDS, CONTROL):
                if number < (controls if kind == CONTROL else plantings):
                    yield source, kind, number


def perform(source: str, kind: str, number: int, x: np.ndarray, y: np.ndarray, each: int) -> Any:
    """One case: plant, look, repair, and score on pictures without the cue."""
    rng = np.random.default_rng([number, len(source), (*KINDS, CONTROL).index(kind)])
    pair = rng.choice(np.unique(y), 2, replace=False)
    order = [rng.permutation(np.flatnonzero(y == name)) for name in pair]
    train = np.concatenate([o[:each] for o in order])
    test = np.concatenate([o[each : each + TESTED] for o in order])
    pixels, labels = x, (y == pair[0]).astype(int)
    if kind == "brightness":
        pixels = with_free_brightness(x, rng)
    seen = pixels[train]
    how: Planting | None = None
    if kind != CONTROL:
        how = draw(kind, (x.shape[2], x.shape[3]), rng)
        seen = plant(seen, shown(labels[train] == 1, how, rng), how)
    found = find_cues(ArrayImages(seen), labels[train], number)
    row: dict[str, Any] = {
        "source": source, "kind": kind, "number": number, "classes": pair.tolist(),
        "found": [c.cue.kind for c in found], "cues": [str(c.cue) for c in found],
        "doubtful": [c.cue.kind for c in found if not c.alike],
        "planting": None if how is None else str(how),
        "strength": None if how is None else abs(how.strength),
    }  # fmt: skip
    if how is not None:
        planted = tuple(one for one in found if one.cue.kind == kind)
        row |= _scores(pixels, seen, train, test, labels, planted)
    return row


def _scores(
    pixels: np.ndarray,
    seen: np.ndarray,
    train: np.ndarray,
    test: np.ndarray,
    labels: np.ndarray,
    found: tuple[FoundCue, ...],
) -> dict[str, float]:
    """Accuracy on pictures without the cue of models trained on pictures without it (``honest``),
    with it (``fooled``), and after the repair (``repaired``); ``least``: trained on pictures that
    never had the cue, and were repaired all the same."""

    def cleaned(of: np.ndarray) -> np.ndarray:
        images: ImageSource = ArrayImages(of)
        for one in found:
            images = NeutralImages(images, one.cue)
        return images.read(range(len(of)))

    def accuracy(of_train: np.ndarray, of_test: np.ndarray) -> float:
        from sklearn.linear_model import LogisticRegression
        from sklearn.pipeline import make_pipeline
        from sklearn.preprocessing import StandardScaler

        model = make_pipeline(StandardScaler(), LogisticRegression(C=1.0, max_iter=2000))
        model.fit(features(of_train), labels[train])
        return float((model.predict(features(of_test)) == labels[test]).mean())

    return {
        "honest": accuracy(pixels[train], pixels[test]),
        "fooled": accuracy(seen, pixels[test]),
        "repaired": accuracy(cleaned(seen), cleaned(pixels[test])),
        "least": accuracy(cleaned(pixels[train]), cleaned(pixels[test])),
    }


def features(x: np.ndarray) -> np.ndarray:
    """A small table of pictures ``(n, 1, h, w)``: tones, a radial power spectrum, and the means of
    12 × 12 places, which see a bar and a border."""
    flat = x[:, 0].astype(float)
    n, height, width = flat.shape
    tones = np.quantile(flat.reshape(n, -1)[:, ::7], (0.05, 0.25, 0.5, 0.75, 0.95), axis=1).T
    power = np.abs(np.fft.rfft2(flat - flat.mean(axis=(1, 2), keepdims=True))) ** 2
    ky, kx = np.fft.fftfreq(height)[:, None], np.fft.rfftfreq(width)
    ring = np.minimum((np.hypot(ky, kx) * 40).astype(int), 15).ravel()
    member = (ring == np.arange(16)[:, None]) / np.bincount(ring, minlength=16)[:, None]
    spectrum = np.log(power.reshape(n, -1) @ member.T + 1e-9)
    rows = np.linspace(0, height, 13).round().astype(int)[:-1]
    columns = np.linspace(0, width, 13).round().astype(int)[:-1]
    block = np.add.reduceat(np.add.reduceat(flat, rows, axis=1), columns, axis=2)
    return np.hstack([tones, spectrum, block.reshape(n, -1)])


def report(rows: list[dict[str, Any]]) -> str:
    """The table of rates and accuracies, as text."""
    lines = ["| source | planted | n | found, right name | 95 % | honest | fooled | repaired "
             "| repaired without need |", "|---|---|---|---|---|---|---|---|---|"]  # fmt: skip
    for source in dict.fromkeys(r["source"] for r in rows):
        mine = [r for r in rows if r["source"] == source]
        for kind in KINDS:
            of = [r for r in mine if r["kind"] == kind]
            if not of:
                continue
            rate, low, high = clopper_pearson(sum(kind in r["found"] for r in of), len(of))
            means = [np.mean([r[m] for r in of]) for m in SCORES]
            told = " | ".join(f"{m:.3f}" for m in means)
            lines.append(f"| {source} | {kind} | {len(of)} | {rate:.1%} | {low:.1%} to {high:.1%} "
                         f"| {told} |")  # fmt: skip
            for other, name in (("fooled", "honest"), ("repaired", "honest"),
                                ("repaired", "least")):  # fmt: skip
                gap = np.array([r[other] - r[name] for r in of])
                wide = 1.96 * gap.std(ddof=1) / np.sqrt(len(gap)) if len(gap) > 1 else np.nan
                low, high = gap.mean() - wide, gap.mean() + wide
                lines.append(f"| | {other} − {name} | | {gap.mean():+.3f} | {low:+.3f} to "
                             f"{high:+.3f} | | | | |")  # fmt: skip
        quiet = [r for r in mine if r["kind"] == CONTROL]
        for name in (*KINDS, "banner", "uneven light"):
            if quiet:
                said = sum(name in r["found"] for r in quiet)
                rate, low, high = clopper_pearson(said, len(quiet))
                doubt = sum(name in r["doubtful"] for r in quiet)
                note = f" ({doubt} of {said} doubtful)" if doubt else ""
                lines.append(f"| {source} | nothing; '{name}' said{note} | {len(quiet)} "
                             f"| {rate:.1%} | {low:.1%} to {high:.1%} | | | | |")  # fmt: skip
    return "\n".join(lines) + "\n"


def main(arguments: list[str] | None = None) -> int:
    """Run the stages that are asked for."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("stages", nargs="+", choices=("run", "report"))
    parser.add_argument("--out", type=Path, default=Path("runs/cues"))
    parser.add_argument("--plantings", type=int, default=100, help="of each kind and source")
    parser.add_argument("--controls", type=int, default=100, help="of each source")
    parser.add_argument("--sources", default="uhcs,simulated")
    parser.add_argument("--each", type=int, default=100, help="pictures a class with the cue")
    asked = parser.parse_args(arguments)
    asked.out.mkdir(parents=True, exist_ok=True)
    path = asked.out / "cases.jsonl"
    lines = path.read_text(encoding="utf-8").splitlines(keepends=True) if path.exists() else []
    rows = [json.loads(line) for line in lines if line.endswith("\n")]
    if "run" in asked.stages:
        _run(asked, rows, path)
    if "report" in asked.stages:
        text = report(rows)
        (asked.out / "report.md").write_text(text, encoding="utf-8")
        sys.stdout.write(text)
    return 0


def _run(asked: argparse.Namespace, rows: list[dict[str, Any]], path: Path) -> None:
    path.write_text("".join(json.dumps(r) + "\n" for r in rows), encoding="utf-8")
    known = {(r["source"], r["kind"], r["number"]) for r in rows}
    loaded: dict[str, tuple[np.ndarray, np.ndarray]] = {}
    for name in asked.sources.split(","):
        held = uhcs() if name == "uhcs" else simulated(asked.each + TESTED + 60)
        if held is None:
            sys.stderr.write(f"{name}: left out, its data are absent\n")
        else:
            loaded[name] = held
    for source, kind, number in cases(list(loaded), asked.plantings, asked.controls):
        if (source, kind, number) not in known:
            rows.append(perform(source, kind, number, *loaded[source], asked.each))
            with path.open("a", encoding="utf-8") as file:
                file.write(json.dumps(rows[-1]) + "\n")


if __name__ == "__main__":
    raise SystemExit(main())
