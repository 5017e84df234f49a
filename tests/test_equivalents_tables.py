"""Lookup tables of whole numbers, as comparisons with every key."""

import numpy as np
import pytest
import tensorflow as tf
from equivalent_ops import Case, each, frozen_with

from xorexport.tracing.equivalents import EQUIVALENTS


def table(keys, values, default):
    content = tf.lookup.KeyValueTensorInitializer(tf.constant(keys), tf.constant(values))
    return tf.lookup.StaticHashTable(content, default)


LARGE = 2**40
TABLES = {
    "numbers of keys": (np.int64([5, -3, 0, LARGE, 9]), np.int64([1, 2, 3, LARGE + 1, 0]), np.int64(-1)),
    "floats": (np.int64([7, 1, 2]), np.float32([0.1, -2.5, 1e30]), np.float32(0.75)),
    "32 bits": (np.int32([-(2**31), 2**31 - 1, 4]), np.int32([4, 5, 2**31 - 1]), np.int32(0)),
    "one key": (np.int64([3]), np.int64([7]), np.int64(0)),
}
ASKED = {
    "int64": np.int64([[5, 0, 4], [LARGE, -3, 7], [3, LARGE - 1, 9]]),
    "int32": np.int32([[-(2**31), 2**31 - 1, 4], [5, 0, -4]]),
}

CASES = {
    "LookupTableFindV2": [
        Case(f"{name}{', unknown sizes' if shape else ''}", made.lookup, [asked], shapes=[shape] if shape else None)
        for name, content in TABLES.items()
        for made, asked in [(table(*content), ASKED[content[0].dtype.name])]
        for shape in (None, (None, None))
    ]
}


@each(CASES)
def test_the_equivalent_is_what_tensorflow_computes(op_type, case):
    case.check(op_type)


def test_the_graph_does_not_need_the_table_any_more():
    asked = ASKED["int64"]
    made = table(*TABLES["numbers of keys"])
    frozen = frozen_with(EQUIVALENTS, made.lookup, asked)
    expected = made.lookup(tf.constant(asked)).numpy()
    del made
    np.testing.assert_array_equal(frozen.run(asked)[0], expected)
    assert expected.tolist() == [[1, 3, -1], [LARGE + 1, 2, -1], [-1, -1, 0]]


@pytest.mark.parametrize("strings", ["keys", "values"])
def test_tables_of_strings_are_left_alone(strings):
    content = (["a", "b"], [1, 2], 0) if strings == "keys" else (np.int64([1, 2]), ["a", "b"], "")
    asked = np.array(["b"], object) if strings == "keys" else np.int64([2])
    made = table(*content)
    assert "LookupTableFindV2" in frozen_with(EQUIVALENTS, made.lookup, asked).op_types


def test_every_op_type_of_this_file_is_an_equivalent():
    assert set(CASES) <= set(EQUIVALENTS)
