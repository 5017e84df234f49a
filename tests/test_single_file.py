"""Files that others made, by TensorFlow's stock converters and by tf2onnx, held against a reference in an NPZ file."""

import json
import shutil

import numpy as np
import onnx
import pytest
from sample_models import randomised
from support import assert_one_line, outcomes, python, xorexport
from test_boundaries import BLOCK

from xorexport.cli import run
from xorexport.errors import ModelError, UsageError, XorexportError
from xorexport.registry import ENGINES
from xorexport.results import Outcome
from xorexport.spec import Tolerance
from xorexport.verification.single import verify_file
from xorexport.verification.verify import Selection


def two():
    """Two inputs of different sizes and two outputs, whose names sort in the other order."""
    import keras

    zebra, ant = keras.Input((3,), name="zebra"), keras.Input((4,), name="ant")
    mixed = keras.layers.Concatenate()([keras.layers.Dense(4, activation="tanh")(zebra), ant])
    dense = keras.layers.Dense
    return randomised(keras.Model([zebra, ant], [dense(2, name="west")(mixed), dense(2, name="east")(mixed)]))


def calibration():
    generator = np.random.default_rng(1)
    for _ in range(50):
        yield [generator.uniform(-2, 2, (1, size)).astype(np.float32) for size in (4, 3)]  # ant, zebra


@pytest.fixture(scope="session")
def foreign(tmp_path_factory):
    """A folder with one model in files of many makes, and its reference by the names of each make."""
    import tensorflow as tf
    import tf2onnx

    folder, model = tmp_path_factory.mktemp("foreign"), two()
    ends = [tf.TensorSpec((None, 3), name="zebra"), tf.TensorSpec((None, 4), name="ant")]
    fixed = [tf.TensorSpec((1, 3), name="zebra"), tf.TensorSpec((1, 4), name="ant")]

    def write(name, converter):
        (folder / name).write_bytes(converter.convert())

    def function(signature):
        return tf.function(lambda zebra, ant: model([zebra, ant]), input_signature=signature, autograph=False)

    write("keras.tflite", tf.lite.TFLiteConverter.from_keras_model(model))
    for name, signature in (("bare.tflite", ends), ("fixed.tflite", fixed)):
        write(name, tf.lite.TFLiteConverter.from_concrete_functions([function(signature).get_concrete_function()]))
    full = tf.lite.TFLiteConverter.from_keras_model(model)
    full.optimizations, full.representative_dataset = [tf.lite.Optimize.DEFAULT], calibration
    full.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
    full.inference_input_type = full.inference_output_type = tf.int8
    write("int8.tflite", full)
    for name, signature in (("dynamic.onnx", ends), ("fixed.onnx", fixed)):
        tf2onnx.convert.from_function(function(signature), signature, opset=17, output_path=str(folder / name))
    model.save(folder / "net.keras")
    model.save(folder / "net.h5")
    model.export(folder / "exported", verbose=False)

    generator = np.random.default_rng(5)
    zebra, ant = (generator.uniform(-2, 2, (6, size)).astype(np.float32) for size in (3, 4))
    west, east = model.predict([zebra, ant], verbose=0)
    names = {
        "signature": ("zebra", "ant", "output_0", "output_1"),
        "bare": ("zebra", "ant", "Identity", "Identity_1"),
        "onnx": ("zebra", "ant", "Identity:0", "Identity_1:0"),
        "tensors": ("serving_default_zebra:0", "serving_default_ant:0", None, None),
        "keras": ("zebra", "ant", "west", "east"),
    }
    names["tensors"] = (*names["tensors"][:2], "StatefulPartitionedCall_1:0", "StatefulPartitionedCall_1:1")
    for make, of_make in names.items():
        np.savez(folder / f"{make}.npz", **dict(zip(of_make, (zebra, ant, west, east), strict=True)))
    return folder


FILES = {
    "keras.tflite": "signature",
    "bare.tflite": "bare",
    "fixed.tflite": "bare",
    "dynamic.onnx": "onnx",
    "fixed.onnx": "onnx",
    "net.keras": "keras",
    "net.h5": "keras",
    "exported": "signature",
}
FORMAT_OF = {".tflite": "tflite", ".onnx": "onnx", ".keras": "keras", ".h5": "keras", "": "savedmodel"}


def golden(folder, make):
    return dict(np.load(folder / f"{make}.npz"))


@pytest.fixture
def reference(tmp_path):
    """Writes a reference; returns its path."""

    def write(arrays, name="golden.npz"):
        np.savez(tmp_path / name, **arrays)
        return tmp_path / name

    return write


@pytest.mark.parametrize("name", FILES)
def test_every_engine_of_the_format_runs_the_file(foreign, name):
    report = verify_file(foreign / name, foreign / f"{FILES[name]}.npz")
    engines = {engine for engine in ENGINES if ENGINES[engine].format == FORMAT_OF[(foreign / name).suffix]}
    assert {row.engine for row in report.parity} == engines
    assert {row.outcome for row in report.parity} == {Outcome.PASS}, report.parity
    assert report.exit_code == 0
    assert {row.batch for row in report.parity} == ({1} if name.startswith("fixed") else {1, 6})
    assert {len(row.outputs) for row in report.parity} == {2}
    assert report.digests == ()


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("wrong", ["swapped", "one value"])
def test_a_wrong_reference_is_a_failure_of_every_engine(foreign, reference, name, wrong):
    arrays = golden(foreign, FILES[name])
    first, second = list(arrays)[2:]
    if wrong == "swapped":
        arrays[first], arrays[second] = arrays[second], arrays[first]
    else:
        arrays[second][4, 1] += 1e-3
    report = verify_file(foreign / name, reference(arrays))
    assert {row.outcome for row in report.parity} == {Outcome.FAIL}
    assert report.exit_code == 1
    for row in report.parity:
        assert row.outputs[-1].outcome is Outcome.FAIL or wrong == "swapped" or row.outputs[0].worst == (4, 1)
    assert verify_file(foreign / name, reference(arrays), tolerance=Tolerance(rtol=0, atol=9)).exit_code == 0


def test_tensors_may_be_called_as_in_the_file_or_as_in_its_signature(foreign, reference):
    assert verify_file(foreign / "keras.tflite", foreign / "tensors.npz").exit_code == 0
    arrays = golden(foreign, "signature")
    mixed = {f"{'output' if 'out' in name else 'input'}:{name}": array for name, array in arrays.items()}
    assert verify_file(foreign / "keras.tflite", reference(mixed)).exit_code == 0


def test_quantised_ends_take_floats_or_the_integers_themselves(foreign, reference):
    floats = golden(foreign, "signature")
    path = foreign / "int8.tflite"
    loose = verify_file(path, reference(floats), tolerance=Tolerance(rtol=0, atol=0.2))
    assert loose.exit_code == 0, loose.parity
    assert all(output.max_abs > 0 for row in loose.parity for output in row.outputs)
    assert verify_file(path, reference(floats)).exit_code == 1
    integers = as_integers(path, floats)
    assert {array.dtype.name for array in integers.values()} == {"int8"}
    assert verify_file(path, reference(integers), Selection(engines=("litert-builtin",))).exit_code == 0
    integers["output_1"][2, 0] += 1
    assert verify_file(path, reference(integers), Selection(engines=("litert-builtin",))).exit_code == 1


def as_integers(path, floats):
    """What the file itself takes and returns for the floats."""
    from ai_edge_litert.interpreter import Interpreter, OpResolverType

    resolver = OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES
    runner = Interpreter(str(path), experimental_op_resolver_type=resolver).get_signature_runner()
    inputs = {}
    for name, detail in runner.get_input_details().items():
        scale, zero = detail["quantization"]
        inputs[name] = np.clip(np.rint(floats[name] / scale) + zero, -128, 127).astype(np.int8)
    return {**inputs, **runner(**inputs)}


def test_only_the_first_of_several_signatures_is_run_and_the_others_are_named(tmp_path, reference):
    import tensorflow as tf

    class Two(tf.Module):
        @tf.function(input_signature=[tf.TensorSpec((None, 2), name="x")])
        def double(self, x):
            return {"x": x * 2}

        @tf.function(input_signature=[tf.TensorSpec((None, 2), name="z")])
        def triple(self, z):
            return {"t": z * 3}

    module = Two()
    signatures = {"double": module.double, "triple": module.triple}
    tf.saved_model.save(module, str(tmp_path / "module"), signatures=signatures)
    converter = tf.lite.TFLiteConverter.from_saved_model(str(tmp_path / "module"), signature_keys=["double", "triple"])
    path = tmp_path / "module.tflite"
    path.write_bytes(converter.convert())
    x = np.float32([[1, 2], [3, 5]])
    report = verify_file(path, reference({"input:x": x, "output:x": 2 * x}))
    assert report.exit_code == 0
    assert report.notes == {"module.tflite": ("signature 'triple' was not run: it is not the file's first",)}
    # A name that an input and an output share has to say which it means.
    with pytest.raises(UsageError, match=r"each input \(x\) and each output \(x\), found x; .*input:NAME"):
        verify_file(path, reference({"x": x}))


# ONNX files with their own habits.


def onnx_model(inputs, outputs, constants=(), nodes=None):
    nodes = nodes or [onnx.helper.make_node("MatMul", ["x", "w"], ["y"])]
    graph = onnx.helper.make_graph(nodes, "g", inputs, outputs, list(constants))
    return onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 17)], ir_version=8)


WEIGHT = np.float32([[1, 2], [3, 4]])


def value(name, shape, kind=onnx.TensorProto.FLOAT):
    return onnx.helper.make_tensor_value_info(name, kind, shape)


@pytest.mark.parametrize(
    ("inputs", "outputs"),
    [
        ([value("x", ["unk__6", 2])], [value("y", ["unk__7", 2])]),
        ([value("x", ["N", 2]), value("w", [2, 2])], [value("y", ["N", 2])]),
        ([value("x", [3, 2])], [value("y", ["somehow", "open"])]),
        ([value("x", None)], [value("y", None)]),
    ],
    ids=["symbols", "constants among the inputs", "more is known than the file says", "no shapes"],
)
def test_loose_shapes_in_onnx_files_are_no_mismatch(tmp_path, reference, inputs, outputs):
    onnx.save(onnx_model(inputs, outputs, [onnx.numpy_helper.from_array(WEIGHT, "w")]), tmp_path / "net.onnx")
    x = np.float32([[1, 0], [0, 1], [1, 1]])
    report = verify_file(tmp_path / "net.onnx", reference({"x": x, "y": x @ WEIGHT}))
    assert report.exit_code == 0, report.parity
    assert {row.outcome for row in report.parity} == {Outcome.PASS}
    assert verify_file(tmp_path / "net.onnx", reference({"x": x, "y": x @ WEIGHT.T})).exit_code == 1


def test_strings_are_compared_as_they_are(tmp_path, reference):
    text = onnx.TensorProto.STRING
    identity = onnx.helper.make_node("Identity", ["x"], ["y"])
    onnx.save(onnx_model([value("x", ["n"], text)], [value("y", ["n"], text)], nodes=[identity]), tmp_path / "net.onnx")
    words = np.array(["red", "größer"])
    good = verify_file(tmp_path / "net.onnx", reference({"x": words, "y": words}))
    bad = verify_file(tmp_path / "net.onnx", reference({"x": words, "y": np.array(["red", "green"])}))
    assert (good.exit_code, bad.exit_code) == (0, 1)
    assert "at [1] expected 'green' +- 0, found 'größer'" in bad.parity[0].reason


def test_what_is_no_tensor_or_no_number_is_refused(tmp_path, reference):
    waves = onnx_model(
        [value("x", [1], onnx.TensorProto.COMPLEX64)],
        [value("y", [1], onnx.TensorProto.COMPLEX64)],
        nodes=[onnx.helper.make_node("Identity", ["x"], ["y"])],
    )
    sequence = onnx.helper.make_tensor_sequence_value_info("y", onnx.TensorProto.FLOAT, None)
    sequences = onnx_model([value("x", [1, 2])], [sequence], nodes=[onnx.helper.make_node("SequenceAt", ["x"], ["y"])])
    for model, found in ((waves, "found complex64"), (sequences, "found sequence")):
        onnx.save(model, tmp_path / "net.onnx")
        with pytest.raises(ModelError, match=found):
            verify_file(tmp_path / "net.onnx", reference({"x": np.float32([1])}))


# References that do not fit.


def without(arrays, name):
    return {key: array for key, array in arrays.items() if key != name}


UNFIT = {
    "an input is missing": (lambda a: without(a, "ant"), "expected an array for each input"),
    "an output is missing": (lambda a: without(a, "Identity"), "each output (Identity, Identity_1)"),
    "there is one too many": (lambda a: {**a, "more": a["ant"]}, "found Identity, Identity_1, ant, more, zebra"),
    "twice": (lambda a: {**a, "input:ant": a["ant"]}, "expected an array for each input"),
    "another width": (lambda a: {**a, "ant": a["ant"][:, :3]}, "input 'ant': expected ant float32[batch, 4]"),
    "another width of an output": (lambda a: {**a, "Identity": a["Identity"][:, :1]}, "output 'Identity'"),
    "fewer rows": (lambda a: {**a, "ant": a["ant"][:5]}, "equally many rows"),
    "text": (lambda a: {**a, "ant": np.full((6, 4), "x")}, "found text"),
    "no rows": (lambda a: {name: array[:0] for name, array in a.items()}, "at least one row"),
}


@pytest.mark.parametrize("case", UNFIT)
def test_a_reference_that_does_not_fit_is_refused(foreign, reference, case):
    change, found = UNFIT[case]
    path = reference(change(golden(foreign, "bare")))
    with pytest.raises(UsageError) as caught:
        verify_file(foreign / "bare.tflite", path)
    assert found in str(caught.value)
    assert str(path) in str(caught.value)


def test_fewer_rows_of_an_output_than_come_out_do_not_match(foreign, reference):
    arrays = golden(foreign, "bare")
    report = verify_file(foreign / "bare.tflite", reference({**arrays, "Identity": arrays["Identity"][:5]}))
    assert {row.outcome for row in report.parity} == {Outcome.FAIL}
    assert "shape [6, 2] instead of [5, 2]" in report.parity[0].reason


def test_doubles_are_taken_for_floats(foreign, reference):
    arrays = {name: array.astype(np.float64) for name, array in golden(foreign, "bare").items()}
    assert verify_file(foreign / "bare.tflite", reference(arrays)).exit_code == 0


@pytest.mark.parametrize("content", [None, b"", b"no numbers"])
def test_a_reference_that_cannot_be_read_is_refused(foreign, tmp_path, content):
    if content is not None:
        (tmp_path / "golden.npz").write_bytes(content)
    with pytest.raises(UsageError, match=r"golden\.npz: expected an \.npz file"):
        verify_file(foreign / "bare.tflite", tmp_path / "golden.npz")


def test_objects_in_a_reference_are_not_unpickled(foreign, reference):
    path = reference({"zebra": np.array([{"code": 1}], dtype=object)})
    with pytest.raises(UsageError, match=r"an \.npz file with arrays of numbers"):
        verify_file(foreign / "bare.tflite", path)


@pytest.mark.parametrize("value", [-1.0, float("nan"), float("inf")])
def test_a_tolerance_that_says_nothing_is_refused(foreign, value):
    for name in ("rtol", "atol"):
        with pytest.raises(UsageError, match=f"--{name}: expected 0 or more"):
            verify_file(
                foreign / "bare.tflite",
                foreign / "bare.npz",
                tolerance=Tolerance(**{"rtol": 0, "atol": 0, name: value}),
            )


# Files that are none.


@pytest.mark.parametrize("name", ["keras.tflite", "dynamic.onnx", "net.keras", "net.h5"])
def test_a_file_that_is_cut_off_is_an_error(foreign, tmp_path, name):
    (tmp_path / name).write_bytes((foreign / name).read_bytes()[:200])
    with pytest.raises(XorexportError) as caught:
        verify_file(tmp_path / name, foreign / "bare.npz")
    assert caught.value.exit_code == 2
    assert "\n" not in str(caught.value)


def test_the_format_may_be_said_where_the_name_does_not(foreign, tmp_path):
    shutil.copyfile(foreign / "bare.tflite", tmp_path / "model.bin")
    selection = Selection(formats=("tflite",))
    assert verify_file(tmp_path / "model.bin", foreign / "bare.npz", selection).exit_code == 0
    with pytest.raises(UsageError, match=r"found a file that ends in '\.bin'; .*--format"):
        verify_file(tmp_path / "model.bin", foreign / "bare.npz")
    with pytest.raises(ModelError, match="a whole ONNX file"):
        verify_file(foreign / "bare.tflite", foreign / "bare.npz", Selection(formats=("onnx",)))


def test_a_bundle_and_another_folder_are_refused(foreign, xor, tmp_path):
    with pytest.raises(UsageError, match=r"format onnx .*found a SavedModel"):
        verify_file(foreign / "exported", foreign / "bare.npz", Selection(formats=("onnx",)))
    for path, found in ((xor, "found a bundle"), (tmp_path, "found another folder"), (tmp_path / "x", "no such file")):
        with pytest.raises(UsageError, match=found):
            verify_file(path, foreign / "bare.npz")


# The command line.


def test_the_command_prints_the_table_and_ends_as_the_report_says(foreign, reference, capsys):
    path, made = str(foreign / "dynamic.onnx"), golden(foreign, "onnx")
    assert run(["verify", path, "--golden", str(foreign / "onnx.npz"), "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["exit_code"] == 0
    assert {row["outcome"] for row in report["parity"]} == {"PASS"}
    made["Identity:0"][1, 1] += 0.5
    wrong = str(reference(made))
    assert run(["verify", path, "--golden", wrong]) == 1
    shown = capsys.readouterr().out
    assert "onnx-reference" in shown
    assert "Identity:0: 1 of 12 values differ; at [1, 1]" in shown
    assert run(["verify", path, "--golden", wrong, "--atol", "0.6"]) == 0
    assert run(["verify", path, "--golden", wrong, "--engine", "onnxruntime"]) == 1


def test_what_the_command_cannot_do_is_one_line(foreign, xor, tmp_path):
    result = xorexport("verify", foreign / "dynamic.onnx", "--golden", foreign / "keras.npz")
    assert_one_line(result, 2, "each output (Identity:0, Identity_1:0)", "found ant, east, west, zebra")


def test_a_model_without_a_reference_and_a_bundle_with_a_tolerance_are_refused(foreign, xor, capsys):
    assert run(["verify", str(foreign / "dynamic.onnx")]) == 2
    assert "found a model alone; give what it should predict with --golden" in capsys.readouterr().err
    assert run(["verify", str(foreign / "exported")]) == 2
    assert "--golden" in capsys.readouterr().err
    assert run(["verify", str(xor), "--atol", "1"]) == 2
    assert "--rtol and --atol: expected them together with --golden" in capsys.readouterr().err


def test_tflite_and_onnx_files_are_verified_without_tensorflow(foreign):
    code = (
        "from xorexport.cli import run\n"
        "folder, codes = sys.argv[1], []\n"
        "for name, made in zip(sys.argv[2::2], sys.argv[3::2]):\n"
        "    codes.append(run(['verify', f'{folder}/{name}', '--golden', f'{folder}/{made}.npz', '--json']))\n"
        "print(*codes)\n"
    )
    files = ("keras.tflite", "signature", "dynamic.onnx", "onnx", "net.keras", "keras")
    result = python(BLOCK + code, foreign, *files)
    assert result.stdout.splitlines()[-1] == "0 0 2", result.stderr
    assert "pip install 'xorexport[tensorflow]'" in result.stderr


def test_a_required_engine_of_another_format_is_refused(foreign):
    with pytest.raises(UsageError, match="expected artifacts of format onnx, found tflite"):
        verify_file(foreign / "bare.tflite", foreign / "bare.npz", Selection(required=("onnxruntime",)))
    report = verify_file(foreign / "bare.tflite", foreign / "bare.npz", Selection(engines=("litert-builtin",)))
    assert outcomes(report, "litert-builtin") == [Outcome.PASS] * 2
