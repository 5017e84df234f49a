"""Larger models: time and peak memory against three stock `model.export` calls, and how time grows with layers.

Each side runs in a process of its own, in turn, with a model of the same random weights. Memory is what the process
holds above what it held with the model built: its peak, seen fifty times a second.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path

NETWORKS = ("MobileNetV2", "ResNet50")
LIMIT = 0.5
"""Of the time and of the memory of the stock calls."""
SIZE_LIMIT = 1.05
"""Of the weights: the SavedModel."""
LAYERS = (50, 100, 200, 400)
GROWTH_LIMIT = 1.5
"""How much more a layer of the longest chain may take than one of the shortest."""
FORMATS = ("savedmodel", "tflite", "onnx")


def report() -> None:
    """Run everything, and print a table."""
    print(f"\n{'against three stock model.export calls':<40}{'own':>9}{'stock':>9}{'ratio':>8}  at most")
    for network in NETWORKS:
        own, stock = (_process(side, network) for side in ("own", "stock"))
        _line(f"{network} 96x96, seconds", own["seconds"], stock["seconds"], LIMIT)
        _line(f"{network} 96x96, peak MB", own["peak"], stock["peak"], LIMIT)
        _line(f"{network} 96x96, SavedModel / weights", own["size"], own["weights"], SIZE_LIMIT)
    print(f"\n{'milliseconds a layer, by layers':<40}" + "".join(f"{count:>9}" for count in LAYERS) + "   growth")
    for kind in ("dense", "convolution"):
        times = _process("chain", kind)["seconds"]
        each = [1000 * taken / count for taken, count in zip(times, LAYERS, strict=True)]
        growth = each[-1] / each[0]
        verdict = "   OVER" if growth > GROWTH_LIMIT else ""
        print(f"{kind:<40}" + "".join(f"{value:>9.1f}" for value in each) + f"{growth:>9.2f}{verdict}")


def _line(name: str, own: float, stock: float, limit: float) -> None:
    ratio = own / stock
    print(f"{name:<40}{own:>9.1f}{stock:>9.1f}{ratio:>8.3f}  {limit:g}{'   OVER' if ratio > limit else ''}", flush=True)


def _process(*arguments: str) -> dict:
    result = subprocess.run(
        [sys.executable, "-m", "benchmarks.larger", *arguments], capture_output=True, check=False, text=True
    )
    if result.returncode:
        raise SystemExit(f"{arguments} ended with {result.returncode}:\n{result.stderr}")
    return json.loads(result.stdout.splitlines()[-1])


# What runs in a process of its own.


def _measured(work: Callable[[Path], None], folder: Path) -> dict:
    peak, before = [_resident()], _resident()
    done = threading.Event()

    def watch() -> None:
        while not done.wait(0.02):
            peak[0] = max(peak[0], _resident())

    watcher = threading.Thread(target=watch)
    watcher.start()
    started = time.perf_counter()
    work(folder)
    seconds = time.perf_counter() - started
    done.set()
    watcher.join()
    return {"seconds": seconds, "peak": peak[0] - before}


def _resident() -> float:
    """Megabytes that this process holds."""
    status = Path("/proc/self/status").read_text()
    return next(int(line.split()[1]) / 1024 for line in status.splitlines() if line.startswith("VmRSS"))


def _network(side: str, name: str) -> dict:
    import xorexport.network  # starts TensorFlow quietly

    assert xorexport.network
    import keras

    # What both sides import on the way is not what is compared.
    import onnxruntime
    import tf2onnx

    assert onnxruntime
    assert tf2onnx
    keras.utils.set_random_seed(1)
    model = getattr(keras.applications, name)(input_shape=(96, 96, 3), weights=None)
    with tempfile.TemporaryDirectory() as folder:
        result = _measured(lambda root: (_own if side == "own" else _stock)(model, root), Path(folder))
        written = [file for file in (Path(folder) / "model.savedmodel").rglob("*") if file.is_file()]
        size = sum(file.stat().st_size for file in written) / 1e6
    return {**result, "size": size, "weights": 4 * model.count_params() / 1e6}


def _stock(model, root: Path) -> None:
    model.export(root / "stock", format="tf_saved_model", verbose=False)
    model.export(root / "stock.tflite", format="litert", verbose=False)
    model.export(root / "stock.onnx", format="onnx", verbose=False)


def _own(model, root: Path) -> None:
    from xorexport.exporters.base import ExportOptions
    from xorexport.registry import FORMATS as REGISTERED
    from xorexport.registry import load
    from xorexport.tracing.trace import trace

    traced = trace(model)
    for name in FORMATS:
        exporter = load(REGISTERED[name].exporter, name)
        plan = next(exporter.plans(traced))
        exporter.export(traced.retraced(plan), ExportOptions(), "model", root, name)


def _chain(kind: str) -> dict:
    import xorexport.network

    assert xorexport.network
    import keras
    from keras import layers

    def make(count: int):
        if kind == "dense":
            stack = [keras.Input((16,)), *(layers.Dense(16, activation="relu") for _ in range(count))]
        else:
            stack = [keras.Input((8, 8, 4)), *(layers.Conv2D(4, 3, padding="same") for _ in range(count))]
        return keras.Sequential(stack)

    seconds = []
    for count in (10, *LAYERS):  # ten to warm up
        model = make(count)
        with tempfile.TemporaryDirectory() as folder:
            started = time.perf_counter()
            _own(model, Path(folder))
            seconds.append(time.perf_counter() - started)
    return {"seconds": seconds[1:]}


if __name__ == "__main__":
    part, what = sys.argv[1:]
    print(json.dumps(_chain(what) if part == "chain" else _network(part, what)))
