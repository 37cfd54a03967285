"""The ledger: what is appended stays, any changed byte is found, a kill leaves it whole."""

from __future__ import annotations

import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from iceframe.core import ledger as module
from iceframe.core.errors import InputError
from iceframe.core.ledger import FILE, ORIGIN, Ledger, canonical, entry_hash

TIME = "2026-01-02T03:04:05+00:00"


@pytest.fixture
def small(tmp_path: Path) -> Ledger:
    ledger = Ledger.create(tmp_path / "run" / FILE)
    ledger.append("goal", {"floors": {"mae": 90.0}}, TIME)
    ledger.extend([("proposal", {"action": "climb"}), ("verdict", {"kept": True, "ü": "é"})], TIME)
    return ledger


def whats(ledger: Ledger) -> str:
    return "; ".join(map(str, ledger.verify()))


def test_entries_come_back_in_order_and_chained(small: Ledger) -> None:
    entries = Ledger.open(small.path).entries()
    assert [(e.number, e.kind) for e in entries] == [(1, "goal"), (2, "proposal"), (3, "verdict")]
    assert entries[2].body == {"kept": True, "ü": "é"}
    assert {e.time for e in entries} == {TIME}
    previous = ORIGIN
    for entry in entries:
        previous = entry_hash(previous, entry.number, TIME, entry.kind, canonical(entry.body))
        assert entry.hash == previous
    assert small.verify() == ()


@settings(deadline=None, max_examples=20)
@given(
    st.lists(
        st.dictionaries(
            st.text(max_size=8),
            st.none() | st.booleans() | st.integers() | st.text() | st.lists(st.floats(
                allow_nan=False, allow_infinity=False)),
            max_size=3,
        ),
        max_size=4,
    )
)  # fmt: skip
def test_any_json_round_trips(tmp_path_factory: pytest.TempPathFactory, bodies: list[dict]) -> None:
    ledger = Ledger.create(tmp_path_factory.mktemp("ledger") / FILE)
    try:
        ledger.extend(("note", body) for body in bodies)
    except UnicodeEncodeError:  # pragma: no cover - canonical JSON is ASCII
        pytest.fail("text was not escaped")
    assert [e.body for e in ledger.entries()] == bodies
    assert ledger.verify() == ()


@pytest.mark.parametrize("body", [{"a": float("nan")}, {"a": float("inf")}])
def test_what_is_no_json_is_refused_and_nothing_is_written(small: Ledger, body: dict) -> None:
    before = small.path.read_bytes()
    with pytest.raises(ValueError, match="JSON"):
        small.extend([("note", {"a": 1}), ("note", body)])
    assert small.path.read_bytes() == before


@pytest.mark.parametrize("kind", ["", "Two", "a b", "a\nb"])
def test_a_kind_is_one_lower_case_word(small: Ledger, kind: str) -> None:
    with pytest.raises(ValueError, match="lower-case"):
        small.append(kind, {})


def flipped(ledger: Ledger, path: Path, position: int, bit: int) -> bool:
    """Whether the change of one bit is found."""
    raw = bytearray(path.read_bytes())
    raw[position] ^= 1 << bit
    whole = path.read_bytes()
    path.write_bytes(bytes(raw))
    found = bool(ledger.verify())
    path.write_bytes(whole)
    return found


def test_a_changed_byte_is_found_wherever_it_is(small: Ledger, rng: np.random.Generator) -> None:
    size = small.path.stat().st_size
    places = [*range(0, 120, 7), size - 1, *rng.integers(0, size, 200).tolist()]
    assert all(flipped(small, small.path, p, int(rng.integers(8))) for p in places)
    assert small.verify() == ()  # and only those


@pytest.mark.slow
def test_every_changed_byte_is_found(small: Ledger) -> None:
    missed = [
        p for p in range(small.path.stat().st_size) if not flipped(small, small.path, p, p % 8)
    ]
    assert missed == []


def test_a_changed_byte_of_the_digest_is_found(small: Ledger, rng: np.random.Generator) -> None:
    for position in range(small.sidecar.stat().st_size):
        assert flipped(small, small.sidecar, position, int(rng.integers(8)))
    assert flipped(small, small.sidecar, 3, 5)  # a letter's case, too


@pytest.mark.parametrize("change", [-1, -700, -2000, 1, 4096])
def test_a_cut_or_lengthened_file_is_found(small: Ledger, change: int) -> None:
    raw = small.path.read_bytes()
    small.path.write_bytes(raw[:change] if change < 0 else raw + bytes(change))
    assert FILE in whats(small)


def test_a_changed_entry_is_named(small: Ledger) -> None:
    raw = small.path.read_bytes()
    assert raw.count(b'"climb"') == 1
    small.path.write_bytes(raw.replace(b'"climb"', b'"CLIMB"'))
    assert whats(small).startswith("entry 2: its content does not fit its hash")


def test_a_change_outside_the_entries_is_told_apart(small: Ledger) -> None:
    raw = bytearray(small.path.read_bytes())
    raw[60] ^= 1  # the user version in the header, of which SQLite makes nothing
    small.path.write_bytes(bytes(raw))
    assert "entry" not in whats(small)
    assert "outside of the entries" in whats(small)


def test_a_rewritten_digest_hides_no_changed_entry(small: Ledger) -> None:
    raw = small.path.read_bytes().replace(b'"climb"', b'"CLIMB"')
    small.path.write_bytes(raw)
    small._seal(module._digest(small.path))
    (problem,) = small.verify()
    assert problem.where == "entry 2"


def test_missing_files_and_foreign_journals_are_named(small: Ledger) -> None:
    journal = small.path.with_name(FILE + "-journal")
    journal.write_bytes(b"")
    assert "journal" in whats(small)
    journal.unlink()
    kept = small.sidecar.read_bytes()
    small.sidecar.unlink()
    assert whats(small) == f"{FILE}.sha256: it is missing"
    small.sidecar.write_bytes(kept)
    small.path.unlink()
    assert whats(small) == f"{FILE}: it is missing"
    with pytest.raises(InputError, match="no ledger here"):
        Ledger.open(small.path)


def test_nothing_is_added_to_a_changed_ledger(small: Ledger) -> None:
    raw = small.path.read_bytes()
    small.path.write_bytes(raw.replace(b'"climb"', b'"CLIMB"'))
    with pytest.raises(InputError, match="changed by hand"):
        small.append("note", {})


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE entries SET body = '{}' WHERE number = 1",
        "DELETE FROM entries WHERE number = 3",
        "INSERT INTO entries VALUES (9, 't', 'note', '{}', 'h')",
        "INSERT OR REPLACE INTO entries VALUES (2, 't', 'note', '{}', 'h')",
    ],
)
def test_the_database_itself_only_takes_the_next_entry(small: Ledger, statement: str) -> None:
    with (
        closing(sqlite3.connect(small.path)) as connection,
        pytest.raises(sqlite3.IntegrityError, match=r"append-only|out of turn"),
    ):
        connection.execute(statement)
    assert small.verify() == ()


class Killed(Exception):
    """Stands for the end of the process."""


@pytest.mark.parametrize(
    "moment", ["before the first seal", "before the file", "before the last seal"]
)
def test_a_kill_at_any_moment_leaves_a_whole_ledger(
    small: Ledger, monkeypatch: pytest.MonkeyPatch, moment: str
) -> None:
    seal = Ledger._seal
    calls = []

    def killing(self: Ledger, *digests: str) -> None:
        calls.append(digests)
        if moment == "before the first seal" or (
            moment == "before the last seal" and len(digests) == 1
        ):
            raise Killed
        seal(self, *digests)
        if moment == "before the file":
            raise Killed

    monkeypatch.setattr(Ledger, "_seal", killing)
    with pytest.raises(Killed):
        small.append("outcome", {"rung": "ebm"}, TIME)
    monkeypatch.undo()
    there = 4 if moment == "before the last seal" else 3
    assert len(small.entries()) == there
    assert small.verify() == ()
    assert all(flipped(small, small.path, p, 3) for p in range(0, small.path.stat().st_size, 97))
    small.append("outcome", {"rung": "gp"}, TIME)
    assert [e.number for e in small.entries()] == list(range(1, there + 2))
    assert small.verify() == ()
    assert not list(small.path.parent.glob(".tmp-*"))


def test_a_kill_while_it_is_made_can_be_repeated(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def killing(source: Path, target: Path) -> None:
        raise Killed

    monkeypatch.setattr("iceframe.core.files.os.replace", killing)
    with pytest.raises(Killed):
        Ledger.create(tmp_path / FILE)
    monkeypatch.undo()
    ledger = Ledger.create(tmp_path / FILE)
    assert ledger.verify() == ()
    with pytest.raises(InputError, match="already"):
        Ledger.create(tmp_path / FILE)


def test_the_digest_is_that_of_sha256sum(small: Ledger) -> None:
    import hashlib

    digest = hashlib.sha256(small.path.read_bytes()).hexdigest()
    assert small.sidecar.read_text() == f"{digest}  {FILE}\n"


def test_a_copy_elsewhere_is_whole(small: Ledger, tmp_path: Path) -> None:
    copy = tmp_path / "a # strange? name%20" / "run"
    shutil.copytree(small.path.parent, copy)
    assert Ledger.open(copy / FILE).verify() == ()


def test_what_is_no_database_says_so(small: Ledger) -> None:
    small.path.write_bytes(b"not a database at all" * 100)
    assert "SQLite cannot read it" in whats(small)
    with pytest.raises(InputError, match="cannot be read"):
        small.entries()
