"""Image files: every mode gives the grey levels it should, and damage is named."""

from __future__ import annotations

import pickle
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image

from iceframe.core.dataset import ImageSource
from iceframe.core.errors import InputError, UsageError
from iceframe.ingest import read
from iceframe.ingest.images import FolderImages
from iceframe.ingest.opening import ImageOptions, open_images

RAMP = np.arange(48, dtype=np.uint8).reshape(6, 8) * 5


def opened(folder: Path, *names: str, **options: object) -> tuple[FolderImages, tuple[str, ...]]:
    files = names or tuple(sorted(p.name for p in folder.iterdir()))
    found = open_images(folder, files, [None] * len(files), ImageOptions(**options))  # type: ignore[arg-type]
    return found.images, found.notes


def one(folder: Path, **options: object) -> np.ndarray:
    return opened(folder, **options)[0].read([0])[0, 0]


def colours() -> np.ndarray:
    return np.stack([RAMP, RAMP[::-1], 255 - RAMP], axis=-1)


def expected_luma() -> np.ndarray:
    return np.rint(colours() @ [0.299, 0.587, 0.114]) / 255


# -- grey levels -----------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["a.png", "a.bmp", "a.tif"])
def test_eight_bit_grey(tmp_path: Path, name: str) -> None:
    Image.fromarray(RAMP).save(tmp_path / name)
    np.testing.assert_allclose(one(tmp_path), RAMP / 255, rtol=1e-6)


def test_jpeg_is_near(tmp_path: Path) -> None:
    flat = np.full((16, 16), 100, np.uint8)
    Image.fromarray(flat).save(tmp_path / "a.jpg", quality=95)
    np.testing.assert_allclose(one(tmp_path), 100 / 255, atol=2 / 255)


@pytest.mark.parametrize("name", ["a.png", "a.tif"])
def test_sixteen_bit_grey(tmp_path: Path, name: str) -> None:
    deep = RAMP.astype(np.uint16) * 200
    if name.endswith("png"):
        Image.fromarray(deep).save(tmp_path / name)
    else:
        tifffile.imwrite(tmp_path / name, deep)
    images, notes = opened(tmp_path)
    np.testing.assert_allclose(images.read([0])[0, 0], deep / 65535, rtol=1e-6)
    assert any("65535" in note for note in notes)


def test_twelve_bits_in_sixteen_are_told(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", RAMP.astype(np.uint16) * 16)
    assert any("above 3760" in note for note in opened(tmp_path)[1])
    np.save(tmp_path / "b.npy", RAMP.astype(np.uint16) * 256)
    assert not any("above" in note for note in opened(tmp_path)[1])


@pytest.mark.parametrize("kind", ["png", "tif"])
def test_colour_becomes_luma(tmp_path: Path, kind: str) -> None:
    Image.fromarray(colours()).save(tmp_path / f"a.{kind}")
    images, notes = opened(tmp_path)
    np.testing.assert_allclose(images.read([0])[0, 0], expected_luma(), atol=1e-6)
    assert any("BT.601" in note for note in notes)


@pytest.mark.parametrize("kind", ["png", "tif"])
def test_alpha_is_ignored_and_told(tmp_path: Path, kind: str) -> None:
    Image.fromarray(np.dstack([colours(), RAMP])).save(tmp_path / f"a.{kind}")
    images, notes = opened(tmp_path)
    np.testing.assert_allclose(images.read([0])[0, 0], expected_luma(), atol=1e-6)
    assert any("alpha" in note for note in notes)


def test_grey_with_alpha(tmp_path: Path) -> None:
    Image.fromarray(np.dstack([RAMP, 255 - RAMP]), mode=None).save(tmp_path / "a.png")
    np.testing.assert_allclose(one(tmp_path), RAMP / 255, rtol=1e-6)


@pytest.mark.parametrize("kind", ["png", "tif"])
def test_palette_is_looked_up(tmp_path: Path, kind: str) -> None:
    indices = (np.arange(48).reshape(6, 8) % 3).astype(np.uint8)
    image = Image.fromarray(indices, mode=None)
    image.putpalette([255, 0, 0, 0, 255, 0, 255, 255, 255] + [0] * 759)
    image.save(tmp_path / f"a.{kind}")
    expected = np.rint(np.array([76.245, 149.685, 255]))[indices] / 255
    np.testing.assert_allclose(one(tmp_path), expected, atol=1e-6)


@pytest.mark.parametrize("kind", ["jpg", "tif"])
def test_cmyk_black_and_white(tmp_path: Path, kind: str) -> None:
    image = Image.new("RGB", (16, 16), "white")
    image.paste((0, 0, 0), (0, 0, 8, 16))
    image.convert("CMYK").save(tmp_path / f"a.{kind}")
    grey = one(tmp_path)
    assert grey[:, :6].max() < 0.05
    assert grey[:, 10:].min() > 0.95


def test_one_bit(tmp_path: Path) -> None:
    Image.fromarray(RAMP > 100).save(tmp_path / "a.png")
    np.testing.assert_array_equal(one(tmp_path), (RAMP > 100).astype(np.float32))


def test_white_is_zero(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "a.tif", RAMP, photometric="miniswhite")
    np.testing.assert_allclose(one(tmp_path), (255 - RAMP) / 255, rtol=1e-6)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation(tmp_path: Path, orientation: int) -> None:
    """Pillow's own transposition is the reference."""
    from PIL import ImageOps

    exif = Image.Exif()
    exif[0x0112] = orientation
    Image.fromarray(RAMP).save(tmp_path / "a.png", exif=exif)
    with Image.open(tmp_path / "a.png") as image:
        upright = np.asarray(ImageOps.exif_transpose(image))
    images, _ = opened(tmp_path)
    assert images.shape == (1, *upright.shape)
    np.testing.assert_allclose(images.read([0])[0, 0], upright / 255, rtol=1e-6)
    tag = (274, "H", 1, orientation, True)
    tifffile.imwrite(tmp_path / "b.tif", RAMP, extratags=[tag])
    stored = opened(tmp_path, "b.tif")[0]
    np.testing.assert_allclose(stored.read([0])[0, 0], upright / 255, rtol=1e-6)


def test_floats_within_the_unit_range_are_kept(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "a.tif", (RAMP / 300).astype(np.float32))
    images, notes = opened(tmp_path)
    np.testing.assert_allclose(images.read([0])[0, 0], RAMP / 300, rtol=1e-6)
    assert any("were kept" in note for note in notes)


@pytest.mark.parametrize("dtype", ["float32", "float64", "int32", "uint32", "int16"])
def test_other_types_are_scaled_by_the_extremes_of_the_set(tmp_path: Path, dtype: str) -> None:
    for i, factor in enumerate((1, 3)):
        np.save(tmp_path / f"{i}.npy", (RAMP.astype(dtype) * factor + 10))
    images, notes = opened(tmp_path)
    values = images.read([0, 1])[:, 0]
    low, high = 10, 3 * int(RAMP.max()) + 10
    np.testing.assert_allclose(values[0], (RAMP + 10.0 - low) / (high - low), atol=1e-6)
    assert any("[10, 715]" in note for note in notes)
    assert images.decoding.levels == (low, high)
    alike, _ = opened(tmp_path, "0.npy", levels=(0.0, 1000.0))
    np.testing.assert_allclose(alike.read([0])[0, 0], (RAMP + 10) / 1000, atol=1e-6)


def test_phases_become_equal_steps(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.array([[0, 85], [170, 0]], np.uint8))
    np.save(tmp_path / "b.npy", np.array([[0, 0], [170, 0]], np.uint8))
    images, notes = opened(tmp_path, kind="phase")
    assert images.read([0])[0, 0].tolist() == [[0, 0.5], [1, 0]]
    assert images.read([1])[0, 0].tolist() == [[0, 0], [1, 0]]
    assert any("0, 85, 170" in note for note in notes)
    np.save(tmp_path / "c.npy", np.full((2, 2), 7, np.uint8))
    with pytest.raises(InputError, match="phases that the set does not have"):
        opened(tmp_path, "c.npy", kind="phase", levels=(0.0, 85.0, 170.0))[0].read([0])


def test_too_many_values_are_no_phases(tmp_path: Path) -> None:
    Image.fromarray(RAMP).save(tmp_path / "a.png")
    with pytest.raises(InputError, match="too many distinct values"):
        opened(tmp_path, kind="phase")


def test_mixed_bit_depths_are_told(tmp_path: Path) -> None:
    Image.fromarray(RAMP).save(tmp_path / "a.png")
    Image.fromarray(RAMP.astype(np.uint16) * 257).save(tmp_path / "b.png")
    images, notes = opened(tmp_path)
    values = images.read([0, 1])
    np.testing.assert_allclose(values[0], values[1], atol=1e-6)
    assert any("Bit depths are mixed" in note for note in notes)


def test_not_a_number_in_an_image(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.array([[0.1, np.nan]]))
    with pytest.raises(InputError, match="NaN or infinite"):
        opened(tmp_path)


# -- pages -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("how", ["tifffile", "pillow", "imagej", "npy"])
def test_pages_as_volume_or_frames(tmp_path: Path, how: str, rng: np.random.Generator) -> None:
    stack = rng.integers(0, 255, (5, 6, 8), dtype=np.uint8)
    path = tmp_path / ("a.npy" if how == "npy" else "a.tif")
    if how == "npy":
        np.save(path, stack)
    elif how == "pillow":
        pages = [Image.fromarray(page) for page in stack]
        pages[0].save(path, save_all=True, append_images=pages[1:])
    else:
        tifffile.imwrite(path, stack, imagej=how == "imagej", metadata={"axes": "ZYX"})
    volume, notes = opened(tmp_path)
    assert volume.shape == (1, 5, 6, 8)
    np.testing.assert_allclose(volume.read([0])[0, 0], stack / 255, rtol=1e-6)
    assert any("volumes" in note for note in notes)
    frames, _ = opened(tmp_path, pages="frames")
    assert frames.names[3] == f"{path.name}#3"
    np.testing.assert_allclose(frames.read([3, 1])[:, 0], stack[[3, 1]] / 255, rtol=1e-6)
    frames.store.pixels.clear()
    np.testing.assert_allclose(frames.read([4])[0, 0], stack[4] / 255, rtol=1e-6)


def test_colour_pages(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "a.tif", np.stack([colours()] * 3), photometric="rgb")
    volume, _ = opened(tmp_path)
    assert volume.shape == (1, 3, 6, 8)
    np.testing.assert_allclose(volume.read([0])[0, 0, 2], expected_luma(), atol=1e-6)


def test_images_and_volumes_do_not_mix(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "a.tif", RAMP)
    tifffile.imwrite(tmp_path / "b.tif", np.stack([RAMP, RAMP]))
    with pytest.raises(InputError, match="mixed"):
        opened(tmp_path)


def test_channels_are_refused(tmp_path: Path) -> None:
    channels = np.zeros((2, 6, 8), np.uint8)
    tifffile.imwrite(tmp_path / "a.tif", channels, imagej=True, metadata={"axes": "CYX"})
    with pytest.raises(InputError, match="several channels"):
        opened(tmp_path)


# -- sizes -----------------------------------------------------------------------------------------


@pytest.fixture
def mixed(tmp_path: Path) -> Path:
    for i, shape in enumerate([(6, 8), (6, 8), (10, 8), (8, 12)]):
        values = np.add.outer(np.arange(shape[0]), np.arange(shape[1])) * 10
        Image.fromarray(values.astype(np.uint8)).save(tmp_path / f"{i}.png")
    return tmp_path


def test_mixed_sizes_are_listed_with_what_can_be_done(mixed: Path) -> None:
    with pytest.raises(InputError, match="differ in size") as error:
        opened(mixed)
    for word in ("2 × 6×8", "1 × 10×8", "--fit", "--size", "crop", "pad", "resize"):
        assert word in str(error.value)


@pytest.mark.parametrize(
    ("options", "shape", "changed", "done"),
    [
        ({"fit": "crop"}, (6, 8), 2, "cropped"),
        ({"fit": "pad"}, (10, 12), 4, "padded"),
        ({"fit": "resize"}, (6, 8), 2, "resized"),
        ({"size": (4, 4)}, (4, 4), 4, "cropped"),
        ({"size": (20, 20), "fit": "resize"}, (20, 20), 4, "resized"),
    ],
)
def test_sizes_are_made_equal_and_it_is_told(
    mixed: Path, options: dict[str, object], shape: tuple[int, int], changed: int, done: str
) -> None:
    images, notes = opened(mixed, **options)
    assert images.shape == (1, *shape)
    assert images.read(range(4)).shape == (4, 1, *shape)
    assert any(f"{changed} of 4" in note and done in note for note in notes)


def test_a_crop_is_the_centre_and_padding_mirrors(mixed: Path) -> None:
    cropped = opened(mixed, "2.png", size=(2, 2))[0].read([0])[0, 0]
    np.testing.assert_allclose(cropped * 255, [[70, 80], [80, 90]], atol=1e-4)
    padded = opened(mixed, "0.png", size=(8, 8), fit="pad")[0].read([0])[0, 0]
    np.testing.assert_allclose(padded[0], padded[1])


def test_resizing_keeps_a_linear_ramp_and_phases(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.tile(np.linspace(0, 1, 40), (40, 1)))
    small = opened(tmp_path, size=(20, 20), fit="resize")[0].read([0])[0, 0]
    means = np.tile(np.linspace(0, 1, 40).reshape(20, 2).mean(1), (20, 1))
    np.testing.assert_allclose(small[:, 3:-3], means[:, 3:-3], atol=1e-6)
    np.save(tmp_path / "a.npy", np.repeat(np.repeat([[0, 2], [5, 0]], 9, 0), 9, 1).astype(np.uint8))
    phases = opened(tmp_path, size=(4, 4), fit="resize", kind="phase")[0].read([0])[0, 0]
    np.testing.assert_allclose(phases, np.repeat(np.repeat([[0, 0.5], [1, 0]], 2, 0), 2, 1))


@pytest.mark.parametrize(("size", "fit"), [((9, 9), None), ((9, 9), "crop"), ((7, 7), "pad")])
def test_impossible_fits_are_refused(mixed: Path, size: tuple[int, int], fit: str | None) -> None:
    with pytest.raises(InputError, match=r"too (small|large)"):
        opened(mixed, size=size, fit=fit)


def test_unknown_options(mixed: Path) -> None:
    with pytest.raises(UsageError, match="crop, pad, resize"):
        opened(mixed, fit="squeeze")
    with pytest.raises(UsageError, match="volume, frames"):
        opened(mixed, pages="all")


# -- damage ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["a.png", "a.jpg", "a.tif", "a.npy", "a.bmp"])
@pytest.mark.parametrize("damage", ["empty", "truncated", "noise"])
def test_damaged_files_are_named(
    tmp_path: Path, name: str, damage: str, rng: np.random.Generator
) -> None:
    path = tmp_path / name
    values = rng.integers(0, 255, (64, 64), dtype=np.uint8)
    if name.endswith("npy"):
        np.save(path, values)
    elif name.endswith("tif"):
        tifffile.imwrite(path, values, compression="zlib")
    else:
        Image.fromarray(values).save(path)
    whole = path.read_bytes()
    path.write_bytes(
        {"empty": b"", "truncated": whole[: len(whole) // 2], "noise": rng.bytes(500)}[damage]
    )
    with pytest.raises(InputError, match=r"a\.") as error:
        opened(tmp_path)
    assert "0 bytes" in str(error.value) if damage == "empty" else "corrupt" in str(error.value)


def test_a_missing_page_tail_is_found(tmp_path: Path) -> None:
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, np.zeros((9, 64, 64), np.uint8))
    path.write_bytes(path.read_bytes()[:-5000])
    with pytest.raises(InputError, match="corrupt or truncated"):
        opened(tmp_path)


def test_several_damaged_files_are_told_at_once(tmp_path: Path) -> None:
    for i in range(12):
        (tmp_path / f"{i}.png").write_bytes(b"" if i % 2 else b"no image")
    with pytest.raises(InputError, match="12 images cannot be used") as error:
        opened(tmp_path)
    assert "and 7 more" in str(error.value)


def bomb(side: int) -> bytes:
    def chunk(kind: bytes, data: bytes) -> bytes:
        body = kind + data
        return struct.pack(">I", len(data)) + body + struct.pack(">I", zlib.crc32(body))

    header = struct.pack(">IIBBBBB", side, side, 8, 0, 0, 0, 0)
    chunks = [(b"IHDR", header), (b"IDAT", zlib.compress(b"")), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunk(kind, data) for kind, data in chunks)


def test_a_decompression_bomb_is_refused_before_it_unpacks(tmp_path: Path) -> None:
    (tmp_path / "bomb.png").write_bytes(bomb(60_000))
    with pytest.raises(InputError, match="too large") as error:
        opened(tmp_path)
    assert "--max-pixels 3600000000" in str(error.value)
    assert "bomb.png" in str(error.value)


def test_the_pixel_limit_may_be_raised(tmp_path: Path) -> None:
    Image.fromarray(np.zeros((300, 300), np.uint8)).save(tmp_path / "a.png")
    with pytest.raises(InputError, match="too large"):
        opened(tmp_path, max_pixels=80_000)
    assert opened(tmp_path, max_pixels=90_000)[0].shape == (1, 300, 300)


def test_pillows_own_limit_is_untouched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)
    Image.fromarray(np.zeros((30, 30), np.uint8)).save(tmp_path / "a.png")
    assert opened(tmp_path)[0].shape == (1, 30, 30)
    assert Image.MAX_IMAGE_PIXELS == 100


class Bomb:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        return (Path.touch, (Path("exploded"),))  # type: ignore[return-value]


def test_arrays_of_objects_are_never_loaded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    np.save(tmp_path / "a.npy", np.array([[Bomb()]], object), allow_pickle=True)
    with pytest.raises(InputError, match="could run code"):
        opened(tmp_path)
    (tmp_path / "a.npy").write_bytes(pickle.dumps(Bomb()))
    with pytest.raises(InputError, match=r"a\.npy"):
        opened(tmp_path)
    assert not Path("exploded").exists()


@pytest.mark.parametrize("shape", [(4,), (2, 2, 2, 2), (0, 5)])
def test_arrays_that_are_no_images(tmp_path: Path, shape: tuple[int, ...]) -> None:
    np.save(tmp_path / "a.npy", np.zeros(shape))
    with pytest.raises(InputError, match="not an image"):
        opened(tmp_path)


# -- the source ------------------------------------------------------------------------------------


@pytest.fixture
def dozen(tmp_path: Path, rng: np.random.Generator) -> Path:
    for i in range(12):
        values = rng.integers(0, 255, (6, 8), dtype=np.uint8)
        Image.fromarray(values).save(tmp_path / f"{i:02}.png")
    return tmp_path


def test_it_is_an_image_source(dozen: Path) -> None:
    images, _ = opened(dozen)
    assert isinstance(images, ImageSource)
    assert len(images) == 12
    every = images.read(np.arange(12))
    assert every.dtype == np.float32
    part = images.take([7, 2])
    assert part.names == ("07.png", "02.png")
    np.testing.assert_array_equal(part.read([1, 0]), every[[2, 7]])
    np.testing.assert_array_equal(images.take(np.array([5])).take([0]).read([0]), every[[5]])


def test_nothing_depends_on_the_cache(dozen: Path) -> None:
    images, _ = opened(dozen)
    held = images.read(range(12))
    sent = pickle.loads(pickle.dumps(images))
    assert not sent.store.pixels
    np.testing.assert_array_equal(sent.read(range(12)), held)
    assert sent.fingerprint == images.fingerprint


def test_a_file_that_breaks_later_is_named(dozen: Path) -> None:
    images, _ = opened(dozen)
    images.store.pixels.clear()
    (dozen / "03.png").write_bytes(b"gone")
    with pytest.raises(InputError, match=r"03\.png"):
        images.read([3])


def test_the_fingerprint_follows_pixels_order_and_settings(dozen: Path) -> None:
    print_ = opened(dozen)[0].fingerprint
    assert opened(dozen)[0].fingerprint == print_
    assert opened(dozen)[0].take([1, 0]).fingerprint != opened(dozen)[0].take([0, 1]).fingerprint
    assert opened(dozen, size=(4, 4))[0].fingerprint != print_
    Image.fromarray(np.zeros((6, 8), np.uint8)).save(dozen / "00.png")
    assert opened(dozen)[0].fingerprint != print_


def test_metadata_does_not_need_the_pixels(tmp_path: Path) -> None:
    tag = (65000, "d", 1, 20_000.0, True)
    tifffile.imwrite(tmp_path / "a.tif", RAMP, extratags=[tag])
    exif = Image.Exif()
    exif[0x829A] = 0.25  # exposure time
    Image.fromarray(RAMP).save(tmp_path / "b.png", exif=exif)
    table = opened(tmp_path)[0].metadata()
    assert table["width"].tolist() == [8, 8]
    assert table["height"].tolist() == [6, 6]
    assert table["bits"].tolist() == [8, 8]
    assert table["file_bytes"].tolist() == [p.stat().st_size for p in sorted(tmp_path.iterdir())]
    assert table["tag 65000"][0] == 20_000
    assert table["tag exif_exposuretime"][1] == pytest.approx(0.25)


def test_a_folder_of_images_reads_as_a_dataset(dozen: Path) -> None:
    data = read(dozen, require_target=False)
    assert data.target is None
    assert data.ids[0] == "00.png"
    assert data.images is not None
    assert data.take([3]).images.names == ("03.png",)  # type: ignore[union-attr]
