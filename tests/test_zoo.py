"""A representative quarter of the zoo, in this process; `make zoo` runs all of it, each model in one of its own."""

import pytest
import zoo.models
from zoo.one import exported
from zoo.registry import ZOO
from zoo.result import State, Verdict, judge
from zoo.running import Limits, run

from xorexport.bundle import Bundle

assert zoo.models

FORMATS = ("savedmodel", "tflite", "onnx")
SAMPLE = [kind.name for kind in ZOO.values() if kind.sample and not kind.slow]


def test_the_zoo_is_large_enough_and_a_quarter_of_it_runs_here():
    small = [kind for kind in ZOO.values() if not kind.slow]
    assert len(small) >= 93
    assert len(SAMPLE) >= len(small) / 4
    assert {ZOO[name].group for name in SAMPLE} == {kind.group for kind in small}, "every group is represented"


@pytest.mark.parametrize("name", SAMPLE)
def test_every_format_matches_or_is_refused_as_expected(name, tmp_path):
    kind = ZOO[name]
    result = exported(name, kind.build(), FORMATS, tmp_path / "bundle")
    refused = {format_name: reason for format_name, reason in kind.refused.items() if format_name in FORMATS}
    assert judge(result, refused) in (Verdict.MATCHES, Verdict.REFUSED), result
    if not (tmp_path / "bundle").exists():
        assert set(refused) == set(FORMATS)
        return
    signature = Bundle.read(tmp_path / "bundle").manifest.signature
    if all(spec.shape[0] is None for spec in signature.inputs):
        assert {1, 3, 17} <= set(result.batches)


def test_a_model_that_takes_too_long_or_too_much_memory_is_ended_and_named():
    slow = run("lstm", FORMATS, Limits(seconds=0.2, megabytes=12000))
    large = run("lstm", FORMATS, Limits(seconds=300, megabytes=50))
    assert {found.state for found in slow.formats.values()} == {State.TIMEOUT}
    assert {found.state for found in large.formats.values()} == {State.MEMORY}
