"""The command line's arguments, with their help and examples."""

from __future__ import annotations

import argparse
import re
from pathlib import Path
from typing import Any, NoReturn

from xorexport import __version__
from xorexport.errors import UsageError
from xorexport.registry import ENGINES, FORMATS

EXIT_CODES = """\
exit codes:
  0  all that was asked for is there and matches
  1  something does not match: a prediction, a name, a digest
  2  it could not be done: bad input, a refusal, a missing tool
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


def _export(commands: Any) -> None:
    command = _command(
        commands,
        "export",
        "Export a model into a bundle, verify it on every engine, and put it in place if all matches.",
        "  xorexport export -o artifacts            # the default network: a shop's customer segments\n"
        "  xorexport export my.keras -o bundle --format tflite --format onnx\n"
        "  xorexport export package.module:build_model -o bundle --opset 17\n"
        "  xorexport export -o artifacts --hidden 16 16 --loss binary_crossentropy --seed 3\n",
    )
    command.add_argument(
        "model",
        nargs="?",
        metavar="MODEL",
        help="a .keras file or package.module:function; none: the default network",
    )
    command.add_argument("-o", "--output", type=Path, required=True, metavar="DIR", help="the bundle's folder")
    command.add_argument(
        "--format",
        action="append",
        default=[],
        metavar="F",
        help=f"only this format, may be repeated: {', '.join(FORMATS)}",
    )
    command.add_argument("--opset", type=int, metavar="N", help="ONNX opset (default: the highest both sides support)")
    command.add_argument("--rtol", type=float, default=1e-5, help="relative tolerance of predictions (default: 1e-5)")
    command.add_argument("--atol", type=float, default=1e-5, help="absolute tolerance of predictions (default: 1e-5)")
    command.add_argument("--description", default="", metavar="TEXT", help="what the model is, for its files")
    command.add_argument("--labels", nargs="+", default=[], metavar="NAME", help="names of the classes, by number")
    command.add_argument("--unsafe", action="store_true", help="load a .keras file that holds Python code, and run it")
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
        "  xorexport verify artifacts --json --report report.json\n",
    )
    command.add_argument("bundle", type=Path, metavar="DIR", help="the bundle's folder")
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
    command.add_argument("--unsafe", action="store_true", help="run Python code that a .keras file holds")
    command.add_argument("--report", type=Path, metavar="PATH", help="write the report as JSON as well")


def _compare(commands: Any) -> None:
    command = _command(
        commands,
        "compare",
        "Compare two Keras models: topology, weights, predictions and gradients. Names of layers do not count.",
        "  xorexport compare a.keras b.keras\n  xorexport compare a.keras package.module:build_model\n",
    )
    command.add_argument("first", metavar="A", help="a .keras file or package.module:function")
    command.add_argument("second", metavar="B", help="a .keras file or package.module:function")
    command.add_argument("--seed", type=int, default=0, metavar="N", help="of the random batches (default: 0)")
    command.add_argument("--unsafe", action="store_true", help="load .keras files that hold Python code, and run it")


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
        "Predict for one row with a bundle, on the first engine that is installed. TensorFlow is not needed.",
        "  xorexport predict artifacts 0 1\n  xorexport predict artifacts 1 1 --engine onnxruntime --json\n",
    )
    command.add_argument("bundle", type=Path, metavar="DIR", help="the bundle's folder")
    command.add_argument("values", nargs="+", metavar="VALUE", help="the row's numbers, one input after another")
    command.add_argument("--engine", metavar="NAME", help=f"one of {', '.join(ENGINES)}")
    command.add_argument("--no-digests", action="store_true", help="use a file even if it changed")
    command.add_argument("--unsafe", action="store_true", help="run Python code that a .keras file holds")
