"""Readers of crystals under damaged and random input: an InputError that names the file, or none.

What they do take goes through the checks, which must not fail either.
"""

from __future__ import annotations

import functools
import gzip
import tempfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from iceframe.core.errors import InputError
from iceframe.ingest.crystal_checks import accept
from iceframe.ingest.reader import structure_reader

from .structure_files import CIF_SALT, FORMATS, XYZ_SALT, skewed, write_structure

NAMES = {"cif": "fuzz.cif", "POSCAR": "POSCAR_fuzz", "extxyz": "fuzz.xyz", "db": "fuzz.db"}
QUICK = settings(max_examples=25, deadline=None, derandomize=True)
LONG = settings(max_examples=1000, deadline=None, suppress_health_check=[HealthCheck.too_slow])
# What the formats are made of: damage that is spelled well goes deeper than random bytes.
WORDS = st.sampled_from(
    [
        *(b"nan", b"-inf", b"1e308", b"-1", b"0", b"?", b".", b"'", b'"', b";", b"\n", b"\0", b"#"),
        *(b"\nloop_\n", b"\ndata_", b"_atom_site_label", b"{", b"}", b"[", b"]", b"null", b"NaN"),
        *(b'"element"', b'"lattice"', b"Lattice=", b"Properties=", b"_JSON {", b"99999999999"),
        *(b"Xx", b"OH", b"x,y,z", b"1/0", b"Direct\n", b"1.0(", b"\xff\xfe", b"0.5+", b":R:"),
    ]
)


@functools.cache
def whole_file(kind: str) -> bytes:
    if kind == "cif":
        return CIF_SALT.encode()
    if kind == "extxyz":
        return (XYZ_SALT * 2).encode()
    with tempfile.TemporaryDirectory() as folder:
        return write_structure(skewed(), Path(folder), kind).read_bytes()


def attempt(name: str, content: bytes) -> None:
    message = "fuzz"
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / name
        path.write_bytes(content)
        reader = structure_reader(path)
        if reader is None:  # a JSON file that does not begin like crystals
            assert name.endswith(".json")
            return
        try:
            entries = reader.read(path)
            assert entries
            assert all(entry.name.startswith(name) for entry in entries)
            assert all((entry.structure is None) == bool(entry.fault) for entry in entries)
            accept(entries, drop_invalid=True)
        except InputError as error:
            message = str(error)
    assert "fuzz" in message


@pytest.mark.parametrize("kind", FORMATS)
@QUICK
@given(content=st.binary(max_size=300) | st.text(max_size=200).map(lambda t: t.encode()))
def test_random_bytes_give_nothing_but_an_input_error(kind: str, content: bytes) -> None:
    attempt(NAMES.get(kind, "fuzz.json"), content)


@pytest.mark.parametrize("kind", FORMATS)
@QUICK
@given(data=st.data())
def test_damaged_files_give_nothing_but_an_input_error(kind: str, data: st.DataObject) -> None:
    damage(kind, data)


@pytest.mark.slow
@pytest.mark.parametrize("kind", FORMATS)
@LONG
@given(data=st.data())
def test_many_damaged_files(kind: str, data: st.DataObject) -> None:
    damage(kind, data)


def damage(kind: str, data: st.DataObject) -> None:
    """Replace some parts of a valid file, drop a line, cut it somewhere."""
    content = bytearray(whole_file(kind))
    for _ in range(data.draw(st.integers(1, 4))):
        start = data.draw(st.integers(0, len(content) - 1))
        length = data.draw(st.integers(0, 8))
        content[start : start + length] = data.draw(WORDS | st.binary(min_size=1, max_size=3))
    lines = bytes(content).split(b"\n")
    del lines[data.draw(st.integers(0, len(lines) - 1))]
    name = NAMES.get(kind, "fuzz.json")
    attempt(name, bytes(content))
    attempt(name, b"\n".join(lines))
    attempt(name, bytes(content[: data.draw(st.integers(0, len(content)))]))


@pytest.mark.parametrize("kind", sorted(NAMES))
def test_wrongly_packed_files(kind: str) -> None:
    packed = gzip.compress(whole_file(kind))
    for suffix, content in [(".gz", whole_file(kind)), (".bz2", packed), (".gz", packed[:-20])]:
        attempt(NAMES[kind] + suffix, content)
