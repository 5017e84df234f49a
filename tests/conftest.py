"""Bundles that many tests share: exported once a run, in this process. A test that changes one takes a copy."""

import shutil

import pytest
from support import FORMATS, SAMPLE_MODELS, finish, sample_model, start

from xorexport.garbage import collect_rarely

collect_rarely()


@pytest.fixture(autouse=True)
def engines_in_their_order():
    """An engine that a test takes out comes back as the last one, and their order decides which one predicts."""
    from xorexport.registry import ENGINES

    before = dict(ENGINES)
    yield
    if list(ENGINES) != list(before):
        ENGINES.clear()
        ENGINES.update(before)


@pytest.fixture(scope="session")
def bundles(tmp_path_factory):
    """Exports a model of `sample_models` by name, or `xor`, the default network; returns the bundle's folder."""
    root, made = tmp_path_factory.mktemp("bundles"), {}

    def bundle(name):
        if name not in made:
            from xorexport.pipeline import ExportRequest, export

            made[name] = export(ExportRequest(model=None if name == "xor" else sample_model(name)), root / name)
        assert made[name].exit_code == 0, [row for row in made[name].rows() if row.outcome != "PASS"]
        return root / name

    return bundle


@pytest.fixture(scope="session")
def xor(bundles):
    """The default network's bundle, not to be changed."""
    return bundles("xor")


@pytest.fixture
def copy_of(bundles, tmp_path):
    """Copies a bundle by the name of its model, for a test that changes it."""

    def copy(name):
        return shutil.copytree(bundles(name), tmp_path / name)

    return copy


@pytest.fixture(params=SAMPLE_MODELS)
def any_bundle(request, bundles):
    """Each sample model's bundle in turn."""
    return bundles(request.param)


@pytest.fixture(params=FORMATS)
def any_format(request):
    """Each registered format in turn."""
    return request.param


@pytest.fixture(scope="session")
def fresh_exports(tmp_path_factory):
    """The default network and a `.keras` file, each exported by the command line in two processes of its own.

    Returns:
        By the model's name: for each process the bundle's folder and what the process printed.
    """
    root = tmp_path_factory.mktemp("fresh")
    sample_model("convnet").save(root / "convnet.keras")
    made = {}
    for name, model in (("xor", ()), ("convnet", (root / "convnet.keras",))):
        folders = [root / run / name for run in ("first", "second")]
        running = [start("-m", "xorexport", "export", *model, "-o", folder) for folder in folders]
        made[name] = [(folder, finish(process)) for folder, process in zip(folders, running, strict=True)]
        for _, result in made[name]:
            assert result.returncode == 0, result.stdout + result.stderr
    return made
