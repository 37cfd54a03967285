"""Audits of finished runs: read again, kept, and refused with a reason."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from iceframe.core.errors import InputError, UsageError
from iceframe.ingest import read
from iceframe.ingest.neutral import without_cue
from iceframe.workflow.auditing import KINDS, audit_run
from iceframe.workflow.session import open_run
from iceframe.workflow.session import run as run_ladder


@pytest.fixture(scope="module")
def framed(tmp_path_factory):
    """Textures of two classes that differ in a frame alone, and a run of a glass box."""
    from scipy.ndimage import gaussian_filter

    folder = tmp_path_factory.mktemp("framed") / "data"
    folder.mkdir()
    rng = np.random.default_rng(0)
    rows = []
    for i in range(60):
        x = gaussian_filter(rng.standard_normal((32, 32)), 1.0, mode="wrap")
        x = 128 + 25 * x / x.std()
        if i % 2:
            x[:3], x[-3:], x[:, :3], x[:, -3:] = 250, 250, 250, 250
        Image.fromarray(x.clip(0, 255).astype(np.uint8)).save(folder / f"i{i}.png")
        rows.append((f"i{i}.png", ("plain", "framed")[i % 2], ("steel", "glass")[i % 4 // 2]))
    table = pd.DataFrame(rows, columns=["file", "label", "material_class"])
    table.to_csv(folder / "labels.csv", index=False)
    made = run_ladder(
        read(folder, "label"), ladder=["ridge"], descriptors=["intensity"],
        out=folder.parent / "run", folds=3, workers=1, trials=0, shift=False,
    )  # fmt: skip
    return made, folder


@pytest.fixture(scope="module")
def audited(framed):
    return audit_run(framed[0])


def test_a_frame_is_found_named_and_shown_to_be_used(framed, audited):
    codes = {f.code for f in audited.findings}
    assert "cue-border" in codes
    assert "shortcut" in codes
    for_controller = audited.for_controller()
    assert for_controller[0]["severity"] == "error"
    cue = next(row["cue"] for row in for_controller if row["code"] == "cue-border")
    assert cue in ("border of 3 pixels", "border of 4 pixels")
    clean = without_cue(read(framed[1], "label"), cue)
    assert clean.images is not None
    assert clean.images.read(range(60)).max() < 0.95
    assert {row["repaired"] for row in for_controller} == {""}


def test_every_kind_answers_or_says_why_not(audited):
    assert tuple(one.kind for one in audited.examined) == KINDS
    for one in audited.examined:
        assert one.skipped or one.facts, one.kind
    body = audited.as_dict()
    assert body["rung"] == "ridge"
    assert set(body["facts"]) == set(KINDS)
    shifts = body["facts"]["shifts"]["curves"]
    assert {c["name"] for c in shifts} >= {"blur", "noise", "brightness", "crop", "jpeg"}
    matrix = np.array(body["facts"]["leave-class-out"]["matrix"])
    assert matrix.shape == (3, 2)


def test_answers_are_kept_and_the_run_stays_sealed(framed, audited):
    run, _ = framed
    run.store.verify()
    stages = []
    again = audit_run(run.folder, watch=stages.append)
    assert again.as_dict() == audited.as_dict()
    assert stages == []
    kept = run.folder / "audits" / "ridge" / "copies.json"
    kept.write_text(kept.read_text().replace('"key": "', '"key": "0'))
    audit_run(run.folder, only=["copies"], watch=stages.append)
    assert {s.stage.partition(":")[0] for s in stages} == {"copies"}
    assert open_run(run.folder).rungs == ("ridge",)


@pytest.mark.slow
def test_two_workers_say_the_same(framed, audited, tmp_path):
    other = audit_run(framed[0], only=["subgroups", "copies"], out=tmp_path, workers=2)
    alone = {one.kind: one for one in audited.examined}
    for one in other.examined:
        assert one == alone[one.kind]
    assert (tmp_path / "audits" / "ridge" / "copies.json").exists()


def test_tables_have_no_images_but_all_else(alloy_run, tmp_path):
    audited = audit_run(alloy_run, rung="ridge", out=tmp_path)
    skipped = {one.kind: one.skipped for one in audited.examined if one.skipped}
    assert skipped["cues"] == skipped["shortcuts"] == "These data have no images."
    assert "material_class" in skipped["leave-class-out"]
    assert set(skipped) == {"cues", "shortcuts", "leave-class-out"}
    facts = audited.as_dict()["facts"]
    noise = next(c for c in facts["shifts"]["curves"] if c["name"] == "measurement noise")
    losses = [p["loss"] for p in noise["points"]]
    assert losses == sorted(losses)
    assert {g["by"] for g in facts["subgroups"]["groups"]} >= {"strength"}
    assert not [f for f in audited.findings if f.code.startswith(("cue", "nuisance"))]


def test_moved_data_are_asked_for_and_found_again(framed, tmp_path):
    run, folder = framed
    away = folder.parent / "elsewhere"
    folder.rename(away)
    try:
        with pytest.raises(InputError, match="not where they were") as gone:
            audit_run(run, out=tmp_path)
        assert "--data" in str(gone.value)
        assert audit_run(run, away, only=["copies"], out=tmp_path).examined[0].facts["n"] == 60
    finally:
        away.rename(folder)


def test_other_data_are_refused(framed, tmp_path):
    run, folder = framed
    other = tmp_path / "other"
    shutil.copytree(folder, other)
    Image.fromarray(np.zeros((32, 32), np.uint8)).save(other / "i0.png")
    with pytest.raises(InputError, match="not the data"):
        audit_run(run, other, out=tmp_path)


def test_data_that_were_never_in_a_file(alloys, quick_run):
    frame = alloys(40)
    run = quick_run(read(frame, "strength"), ladder=["mean"])
    with pytest.raises(InputError, match="never in a file"):
        audit_run(run)
    found = audit_run(run, read(frame, "strength"), only=["subgroups"])
    assert [one.kind for one in found.examined] == ["subgroups"]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"only": ["cue"]}, "Did you mean 'cues'"),
        ({"only": []}, "No audit was named"),
        ({"rung": "tree"}, "no finished model of 'tree'"),
        ({"workers": 0}, "Too few workers"),
    ],
)
def test_wrong_questions_are_refused(framed, options, said, tmp_path):
    with pytest.raises(UsageError, match=said):
        audit_run(framed[0], out=tmp_path, **options)


def test_a_folder_that_is_no_run(tmp_path: Path):
    with pytest.raises(InputError, match=r"run\.json"):
        audit_run(tmp_path)


def test_what_the_data_do_not_allow_is_left_out_with_the_reason(alloys, quick_run):
    """Without one of the two materials, one class is left: no model can be fitted."""
    frame = alloys(60)
    frame["hard"] = np.where(frame["strength"] > frame["strength"].median(), "yes", "no")
    frame["material_class"] = np.where(frame["hard"] == "yes", "a", "b")
    data = read(frame.drop(columns="strength"), "hard")
    assert "material_class" in data.groups
    run = quick_run(data, ladder=["ridge"])
    found = audit_run(run, data, only=["leave-class-out", "probes"])
    by_kind = {one.kind: one for one in found.examined}
    assert "one class" in by_kind["leave-class-out"].skipped
    # The group is told by the target, but the model is not given it.
    assert not [f for f in by_kind["probes"].findings if f.severity == "warning"]
