"""Inputs from images and from Python functions."""

import sys

import numpy as np
import pytest
from PIL import Image
from test_inputs import PAIR, X, refused, spec

from xorexport.inputs import python as from_python
from xorexport.inputs.reading import read_inputs


def image_spec(height=2, width=3, channels=3, dtype="float32"):
    return (spec("image", dtype, (None, height, width, channels)),)


# Images.

PIXELS = np.random.default_rng(5).integers(0, 256, (2, 3, 3), dtype=np.uint8)


def picture(path, pixels=PIXELS, mode="RGB", **options):
    Image.fromarray(pixels).convert(mode).save(path, **options)
    return path


@pytest.mark.parametrize("suffix", [".png", ".bmp", ".PNG"])
@pytest.mark.parametrize("dtype", ["float32", "uint8", "int32"])
@pytest.mark.parametrize("size", [(2, 3), (None, None)])
def test_pixels_are_as_they_are_decoded(tmp_path, suffix, dtype, size):
    inputs = read_inputs(picture(tmp_path / f"photo{suffix}"), image_spec(*size, dtype=dtype))
    assert inputs.arrays["image"].dtype == dtype
    assert inputs.arrays["image"].tolist() == [PIXELS.tolist()]
    assert inputs.names == (f"photo{suffix}",)
    (note,) = inputs.notes
    assert "0 to 255" in note


@pytest.mark.parametrize(("suffix", "options"), [(".jpg", {"quality": 95}), (".jpeg", {}), (".webp", {"quality": 90})])
def test_lossy_formats_are_decoded(tmp_path, suffix, options):
    smooth = np.linspace((10, 100, 200), (60, 150, 250), 64).astype(np.uint8).reshape(8, 8, 3)
    inputs = read_inputs(picture(tmp_path / f"photo{suffix}", smooth, **options), image_spec(8, 8))
    assert np.abs(inputs.arrays["image"][0] - smooth).mean() < 8


@pytest.mark.parametrize(("channels", "mode"), [(1, "L"), (3, "RGB"), (4, "RGBA")])
def test_colours_are_those_that_the_model_takes(tmp_path, channels, mode):
    inputs = read_inputs(picture(tmp_path / "photo.png"), image_spec(channels=channels))
    expected = np.asarray(Image.fromarray(PIXELS).convert(mode)).reshape(1, 2, 3, channels)
    np.testing.assert_array_equal(inputs.arrays["image"], expected)


def test_transparency_that_is_left_out_is_said(tmp_path):
    transparent = np.dstack([PIXELS, np.full((2, 3), 7, np.uint8)])
    path = picture(tmp_path / "photo.png", transparent, "RGBA")
    inputs = read_inputs(path, image_spec())
    assert inputs.arrays["image"].tolist() == [PIXELS.tolist()]
    assert "photo.png: its transparency is left out" in inputs.notes
    kept = read_inputs(path, image_spec(channels=4))
    assert kept.arrays["image"][..., 3].tolist() == [[[7] * 3] * 2]
    assert len(kept.notes) == 1


def test_the_first_frame_of_several_is_read(tmp_path):
    frames = [Image.new("L", (3, 2), value) for value in (40, 200)]
    frames[0].save(tmp_path / "film.gif", save_all=True, append_images=frames[1:])
    inputs = read_inputs(tmp_path / "film.gif", image_spec(channels=1))
    assert np.unique(inputs.arrays["image"]).tolist() == [40]
    assert "film.gif: the first of 2 frames" in inputs.notes


def test_the_orientation_of_the_camera_is_applied(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned clockwise by a quarter
    path = picture(tmp_path / "photo.png", exif=exif)
    turned = read_inputs(path, image_spec(3, 2)).arrays["image"]
    np.testing.assert_array_equal(turned[0], np.rot90(PIXELS, -1))


def test_an_image_of_another_size_is_resized_and_that_is_said(tmp_path):
    rising = np.repeat(np.linspace(0, 255, 8).astype(np.uint8)[None, :, None], 4, axis=0).repeat(3, axis=2)
    path = picture(tmp_path / "photo.png", rising)
    inputs = read_inputs(path, image_spec(2, 4))
    assert inputs.arrays["image"].shape == (1, 2, 4, 3)
    np.testing.assert_allclose(inputs.arrays["image"][0, 0, 1:3, 0], [91, 164], atol=3)
    assert "photo.png: resized from 8x4 to 4x2 (width x height), bilinear" in inputs.notes
    assert read_inputs(path, image_spec(None, 4)).arrays["image"].shape == (1, 4, 4, 3)


def test_a_folder_is_a_row_for_every_image_sorted_by_name(tmp_path):
    folder = tmp_path / "photos"
    folder.mkdir()
    picture(folder / "b.png", PIXELS)
    picture(folder / "a.bmp", 255 - PIXELS)
    (folder / ".hidden").touch()
    inputs = read_inputs(folder, image_spec(None, None))
    assert inputs.arrays["image"].tolist() == [(255 - PIXELS).tolist(), PIXELS.tolist()]
    assert inputs.names == ("a.bmp", "b.png")
    (folder / "labels.txt").touch()
    assert "left out, since they are no images: labels.txt" in read_inputs(folder, image_spec()).notes
    picture(folder / "c.png", PIXELS[:, :2])
    refused(folder, image_spec(None, None), "a.bmp of 3x2 and c.png of 2x2")
    assert read_inputs(folder, image_spec()).rows == 3


def test_notes_on_many_images_are_few(tmp_path):
    for width in range(4, 12):
        picture(tmp_path / f"{width:02}a.png", np.zeros((2, width, 3), np.uint8))
        picture(tmp_path / f"{width:02}b.png", np.zeros((2, width, 3), np.uint8))
    notes = read_inputs(tmp_path, image_spec()).notes
    assert notes[0] == "04a.png, 04b.png: resized from 4x2 to 3x2 (width x height), bilinear"
    assert notes[5] == "and 3 more of this kind"
    assert len(notes) == 7


@pytest.mark.parametrize("entries", [(), ("cats", "dogs")])
def test_a_folder_without_images_is_refused(tmp_path, entries):
    for name in entries:
        (tmp_path / name).mkdir()
    refused(tmp_path, image_spec(), "a folder of images (.png", ", ".join(entries) or "an empty one")


@pytest.mark.parametrize(
    ("specs", "part"),
    [
        ((spec(),), "x float32[batch, 2]"),
        ((*image_spec(), spec()), "image float32[batch, 2, 3, 3], x float32[batch, 2]"),
        (image_spec(3, 2, 5), "1, 3 or 4 channels"),
        (image_spec(3, 20, 30), "with its channels first"),
    ],
)
def test_a_model_without_one_image_input_is_refused(tmp_path, specs, part):
    refused(picture(tmp_path / "photo.png"), specs, "photo.png", part, ".npz")


def test_pixels_that_the_input_cannot_hold_are_refused(tmp_path):
    refused(picture(tmp_path / "photo.png", PIXELS | 128), image_spec(dtype="int8"), "int8", "without loss")


def test_more_than_8_bits_a_channel_are_refused(tmp_path):
    Image.fromarray(np.full((2, 3), 700, np.uint16)).save(tmp_path / "photo.png")
    refused(tmp_path / "photo.png", image_spec(channels=1), "8 bits a channel", "I;16")


@pytest.mark.parametrize("content", [b"", b"no image", None])
def test_what_is_no_image_is_refused(tmp_path, content):
    path = picture(tmp_path / "photo.png", np.tile(PIXELS, (40, 40, 1)))
    path.write_bytes(path.read_bytes()[:200] if content is None else content)
    refused(path, image_spec(), path, "an image that Pillow can decode")


# Python functions.

FUNCTIONS = """
import numpy as np
ROWS = [[0, 1], [2, 3], [4, 5]]

def rows():
    yield from np.float64(ROWS)

def batches():
    yield np.float32(ROWS[:2])
    yield {"x": np.float32(ROWS[2:])}

def returned():
    return {"x": np.int64(ROWS)}

class Source:
    def rows():
        return np.float32(ROWS)

def pairs():
    yield np.ones((2, 2)), np.array([3, 4])
    yield {"a-nt": np.int32(5), "zebra": np.zeros(2)}

def ragged():
    yield np.arange(3)
    yield np.arange(4)

def fails():
    yield np.ones(2)
    raise RuntimeError("the disk\\nis gone")

def leaves():
    raise SystemExit(3)

def nothing():
    return iter(())

def number():
    return 7

def endless():
    while True:
        yield np.ones(2)
"""


@pytest.fixture
def functions(tmp_path, monkeypatch):
    """A module of functions in the current folder, of which no other test knows."""
    (tmp_path / "given_inputs.py").write_text(FUNCTIONS)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "given_inputs", raising=False)


@pytest.mark.parametrize("name", ["rows", "batches", "returned", "Source.rows", "ROWS"])
def test_a_function_yields_rows_or_batches(functions, name):
    arrays = read_inputs(f"given_inputs:{name}", X).arrays
    assert arrays["x"].dtype == "float32"
    assert arrays["x"].tolist() == [[0, 1], [2, 3], [4, 5]]


def test_a_function_yields_tuples_in_the_models_order_and_dicts(functions):
    arrays = read_inputs("given_inputs:pairs", PAIR).arrays
    assert arrays["zebra"].tolist() == [[1, 1], [1, 1], [0, 0]]
    assert arrays["ant"].tolist() == [3, 4, 5]
    assert arrays["ant"].dtype == "int32"


@pytest.mark.parametrize(
    ("name", "specs", "parts"),
    [
        ("absent", X, ("can be imported from here", "absent")),
        ("fails", X, ("RuntimeError: the disk is gone",)),
        ("leaves", X, ("SystemExit",)),
        ("nothing", X, ("at least one row",)),
        ("number", X, ("yields arrays", "found int")),
        ("pairs", X, ("value 0", "found 2 arrays", "no targets")),
        ("rows", PAIR, ("value 0", "a tuple for zebra", "ndarray")),
        ("ragged", (spec("ids", "int64", (None, None)),), ("rows of one shape", "[3] and [4]")),
        ("ragged", X, ("value 0", "the shape [3]")),
    ],
)
def test_a_function_that_does_not_yield_inputs_is_refused(functions, name, specs, parts):
    refused(f"given_inputs:{name}", specs, f"inputs 'given_inputs:{name}", *parts)


def test_a_generator_that_never_ends_is_refused(functions, monkeypatch):
    monkeypatch.setattr(from_python, "MOST_PARTS", 10)
    refused("given_inputs:endless", X, "ends within 10 values", "itertools.islice")


def test_a_module_that_is_not_there_is_refused(functions):
    refused("absent_module:rows", X, "No module named 'absent_module'")
