"""Inputs from files, text and Python: the very numbers, in the model's dtypes and shapes, or one clear line."""

import io
import json
import sys
import zipfile

import numpy as np
import pytest
from support import ROOT, python

from xorexport.errors import UsageError
from xorexport.inputs.reading import SUPPORTED, read_inputs
from xorexport.inputs.suffixes import READERS
from xorexport.inputs.values import cast
from xorexport.spec import TensorSpec


def spec(name="x", dtype="float32", shape=(None, 2), keras_name=None):
    return TensorSpec(name=name, dtype=dtype, shape=shape, keras_name=keras_name)


X = (spec(),)
PAIR = (spec("zebra", shape=(None, 2)), spec("ant", "int32", (None,), keras_name="a-nt"))
IMAGE = (spec("image", shape=(None, 2, 3, 1)),)
TOKENS = (spec("ids", "int64", (None, None)),)


def read(path, content, specs=X):
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return read_inputs(path, specs).arrays


def refused(source, specs, *parts):
    with pytest.raises(UsageError) as caught:
        read_inputs(source, specs)
    line = str(caught.value)
    assert "\n" not in line
    assert all(str(part) in line for part in parts), line
    return line


def assert_arrays(arrays, **expected):
    """The arrays are these, in this order, and of the dtypes that the expected ones have."""
    assert list(arrays) == list(expected)
    for name, array in expected.items():
        assert arrays[name].dtype == array.dtype
        np.testing.assert_array_equal(arrays[name], array)


# What a dtype can hold.


@pytest.mark.parametrize(
    ("given", "dtype"),
    [
        (np.array([1e-8, 0.1, np.nan, np.inf]), "float32"),
        (np.array([2**24, -(2**24)]), "float32"),
        (np.array([0.0, -3.0, 127.0]), "int8"),
        (np.array([2.0**62, -(2.0**63)]), "int64"),
        (np.array([0, 255], "uint64"), "uint8"),
        (np.array([2**63 - 1], "int64"), "uint64"),
        (np.array([True, False]), "float32"),
        (np.array([0.0, 1.0]), "bool"),
        (np.array([0, 65504], "int32"), "float16"),
    ],
)
def test_numbers_that_a_dtype_holds_are_cast(given, dtype):
    result = cast(given, dtype, "x")
    assert result.dtype == dtype
    np.testing.assert_array_equal(result, given.astype(dtype))


@pytest.mark.parametrize(
    ("given", "dtype", "worst"),
    [
        (np.array([1.0, 1e300]), "float32", "1e+300"),
        (np.array([3, 2**24 + 1]), "float32", str(2**24 + 1)),
        (np.array([2**63 - 1]), "float32", str(2**63 - 1)),
        (np.array([2**64 - 1], "uint64"), "float64", str(2**64 - 1)),
        (np.array([1, 70000], "int32"), "float16", "70000"),
        (np.array([2.0**63]), "int64", "9.22"),
        (np.array([1.0, 1.5]), "int32", "1.5"),
        (np.array([1.0, np.nan]), "int32", "nan"),
        (np.array([128.0]), "int8", "128"),
        (np.array([-1]), "uint8", "-1"),
        (np.array([2**63], "uint64"), "int64", str(2**63)),
        (np.array([0, 2]), "bool", "2"),
        (np.array([0.5], "float32"), "bool", "0.5"),
        (np.array(["1"]), "float32", "text"),
        (np.array([1j]), "float32", "complex"),
        (np.array([None]), "float32", "missing"),
    ],
)
def test_numbers_that_would_change_are_refused(given, dtype, worst):
    with pytest.raises(UsageError, match=r"numbers|holds without loss") as caught:
        cast(given, dtype, "x")
    assert worst in caught.value.found


# NumPy's files.


def test_arrays_are_found_by_canonical_name_and_by_keras_name(tmp_path):
    zebra, ant = np.arange(6.0).reshape(3, 2) / 7, np.array([5, 6, 7])
    for second in ("ant", "a-nt"):
        np.savez_compressed(tmp_path / "in.npz", **{second: ant, "zebra": zebra})
        arrays = read_inputs(tmp_path / "in.npz", PAIR).arrays
        assert_arrays(arrays, zebra=zebra.astype("float32"), ant=ant.astype("int32"))


def test_one_array_needs_no_name(tmp_path):
    rows = np.float32([[1, 2], [3, 4]])
    np.savez(tmp_path / "in.npz", rows)
    np.save(tmp_path / "in.npy", rows)
    for name in ("in.npz", "in.npy"):
        assert_arrays(read_inputs(str(tmp_path / name), X).arrays, x=rows)


def test_a_row_may_lack_the_batch_axis(tmp_path):
    np.savez(tmp_path / "in.npz", zebra=np.float32([1, 2]), ant=np.int32(3))
    assert_arrays(read_inputs(tmp_path / "in.npz", PAIR).arrays, zebra=np.float32([[1, 2]]), ant=np.int32([3]))
    np.save(tmp_path / "ids.npy", np.arange(5))
    assert_arrays(read_inputs(tmp_path / "ids.npy", TOKENS).arrays, ids=np.arange(5)[None])


@pytest.mark.parametrize(
    ("arrays", "parts"),
    [
        ({"zebra": np.ones((2, 2))}, ("zebra, ant", "found zebra;")),
        ({"zebra": np.ones((2, 2)), "ant": np.ones(2), "bee": np.ones(2)}, ("found zebra, ant, bee;",)),
        ({"zebra": np.ones((2, 2)), "ant": np.ones(2), "a-nt": np.ones(2)}, ("found zebra, ant, a-nt;",)),
        ({"zebra": np.ones((2, 3)), "ant": np.ones(2)}, ("input 'zebra'", "zebra float32[batch, 2]", "[2, 3]")),
        ({"zebra": np.ones((1, 1, 2)), "ant": np.ones(1)}, ("[1, 1, 2]",)),
        ({"zebra": np.ones((2, 2)), "ant": np.ones(3)}, ("2 for 'zebra', 3 for 'ant'",)),
        ({"zebra": np.ones((0, 2)), "ant": np.ones(0)}, ("at least one row",)),
        ({"zebra": np.ones((1, 2)), "ant": np.float32([1.5])}, ("input 'ant'", "1.5", "int32")),
        ({"zebra": np.array([[1, None]]), "ant": np.ones(1)}, ("Python objects",)),
    ],
)
def test_arrays_that_do_not_fit_are_refused(tmp_path, arrays, parts):
    np.savez(tmp_path / "in.npz", **arrays)
    refused(tmp_path / "in.npz", PAIR, tmp_path / "in.npz", *parts)


def test_an_array_without_a_name_is_refused_where_there_are_several_inputs(tmp_path):
    np.save(tmp_path / "in.npy", np.ones((1, 2)))
    refused(tmp_path / "in.npy", PAIR, "zebra, ant", "one array without a name", ".npz")


@pytest.mark.parametrize("content", [b"", b"no array at all", b"\x93NUMPY\x01\x00"])
@pytest.mark.parametrize("name", ["in.npz", "in.npy"])
def test_what_is_no_file_of_numpy_is_refused(tmp_path, name, content):
    (tmp_path / name).write_bytes(content)
    refused(tmp_path / name, X, name)


def test_a_changed_archive_is_refused(tmp_path):
    np.savez(tmp_path / "in.npz", x=np.ones((4, 2), "float32"))
    raw = bytearray((tmp_path / "in.npz").read_bytes())
    raw[raw.index(b"\x00\x00\x80?")] ^= 1
    (tmp_path / "in.npz").write_bytes(raw)
    refused(tmp_path / "in.npz", X, "CRC")
    with zipfile.ZipFile(tmp_path / "in.npz", "w") as archive:
        archive.writestr("x.npy", "text")
    refused(tmp_path / "in.npz", X, "in.npz")


# CSV.


@pytest.mark.parametrize(
    "text",
    [
        "0.5,1\n-2,3e2\n",
        "x_0,x_1\n0.5,1\n-2,3e2",
        "x_1,x_0\n1,0.5\n3e2,-2\n",
        "\ufeffx_0,x_1\r\n0.5,1\r\n\r\n-2,3e2\r\n\r\n",
        '"x_0", x_1\n"0.5", 1 \n\n-2,"3e2"\n',
    ],
)
def test_csv_is_read_with_and_without_a_header(tmp_path, text):
    assert_arrays(read(tmp_path / "in.csv", text), x=np.float32([[0.5, 1], [-2, 300]]))


def test_columns_of_several_inputs_are_in_any_order_with_a_header_and_in_the_models_without(tmp_path):
    expected = {"zebra": np.float32([[1, 2], [4, 5]]), "ant": np.int32([3, 6])}
    for text in ("1,2,3\n4,5,6", "a-nt,zebra_0,zebra_1\n3,1,2\n6,4,5", "zebra_1,ant,zebra_0\n2,3.0,1\n5,6,4"):
        assert_arrays(read(tmp_path / "in.csv", text, PAIR), **expected)


def test_columns_are_row_major_and_a_whole_number_is_kept_exactly(tmp_path):
    assert_arrays(
        read(tmp_path / "in.csv", "1,2,3,4,5,6", IMAGE), image=np.float32([[[[1], [2], [3]], [[4], [5], [6]]]])
    )
    names = ",".join(f"image_{index}" for index in (5, 4, 3, 2, 1, 0))
    assert_arrays(
        read(tmp_path / "in.csv", f"{names}\n1,2,3,4,5,6", IMAGE),
        image=np.float32([[[[6], [5], [4]], [[3], [2], [1]]]]),
    )
    large = 2**53 + 1
    assert read(tmp_path / "in.csv", f"{large}", (spec("n", "int64", (None,)),))["n"].tolist() == [large]


def test_a_dynamic_dimension_is_as_long_as_there_are_columns(tmp_path):
    for text in ("7,8,9\n1,2,3", "ids_2,ids_0,ids_1\n9,7,8\n3,1,2"):
        assert_arrays(read(tmp_path / "in.csv", text, TOKENS), ids=np.array([[7, 8, 9], [1, 2, 3]]))
    both = (spec("steps", shape=(None, None, 2)), *X)
    arrays = read(tmp_path / "in.csv", "1,2,3,4,5,6,7,8", both)
    assert_arrays(arrays, steps=np.float32([[[1, 2], [3, 4], [5, 6]]]), x=np.float32([[7, 8]]))


def test_a_column_that_two_inputs_claim_is_the_one_of_that_name(tmp_path):
    (tmp_path / "in.csv").write_text("x_0,x_1\n1,2")
    refused(tmp_path / "in.csv", (*X, spec("x_1", shape=(None,))), "found x_1 missing;")


@pytest.mark.parametrize(
    ("text", "specs", "parts"),
    [
        ("", X, ("at least one row", "found none")),
        ("\n \n", X, ("found none",)),
        ("x_0,x_1\n", X, ("rows below the header",)),
        ("1,2,3\n", X, ("expected 2 for x float32[batch, 2], found 3;",)),
        ("1\n", X, ("found 1;",)),
        ("1,2\n3\n", X, ("line 2", "2 columns", "found 1;")),
        ("1,2\n\n3,4,5\n", X, ("line 3", "found 3;")),
        ("1,2\n3,four\n", X, ("line 2, column 2", "'four'", "numbers")),
        ("x_0,x_1\n1,\n", X, ("line 2, column 2 'x_1'", "found '';")),
        ("1,two\n3,4\n", X, ("line 1, column 2", "'two'")),
        ("1;2\n3;4\n", X, ("separated by commas", "'1;2'")),
        ("x_0\tx_1\n", X, ("separated by commas",)),
        ("1.5,2,3\n1,2,3.5\n", PAIR, ("line 2, column 3", "whole numbers that int32 holds", "'3.5'")),
        ("1,2,99999999999\n", PAIR, ("'99999999999'",)),
        ("x_0,x_1,id\n1,2,3\n", X, ("'id' that no input takes",)),
        (",x_0,x_1\n1,2,3\n", X, ("'' that no input takes",)),
        ("x_0\n1\n", X, ("x_1 missing",)),
        ("x_0,x_2\n1,2\n", X, ("x_1 missing and 'x_2' that no input takes",)),
        ("x_0,x_1,x_0\n1,2,3\n", X, ("'x_0' that no input takes",)),
        ("zebra_0,zebra_1,ant_0\n1,2,3\n", PAIR, ("ant missing", "'ant_0'")),
        ("x_00,x_01\n1,2\n", X, ("'x_00', 'x_01' that no input takes",)),
        ("ids_0,ids_2\n1,2\n", TOKENS, ("ids_1 missing",)),
        ("1,2,3\n", (spec("steps", shape=(None, None, 2)),), ("columns", "found 3;")),
        ("1,2\n", (*TOKENS, spec("more", shape=(None, None))), ("header",)),
        ("1,2\n", (spec("a", shape=(None, None, None)),), ("at most one dynamic dimension", ".npz")),
        ('1,"2\n', X, ("line 1", "CSV")),
        (b"1,2\n\xff,3\n", X, ("UTF-8", "0xff at 4")),
        ("1,1e39\n", X, ("1e+39", "float32")),
    ],
)
def test_csv_that_does_not_fit_is_refused(tmp_path, text, specs, parts):
    (tmp_path / "in.csv").write_bytes(text if isinstance(text, bytes) else text.encode())
    refused(tmp_path / "in.csv", specs, tmp_path / "in.csv", *parts)


# JSON, and standard input.


@pytest.mark.parametrize(
    "content",
    [
        {"ant": [3, 6], "zebra": [[0.1, 2], [4, 5]]},
        {"inputs": {"zebra": [[0.1, 2], [4, 5]], "a-nt": [3.0, 6]}},
    ],
)
def test_json_is_read_by_name(tmp_path, content):
    arrays = read(tmp_path / "in.json", json.dumps(content), PAIR)
    assert_arrays(arrays, zebra=np.float32([[0.1, 2], [4, 5]]), ant=np.int32([3, 6]))


def test_json_of_one_input_is_a_list_of_rows_or_a_row(tmp_path):
    assert_arrays(read(tmp_path / "in.json", "[[0, 1], [2, 3]]"), x=np.float32([[0, 1], [2, 3]]))
    assert_arrays(read(tmp_path / "in.json", "[16777217, NaN]"), x=np.float32([[16777216, np.nan]]))
    assert_arrays(read(tmp_path / "in.json", '{"inputs": [0, 1]}', (spec("inputs"),)), inputs=np.float32([[0, 1]]))


@pytest.mark.parametrize(
    ("text", "specs", "parts"),
    [
        ("[[0, 1], [2]]", X, ("equally long", "different lengths")),
        ("[[0, 1]", X, ("expected JSON", "column")),
        ("7", X, ("an object of inputs by name", "found 7")),
        ("[1, null]", X, ("missing",)),
        ('[["a", "b"]]', X, ("text",)),
        ("[]", X, ("found the shape [0]",)),
        ("[[1, 2]]", PAIR, ("zebra, ant", "without a name")),
        ('{"x": [1, 2], "y": 1}', X, ("found x, y;",)),
        ("[" * 100_000, X, ("expected JSON",)),
        ('{"zebra": [[1, 2]], "ant": [1.5]}', PAIR, ("input 'ant'", "1.5")),
    ],
)
def test_json_that_does_not_fit_is_refused(tmp_path, text, specs, parts):
    (tmp_path / "in.json").write_text(text)
    refused(tmp_path / "in.json", specs, "in.json", *parts)


@pytest.mark.parametrize(
    "text", ["0,1\n2,3\n", "x_1,x_0\n1,0\n3,2", "\ufeff\n [[0, 1], [2, 3]]", '{"x": [[0,1],[2,3]]}']
)
def test_standard_input_is_csv_or_json(monkeypatch, text):
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(text.encode())))
    assert_arrays(read_inputs("-", X).arrays, x=np.float32([[0, 1], [2, 3]]))


def test_nothing_on_standard_input_is_refused(monkeypatch):
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"")))
    refused("-", X, "standard input", "at least one row")


# Everything else.


@pytest.mark.parametrize("name", ["in.txt", "in", "in.npz.gz", "my_module:"])
def test_another_source_is_refused_with_what_is_supported(tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    refused(name, X, SUPPORTED, "no such file")
    (tmp_path / name).write_text("1,2")
    refused(name, X, SUPPORTED, "found a file that ends in" if "." in name else "found another file")


@pytest.mark.parametrize("suffix", READERS)
def test_a_file_that_is_not_there_is_refused(tmp_path, suffix):
    refused(tmp_path / f"in{suffix}", X, f"in{suffix}", "No such file")


@pytest.mark.parametrize(("module", "suffix"), [("PIL", ".png"), ("pyarrow", ".parquet")])
def test_a_base_install_reads_the_rest_and_says_what_is_missing(tmp_path, module, suffix):
    (tmp_path / f"in{suffix}").touch()
    (tmp_path / "in.csv").write_text("1,2")
    code = (
        f"import sys; sys.modules[{module!r}] = None\n"
        "from xorexport.inputs.reading import read_inputs\n"
        "from xorexport.spec import TensorSpec\n"
        "specs = (TensorSpec(name='x', dtype='float32', shape=(None, 2)),)\n"
        "print(read_inputs(sys.argv[1], specs).arrays['x'].tolist())\n"
        "try:\n    read_inputs(sys.argv[2], specs)\n"
        "except Exception as error:\n    print(type(error).__name__, error)\n"
    )
    rows, error = python(code, tmp_path / "in.csv", tmp_path / f"in{suffix}", folder=ROOT).stdout.splitlines()
    assert rows == "[[1.0, 2.0]]"
    assert error.startswith("UsageError ")
    assert error.endswith(f"expected the module {module}, found it is not installed; pip install 'xorexport[inputs]'")
