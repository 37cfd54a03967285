"""Kill -9 at random moments, resume, and compare with an undisturbed run."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pandas as pd
import pytest

from iceframe.workflow.session import open_run

pytestmark = pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="needs SIGKILL")


def start(table: Path, out: Path, workers: int) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-c", "from iceframe.cli import main; main()", "run", str(table)]
    command += ["--target", "strength", "--out", str(out), "--ladder", "mean,ridge,tree"]
    command += ["--folds", "3", "--trials", "3", "--no-shift", "--workers", str(workers)]
    quiet = subprocess.DEVNULL
    return subprocess.Popen(command, stdout=quiet, stderr=quiet, start_new_session=True)


def units_done(out: Path) -> list[str]:
    manifest = out / "manifest.jsonl"
    if not manifest.exists():
        return []
    lines = manifest.read_bytes().split(b"\n")[:-1]
    return [key for key in (json.loads(line)["key"] for line in lines) if key != "seal"]


def kill_and_compare(table: Path, tmp_path: Path, moments: int, workers: int, seed: int) -> None:
    whole, torn = tmp_path / "whole", tmp_path / "torn"
    begin = time.monotonic()
    assert start(table, whole, workers).wait() == 0
    usual = time.monotonic() - begin
    draw = random.Random(seed)
    killed = 0
    while killed < moments:
        process = start(table, torn, workers)
        try:
            process.wait(draw.uniform(0.0, 1.2 * usual))
        except subprocess.TimeoutExpired:
            os.kill(process.pid, signal.SIGKILL)  # the workers must notice by themselves
            process.wait()
            killed += 1
        else:  # it got through: start anew, in another folder
            assert process.returncode == 0
            compare(whole, torn)
            torn = tmp_path / f"torn{killed}"
        done = units_done(torn)
        assert len(done) == len(set(done)), "a finished unit was repeated"
    deadline = time.monotonic() + 60
    while start(table, torn, workers).wait() != 0:  # a dying worker may still hold the lock
        assert time.monotonic() < deadline
        time.sleep(0.5)
    compare(whole, torn)


def compare(whole: Path, torn: Path) -> None:
    a, b = open_run(whole), open_run(torn)
    pd.testing.assert_frame_equal(a.evidence, b.evidence, check_exact=True)
    pd.testing.assert_frame_equal(a.predictions, b.predictions, check_exact=True)
    assert a.equilibrium == b.equilibrium
    assert sorted(units_done(whole)) == sorted(units_done(torn))


def test_a_killed_run_goes_on_where_it_was(alloy_table: Path, tmp_path: Path) -> None:
    kill_and_compare(alloy_table, tmp_path, moments=2, workers=1, seed=0)


@pytest.mark.slow
@pytest.mark.timeout(3000)
@pytest.mark.parametrize(("workers", "seed"), [(1, 1), (2, 2)])
def test_thirty_kills(alloy_table: Path, tmp_path: Path, workers: int, seed: int) -> None:
    kill_and_compare(alloy_table, tmp_path, moments=30, workers=workers, seed=seed)
