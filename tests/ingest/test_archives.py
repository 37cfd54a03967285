"""Zipped folders: what is in them comes out, and nothing comes out anywhere else."""

from __future__ import annotations

import io
import os
import stat
import tarfile
import tempfile
import zipfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from iceframe.core.errors import InputError
from iceframe.ingest.archives import Room, is_archive, unpacked

QUICK = settings(max_examples=30, deadline=None, derandomize=True)
LONG = settings(max_examples=1000, deadline=None, suppress_health_check=[HealthCheck.too_slow])
ENDINGS = [".zip", ".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tar.xz"]


def pack(path: Path, members: dict[str, bytes]) -> Path:
    """An archive of any ending, with exactly these names."""
    if path.suffix == ".zip":
        with zipfile.ZipFile(path, "w") as archive:
            for name, content in members.items():
                archive.writestr(zipfile.ZipInfo(name), content, zipfile.ZIP_DEFLATED)
    else:
        kind = {".tgz": "gz", ".tar": ""}.get(path.suffix, path.suffix[1:])
        with tarfile.open(path, f"w:{kind}") as tar:
            for name, content in members.items():
                info = tarfile.TarInfo(name)
                info.size = len(content)
                tar.addfile(info, io.BytesIO(content))
    return path


def refusal(path: Path, cache: Path, room: Room | None = None) -> str:
    """The message; nothing may be left behind, or stand anywhere else than in the cache."""
    cache.mkdir(exist_ok=True)
    around = {p for p in cache.parent.rglob("*") if cache not in p.parents}
    with pytest.raises(InputError) as caught:
        unpacked(path, cache, room)
    assert path.name in str(caught.value)
    assert not any(cache.iterdir())
    assert {p for p in cache.parent.rglob("*") if cache not in p.parents} == around
    return str(caught.value)


def contents(folder: Path) -> dict[str, bytes]:
    files = (path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}


@pytest.mark.parametrize("ending", ENDINGS)
def test_members_come_out_as_they_went_in(ending: str, tmp_path: Path) -> None:
    members = {"labels.csv": b"file,y\n", "a/1.cif": b"data_1", "a/b/2.cif": b"", "ü.cif": b"x"}
    path = pack(tmp_path / f"crystals{ending}", members)
    assert is_archive(path)
    found = unpacked(path, tmp_path / "cache")
    assert contents(found.folder) == members
    assert found.notes == ()


def test_the_same_archive_is_unpacked_once(tmp_path: Path) -> None:
    path = pack(tmp_path / "a.zip", {"x.cif": b"1"})
    first = unpacked(path, tmp_path / "cache").folder
    (first / "x.cif").write_bytes(b"marked")
    copy = tmp_path / "copy.zip"
    copy.write_bytes(path.read_bytes())
    assert unpacked(copy, tmp_path / "cache").folder == first
    assert (first / "x.cif").read_bytes() == b"marked"
    other = unpacked(pack(tmp_path / "a.zip", {"x.cif": b"2"}), tmp_path / "cache").folder
    assert other != first
    assert not [p for p in (tmp_path / "cache").iterdir() if p.name.startswith(".")]


def test_one_folder_around_everything_is_stepped_into(tmp_path: Path) -> None:
    path = pack(
        tmp_path / "a.zip",
        {"set/": b"", "set/data/1.cif": b"1", "set/data/2.cif": b"2", "__MACOSX/set/._1.cif": b"",
         "set/.DS_Store": b"", "set/data/Thumbs.db": b""},
    )  # fmt: skip
    found = unpacked(path, tmp_path / "cache")
    assert contents(found.folder) == {"1.cif": b"1", "2.cif": b"2"}


def test_archives_inside_are_left_with_a_note(tmp_path: Path) -> None:
    path = pack(tmp_path / "a.zip", {"x.cif": b"1", "more.zip": b"PK", "t.csv.gz": b"2"})
    found = unpacked(path, tmp_path / "cache")
    assert (found.folder / "more.zip").read_bytes() == b"PK"
    (note,) = found.notes
    assert note == "1 archives inside the archive were left as they are: more.zip."
    assert unpacked(path, tmp_path / "cache").notes == found.notes


def test_names_of_windows_archives(tmp_path: Path) -> None:
    path = pack(tmp_path / "a.zip", {"set\\a\\1.cif": b"1", "set\\2.cif": b"2"})
    assert contents(unpacked(path, tmp_path / "cache").folder) == {"a/1.cif": b"1", "2.cif": b"2"}


@pytest.mark.parametrize("ending", [".zip", ".tar.gz"])
@pytest.mark.parametrize(
    "name",
    [
        *("../evil.cif", "a/../../evil.cif", "/evil.cif", "C:/evil.cif", "c:evil.cif", ".."),
        *("..\\evil.cif", "\\\\server\\share\\evil.cif", "a/..", "//evil.cif"),
    ],
)
def test_nothing_is_written_outside(name: str, ending: str, tmp_path: Path) -> None:
    path = pack(tmp_path / f"trap{ending}", {"good.cif": b"1", name: b"2"})
    assert "outside its folder" in refusal(path, tmp_path / "cache")


@pytest.mark.parametrize("ending", [".zip", ".tar"])
@pytest.mark.parametrize("name", ["a\n.cif", "a\x1b[2J.cif", "x" * 300 + ".cif", "x/" * 600])
def test_names_that_are_not_usable(name: str, ending: str, tmp_path: Path) -> None:
    path = pack(tmp_path / f"trap{ending}", {name: b"2"})
    assert "name that is not usable" in refusal(path, tmp_path / "cache")


@pytest.mark.parametrize(
    "names",
    [
        ("a.cif", "A.CIF"),
        ("a.cif", "./a.cif"),
        ("a", "a/b.cif"),
        ("a/b.cif", "A"),
        ("é", "e\u0301"),
    ],
)
def test_two_members_of_one_name(names: tuple[str, str], tmp_path: Path) -> None:
    path = pack(tmp_path / "a.zip", dict.fromkeys(names, b"1"))
    assert "same name" in refusal(path, tmp_path / "cache")


@pytest.mark.parametrize("target", ["/etc/hostname", "../outside", "good.cif"])
@pytest.mark.parametrize("ending", [".zip", ".tar"])
def test_links_are_refused(ending: str, target: str, tmp_path: Path) -> None:
    path = tmp_path / f"trap{ending}"
    if ending == ".zip":
        with zipfile.ZipFile(path, "w") as archive:
            info = zipfile.ZipInfo("link.cif")
            info.external_attr = (stat.S_IFLNK | 0o777) << 16
            archive.writestr(info, target)
    else:
        for kind in (tarfile.SYMTYPE, tarfile.LNKTYPE):
            with tarfile.open(path, "w") as tar:
                member = tarfile.TarInfo("link.cif")
                member.type, member.linkname = kind, target
                tar.addfile(member)
            assert "holds a link" in refusal(path, tmp_path / "cache")
    assert "holds a link" in refusal(path, tmp_path / "cache")


@pytest.mark.parametrize("kind", [tarfile.FIFOTYPE, tarfile.CHRTYPE, tarfile.BLKTYPE])
def test_devices_are_refused(kind: bytes, tmp_path: Path) -> None:
    path = tmp_path / "trap.tar"
    with tarfile.open(path, "w") as tar:
        member = tarfile.TarInfo("device")
        member.type = kind
        tar.addfile(member)
    assert "holds a device" in refusal(path, tmp_path / "cache")


def test_encrypted_members_are_refused(tmp_path: Path) -> None:
    path = pack(tmp_path / "a.zip", {"x.cif": b"secret"})
    content = bytearray(path.read_bytes())
    for header, flags in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        content[content.index(header) + flags] |= 1
    path.write_bytes(bytes(content))
    assert "encrypted" in refusal(path, tmp_path / "cache")


@pytest.mark.parametrize("ending", [".zip", ".tar.gz", ".tar.xz"])
def test_bombs_are_refused(ending: str, tmp_path: Path) -> None:
    path = pack(tmp_path / f"bomb{ending}", {"x.cif": bytes(3 << 20)})
    cache = tmp_path / "cache"
    assert "200 times its size" in refusal(path, cache, Room(free=1 << 20))
    assert "more than 2 MiB" in refusal(path, cache, Room(total=2 << 20))
    many = pack(tmp_path / f"many{ending}", {f"{i}.cif": b"1" for i in range(30)})
    assert "more than 20 members" in refusal(many, cache, Room(members=20))
    assert len(contents(unpacked(path, cache).folder)["x.cif"]) == 3 << 20


def test_sizes_that_an_archive_states_are_not_believed(tmp_path: Path) -> None:
    path = pack(tmp_path / "liar.zip", {"x.cif": bytes(3 << 20)})
    content = bytearray(path.read_bytes())
    for header, size in ((b"PK\x03\x04", 22), (b"PK\x01\x02", 24)):
        at = content.index(header) + size
        content[at : at + 4] = (10).to_bytes(4, "little")
    path.write_bytes(bytes(content))
    assert "liar.zip" in refusal(path, tmp_path / "cache", Room(total=1 << 20))


def test_headers_of_tar_are_not_read_whole(tmp_path: Path) -> None:
    """An extended header that claims a gigabyte is refused before it is in memory."""
    path = tmp_path / "bomb.tar.gz"
    info = tarfile.TarInfo("./PaxHeaders/x")
    info.type, info.size = tarfile.XHDTYPE, 1 << 30
    import gzip

    with gzip.open(path, "wb") as stream:
        stream.write(info.tobuf() + bytes(1 << 20))
    assert "damaged" in refusal(path, tmp_path / "cache")


@pytest.mark.parametrize("ending", ENDINGS)
def test_files_that_are_no_archives(ending: str, tmp_path: Path) -> None:
    path = tmp_path / f"a{ending}"
    for content in (b"", b"not an archive", bytes(100)):
        path.write_bytes(content)
        refusal(path, tmp_path / "cache")
    path.write_bytes(b"")
    with pytest.raises(InputError, match="cannot be read"):
        unpacked(tmp_path / "absent.zip", tmp_path / "cache")


def test_an_archive_of_nothing(tmp_path: Path) -> None:
    assert "empty" in refusal(pack(tmp_path / "a.zip", {}), tmp_path / "cache")
    only_rubbish = pack(tmp_path / "b.zip", {"__MACOSX/x": b"1"})
    assert "empty" in refusal(only_rubbish, tmp_path / "cache")


def test_a_cache_that_cannot_be_written(tmp_path: Path) -> None:
    path = pack(tmp_path / "a.zip", {"x.cif": b"1"})
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(InputError, match="Cannot write"):
        unpacked(path, tmp_path / "file" / "cache")


def whole(ending: str) -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        members = {"labels.csv": b"file,y\n" * 9, "a/1.cif": b"data_1\n" * 20, "b/": b""}
        return pack(Path(folder) / f"a{ending}", members).read_bytes()


def damage(ending: str, content: bytes, data: st.DataObject) -> None:
    changed = bytearray(content)
    for _ in range(data.draw(st.integers(1, 5))):
        changed[data.draw(st.integers(0, len(changed) - 1))] = data.draw(st.integers(0, 255))
    cut = bytes(changed[: data.draw(st.integers(0, len(changed)))])
    for damaged in (bytes(changed), cut):
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / f"fuzz{ending}"
            path.write_bytes(damaged)
            message = "fuzz"
            try:
                unpacked(path, Path(folder) / "cache")
            except InputError as error:
                message = str(error)
            assert "fuzz" in message
            assert {p.name for p in Path(folder).iterdir()} <= {path.name, "cache"}


@pytest.mark.parametrize("ending", [".zip", ".tar", ".tar.gz"])
@QUICK
@given(data=st.data())
def test_damaged_archives_give_nothing_but_an_input_error(ending: str, data: st.DataObject) -> None:
    damage(ending, whole(ending), data)


@pytest.mark.slow
@pytest.mark.parametrize("ending", ENDINGS)
@LONG
@given(data=st.data())
def test_many_damaged_archives(ending: str, data: st.DataObject) -> None:
    damage(ending, whole(ending), data)


def test_permissions_are_those_of_any_new_file(tmp_path: Path) -> None:
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w") as archive:
        info = zipfile.ZipInfo("run.sh")
        info.external_attr = (stat.S_IFREG | 0o4777) << 16
        archive.writestr(info, "echo")
    assert not os.stat(unpacked(path, tmp_path / "cache").folder / "run.sh").st_mode & 0o7111
