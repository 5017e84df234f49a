"""The command line's arguments, with their help and examples."""

from __future__ import annotations

import argparse
import re
from pathlib import Path
from typing import Any, NoReturn

from xorexport import __version__
from xorexport.errors import UsageError
from xorexport.registry import ENGINES, FORMATS
from xorexport.spec import Precision

EXIT_CODES = """\
exit codes:
  0  all that was asked for is there and matches
  1  something does not match: a prediction, a name, a digest
  2  it could not be done: bad input, a refusal, a missing tool
"""


PREDICT_INPUTS = """
inputs (SOURCE):
  in.npz         arrays by the inputs' names, or one unnamed array for the only input
  in.npy         the array of the only input
  in.csv         a row a line; with a header: column x for one number a row, else x_0, x_1, ... row-major;
                 without one: the inputs' numbers one after another
  in.json        {"x": [[0, 1], [1, 1]]}, {"inputs": {"x": ...}}, or the rows of the only input
  in.parquet     columns as in CSV, or columns of lists
  photo.png      pixels from 0 to 255 (and .jpg .jpeg .bmp .gif .webp), or a folder of such files
  pkg.mod:name   a Python function that yields rows or batches
  -              CSV or JSON on standard input
  Images and Parquet need: pip install 'xorexport[inputs]'

output:
  A line for every row and output. With --json: for values the outputs are flat lists; for --input they are nested lists
  [row][...] of the outputs' own shapes, and labels are lists with one for each row.
"""


class Parser(argparse.ArgumentParser):
    """A parser whose errors are errors like all others."""

    def __init__(self, **options: Any) -> None:
        super().__init__(formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False, **options)
        # argparse takes -1 for a number, but -1e-3 for an option.
        self._negative_number_matcher = re.compile(r"^-(\d|\.\d|inf|nan)", re.IGNORECASE)

    def error(self, message: str) -> NoReturn:
        """Raise instead of printing the usage and exiting.

        Raises:
            UsageError: always.
        """
        raise UsageError(
            f"command line of {self.prog}",
            expected="arguments as its help says",
            found=message,
            remedy=f"see {self.prog} --help",
        )


def parser() -> Parser:
    """The whole command line."""
    main = Parser(
        prog="xorexport",
        description="Export a Keras model to SavedModel, TFLite and ONNX, with proof that every runtime agrees.",
        epilog=EXIT_CODES,
    )
    main.add_argument("--version", action="version", version=f"xorexport {__version__}")
    commands = main.add_subparsers(dest="command", required=True, metavar="COMMAND", parser_class=Parser)
    _export(commands)
    _verify(commands)
    _compare(commands)
    _inspect(commands)
    _predict(commands)
    return main


def _command(commands: Any, name: str, summary: str, examples: str) -> Parser:
    command: Parser = commands.add_parser(
        name, help=summary, description=summary, epilog=f"examples:\n{examples}\n{EXIT_CODES}"
    )
    command.add_argument("--json", action="store_true", help="print JSON for programs")
    return command


def _code(command: Parser) -> None:
    """Whether, and where from, code of others may run."""
    command.add_argument("--unsafe", action="store_true", help="run code that a model's file holds")
    command.add_argument(
        "--import",
        dest="imports",
        action="append",
        default=[],
        metavar="MODULE",
        help="a Python module with custom layers and functions of a .keras or .h5 file, may be repeated",
    )


def _export(commands: Any) -> None:
    command = _command(
        commands,
        "export",
        "Export a model into a bundle, verify it on every engine, and put it in place if all matches.",
        "  xorexport export -o artifacts            # the default network: a shop's customer segments\n"
        "  xorexport export my.keras -o bundle --format tflite --format onnx\n"
        "  xorexport export package.module:build_model -o bundle --opset 17\n"
        "  xorexport export -o artifacts --hidden 16 16 --loss binary_crossentropy --seed 3\n"
        "  xorexport export models/*.keras -o bundles --jobs 2\n",
    )
    command.add_argument(
        "model",
        nargs="*",
        metavar="MODEL",
        help="a .keras or .h5 file, a SavedModel's folder or package.module:function; none: the default network",
    )
    command.add_argument(
        "-o",
        "--output",
        type=Path,
        required=True,
        metavar="DIR",
        help="the bundle's folder; of several models the folder that each has its own bundle in, DIR/NAME",
    )
    command.add_argument("--each", action="store_true", help="make DIR/NAME of a single model as well")
    command.add_argument(
        "--jobs",
        type=int,
        metavar="N",
        help="export so many of several models at once, each in a process of its own (default: half of the cores)",
    )
    command.add_argument(
        "--format",
        action="append",
        default=[],
        metavar="F",
        help=f"only this format, may be repeated: {', '.join(FORMATS)}",
    )
    command.add_argument("--opset", type=int, metavar="N", help="ONNX opset (default: the highest both sides support)")
    command.add_argument(
        "--precision",
        action="append",
        default=[],
        metavar="P",
        help=f"of TFLite and ONNX, may be repeated: {', '.join(Precision)} (default: float32)",
    )
    command.add_argument(
        "--samples",
        metavar="SOURCE",
        help="rows to check on, and to calibrate with: whatever `xorexport predict --input` reads",
    )
    command.add_argument("--integer-ends", action="store_true", help="let int8 and int16x8 TFLite files take integers")
    command.add_argument("--max-error", type=float, metavar="E", help="fail if a quantised file is further off")
    command.add_argument("--max-flips", type=int, metavar="N", help="fail if quantising flips more decisions")
    command.add_argument(
        "--keep-going",
        action="store_true",
        help="write the rest where a format is refused (exit code 2) or wrong (1)",
    )
    command.add_argument(
        "--signature",
        action="append",
        default=[],
        metavar="SPEC",
        help="an input as 'x float32[batch, 4]', where Keras does not know it or a size shall be fixed; repeatable",
    )
    command.add_argument(
        "--rtol",
        type=float,
        help="relative tolerance of predictions (default: 1e-5, or as the model's own noise asks for)",
    )
    command.add_argument("--atol", type=float, help="absolute tolerance of predictions (default: likewise)")
    command.add_argument("--description", default="", metavar="TEXT", help="what the model is, for its files")
    command.add_argument("--labels", nargs="+", default=[], metavar="NAME", help="names of the classes, by number")
    command.add_argument("--preprocessing", default="", metavar="TEXT", help="what makes an input of raw data")
    command.add_argument("--postprocessing", default="", metavar="TEXT", help="what makes an answer of an output")
    _code(command)
    command.add_argument(
        "--samples-seed", type=int, default=0, metavar="N", help="of the inputs to check on (default: 0)"
    )
    network = command.add_argument_group("the default network")
    network.add_argument("--hidden", type=int, nargs="+", metavar="N", help="sizes of its hidden layers (default: 16)")
    network.add_argument("--loss", metavar="NAME", help="mean_squared_error (default) or binary_crossentropy")
    network.add_argument("--seed", type=int, metavar="N", help="of its initial weights (default: 2)")
    network.add_argument("--max-epochs", type=int, metavar="N", help="give up after so many (default: 20000)")


def _verify(commands: Any) -> None:
    command = _command(
        commands,
        "verify",
        "Check a bundle's digests, and its predictions on every engine that is installed. TensorFlow is not needed.",
        "  xorexport verify artifacts\n"
        "  xorexport verify artifacts --format onnx --require onnxruntime\n"
        "  xorexport verify artifacts --json --report report.json\n"
        "  xorexport verify model.onnx --golden golden.npz --atol 1e-4\n",
    )
    command.add_argument(
        "bundle", type=Path, metavar="PATH", help="the bundle's folder; with --golden a model's file or folder"
    )
    command.add_argument("--format", action="append", default=[], metavar="F", help="only this format, may be repeated")
    command.add_argument(
        "--engine",
        action="append",
        default=[],
        metavar="NAME",
        help=f"only this engine, may be repeated: {', '.join(ENGINES)}",
    )
    command.add_argument(
        "--require",
        action="append",
        default=[],
        metavar="NAME",
        help="fail if this engine cannot run, may be repeated",
    )
    command.add_argument("--no-digests", action="store_true", help="run engines even on files that changed")
    command.add_argument(
        "--golden",
        type=Path,
        metavar="NPZ",
        help="inputs and expected outputs by name, to hold one file against instead of a bundle",
    )
    command.add_argument("--rtol", type=float, help="with --golden: relative tolerance (default: 1e-5)")
    command.add_argument("--atol", type=float, help="with --golden: absolute tolerance (default: 1e-5)")
    _code(command)
    command.add_argument("--report", type=Path, metavar="PATH", help="write the report as JSON as well")


def _compare(commands: Any) -> None:
    command = _command(
        commands,
        "compare",
        "Compare two Keras models: topology, weights, predictions and gradients. Names of layers do not count.",
        "  xorexport compare a.keras b.keras\n  xorexport compare a.keras package.module:build_model\n",
    )
    command.add_argument("first", metavar="A", help="a model's file or folder, or package.module:function")
    command.add_argument("second", metavar="B", help="a model's file or folder, or package.module:function")
    command.add_argument("--seed", type=int, default=0, metavar="N", help="of the random batches (default: 0)")
    _code(command)


def _inspect(commands: Any) -> None:
    command = _command(
        commands,
        "inspect",
        "Show signatures, sizes, ops and metadata of a bundle or a single file, without running it.",
        "  xorexport inspect artifacts\n  xorexport inspect artifacts/xor.onnx --json\n",
    )
    command.add_argument("path", type=Path, metavar="PATH", help="a bundle, or one of its files or folders")


def _predict(commands: Any) -> None:
    command = _command(
        commands,
        "predict",
        "Predict with a bundle, for one row or for many, on the first engine that is installed. "
        "TensorFlow is not needed.",
        "  xorexport predict artifacts 0 1\n"
        "  xorexport predict artifacts 1 1 --engine onnxruntime --json\n"
        "  xorexport predict artifacts --input rows.csv --output predictions.npz\n"
        "  xorexport predict bundle --input photo.png\n"
        "  echo '[[0, 1], [1, 1]]' | xorexport predict artifacts --input - --json\n"
        f"{PREDICT_INPUTS}",
    )
    command.usage = "xorexport predict [options] DIR (VALUE ... | --input SOURCE)"
    command.add_argument("bundle", type=Path, metavar="DIR", help="the bundle's folder")
    values = command.add_argument(
        "values", nargs="+", metavar="VALUE", help="one row's numbers, one input after another"
    )
    # Not `nargs="*"`: that takes nothing where an option stands between DIR and the values.
    values.required = False
    command.add_argument("--input", metavar="SOURCE", help="rows for every input: a file and more, see below")
    command.add_argument("--output", type=Path, metavar="PATH", help="write the outputs by name into a new .npz file")
    command.add_argument("--engine", metavar="NAME", help=f"one of {', '.join(ENGINES)}")
    command.add_argument(
        "--precision",
        metavar="P",
        help="of the artifact, where a format has several, for example int8 (default: float32)",
    )
    command.add_argument("--no-digests", action="store_true", help="use a file even if it changed")
    _code(command)
