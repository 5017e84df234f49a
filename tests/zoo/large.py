"""A model of 2.5 GB: SavedModel and ONNX hold it and verify within 20 GB of memory, TFLite is refused with the reason.

`make zoo-large`; far too large for the ordinary tests, which do the same with the limits made small.
"""

import resource
import sys
import tempfile
import time
from pathlib import Path

import keras
from keras import layers

from xorexport.bundle import Bundle
from xorexport.pipeline import ExportRequest, export
from xorexport.progress import Listener
from xorexport.results import Outcome

ROWS, WIDTH = 9_800_000, 64
MEMORY_GB = 20


class Steps(Listener):
    def step(self, text: str) -> None:
        print(f"{time.monotonic() - STARTED:6.0f} s, peak {peak_gb():4.1f} GB: {text}", flush=True)


def peak_gb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6


def model() -> keras.Model:
    ids = keras.Input((8,), dtype="int32", name="ids")
    hidden = layers.GlobalAveragePooling1D()(layers.Embedding(ROWS, WIDTH, name="table")(ids))
    return keras.Model(ids, layers.Dense(3, name="y")(hidden), name="large")


def main() -> int:
    with tempfile.TemporaryDirectory() as folder:
        report = export(ExportRequest(model=model(), keep_going=True), Path(folder) / "bundle", Steps())
        artifacts = {artifact.format: artifact for artifact in Bundle.read(Path(folder) / "bundle").manifest.artifacts}
    for artifact in artifacts.values():
        print(f"{artifact.path}: {artifact.size:,} bytes in {len(artifact.files)} files")
    for refusal in report.refused:
        print(refusal.reason)
    outcomes = {row.engine: row.outcome for row in report.parity}
    print(", ".join(f"{engine} {outcome}" for engine, outcome in outcomes.items()), f"peak {peak_gb():.1f} GB")
    good = (
        set(artifacts) == {"keras", "savedmodel", "onnx"}
        and len(artifacts["onnx"].files) == 2
        and [refusal.format for refusal in report.refused] == ["tflite"]
        and "below 2 GB" in report.refused[0].reason
        and set(outcomes.values()) == {Outcome.PASS}
        and peak_gb() <= MEMORY_GB
    )
    return 0 if good else 1


if __name__ == "__main__":
    STARTED = time.monotonic()
    sys.exit(main())
