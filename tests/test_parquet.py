"""Inputs from Parquet."""

import numpy as np
import pyarrow as arrow
import pytest
from pyarrow import parquet
from test_inputs import IMAGE, PAIR, TOKENS, X, assert_arrays, refused, spec

from xorexport.inputs.reading import read_inputs


def parquet_file(path, **columns):
    parquet.write_table(arrow.table(columns), path)
    return path


def test_parquet_has_a_column_for_every_element_or_columns_of_lists(tmp_path):
    path = tmp_path / "in.parquet"
    expected = {"zebra": np.float32([[1, 2], [4, 5]]), "ant": np.int32([3, 6])}
    parquet_file(path, ant=[3, 6], zebra_1=[2.0, 5.0], zebra_0=[1.0, 4.0])
    assert_arrays(read_inputs(path, PAIR).arrays, **expected)
    parquet_file(path, zebra=[[1, 2], [4, 5]], **{"a-nt": [3.0, 6.0]})
    assert_arrays(read_inputs(path, PAIR).arrays, **expected)
    parquet_file(path, ids=[[7, 8, 9], [1, 2, 3]])
    assert_arrays(read_inputs(path, TOKENS).arrays, ids=np.array([[7, 8, 9], [1, 2, 3]]))
    flags = arrow.array([True, False])
    assert_arrays(
        read_inputs(parquet_file(path, on=flags), (spec("on", "bool", (None,)),)).arrays, on=np.array([True, False])
    )


def test_a_list_in_parquet_is_nested_or_flat(tmp_path):
    pixels = np.arange(12, dtype="float32").reshape(2, 2, 3, 1)
    for rows in (pixels.tolist(), pixels.reshape(2, 6).tolist()):
        path = parquet_file(tmp_path / "in.parquet", image=rows)
        assert_arrays(read_inputs(path, IMAGE).arrays, image=pixels)


@pytest.mark.parametrize(
    ("columns", "specs", "parts"),
    [
        ({"x_0": [1.0], "x_1": [None]}, X, ("column 'x_1'", "missing")),
        ({"x": [[1.0, 2.0], None]}, X, ("column 'x'", "1 that are missing")),
        ({"x": [[1.0, None]]}, X, ("missing",)),
        ({"x": [[1.0, 2.0], [3.0]]}, X, ("different lengths",)),
        ({"x": [[1.0, 2.0]], "id": [1]}, X, ("'id' that no input takes",)),
        ({"x_0": [1.0], "x_1": ["a"]}, X, ("no numbers",)),
        ({"x_0": [1.0]}, X, ("x_1 missing",)),
        ({"zebra": [[1.0, 2.0]], "ant": [1.5]}, PAIR, ("input 'ant'", "1.5")),
    ],
)
def test_parquet_that_does_not_fit_is_refused(tmp_path, columns, specs, parts):
    path = parquet_file(tmp_path / "in.parquet", **{k: arrow.array(v) for k, v in columns.items()})
    refused(path, specs, path, *parts)


def test_what_is_no_parquet_is_refused(tmp_path):
    (tmp_path / "in.parquet").write_bytes(b"PAR1 no more")
    refused(tmp_path / "in.parquet", X, "a Parquet file")
