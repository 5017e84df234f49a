"""Times whole processes in turn, and prints each as a multiple of its floor.

A machine's speed drifts, so a ratio is taken within one round, and its median over the rounds is printed.
"""

import argparse
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from benchmarks import larger

FOLDER = Path(__file__).parent


@dataclass(frozen=True)
class Measure:
    """A command, and how many times its floor's duration it may take.

    Attributes:
        limit: the ratio that the project promises, or None for a yardstick.
    """

    name: str
    command: list[str]
    floor: str
    limit: float | None = None


def python(code: str) -> list[str]:
    return [sys.executable, "-c", code]


def xorexport(*arguments: str) -> list[str]:
    return [str(Path(sys.executable).with_name("xorexport")), *arguments]


def measures(bundle: Path) -> list[Measure]:
    light = ["--format", "tflite", "--format", "onnx"]
    return [
        Measure("python -c pass", python("pass"), "python -c pass"),
        Measure("import xorexport", python("import xorexport"), "python -c pass", 3),
        Measure("import tensorflow", python("import tensorflow"), "import tensorflow"),
        Measure("xorexport export", xorexport("export", "-o", str(bundle)), "import tensorflow", 1.5),
        Measure(
            "xorexport verify, TFLite and ONNX", xorexport("verify", str(bundle), *light), "import tensorflow", 0.16
        ),
        Measure("xorexport verify, all", xorexport("verify", str(bundle)), "import tensorflow"),
    ]


def seconds(command: list[str]) -> float:
    started = time.perf_counter()
    result = subprocess.run(command, capture_output=True, check=False)
    if result.returncode:
        raise SystemExit(f"{' '.join(command)} ended with {result.returncode}:\n{result.stderr.decode()}")
    return time.perf_counter() - started


def main() -> None:
    parser = argparse.ArgumentParser(prog="make bench ARGS=...", description=__doc__)
    parser.add_argument("--rounds", type=int, default=7, help="rounds to take the median of (default: 7)")
    parser.add_argument("--no-larger", action="store_true", help="leave out the larger models, which take minutes")
    options = parser.parse_args()
    rounds = options.rounds
    with tempfile.TemporaryDirectory() as folder:
        todo = measures(Path(folder) / "bundle")
        yardstick = [sys.executable, str(FOLDER / "straightforward.py"), folder]
        for measure in todo:  # a round to fill the caches and make the bundle
            seconds(measure.command)
        times = [{measure.name: seconds(measure.command) for measure in todo} for _ in range(rounds)]
        script = seconds(yardstick)
    print(f"{'':<36}{'seconds':>8}  {'ratio':>7}  {'at most':>7}   of")
    for measure in todo:
        middle = statistics.median(entry[measure.name] for entry in times)
        ratio = statistics.median(entry[measure.name] / entry[measure.floor] for entry in times)
        limit = "" if measure.limit is None else f"{measure.limit:g}"
        verdict = "" if measure.limit is None or ratio <= measure.limit else "   OVER"
        print(f"{measure.name:<36}{middle:>8.3f}  {ratio:>7.3f}  {limit:>7}   {measure.floor}{verdict}")
    floor = statistics.median(entry["import tensorflow"] for entry in times)
    print(f"{'fit, 3 exports, 3 checks (once)':<36}{script:>8.3f}  {script / floor:>7.3f}  {'':>7}   import tensorflow")
    if not options.no_larger:
        larger.report()


if __name__ == "__main__":
    main()
