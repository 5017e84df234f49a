"""Putting a bundle in place: the new one stands complete, or the old one is untouched, whatever happens meanwhile."""

import json
import os
import shutil
import signal
import subprocess
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import msgspec
import pytest
from support import FORMATS, contents, finish, python, start
from test_bundle import small_manifest, write

from xorexport import publishing
from xorexport.errors import BundleError
from xorexport.publishing import check_replaceable, staged


def fill(folder, text="new"):
    """Writes a bundle of a few bytes, whose files all say `text`."""
    manifest = small_manifest(folder)
    (folder / "net.onnx").write_text(text)
    write(folder, msgspec.structs.replace(manifest, settings={"text": text}))


@pytest.fixture
def target(tmp_path):
    """A place with an old bundle."""
    with staged(tmp_path / "bundle") as folder:
        fill(folder, "old")
    return tmp_path / "bundle"


def neighbours(target):
    return sorted(path.name for path in target.parent.iterdir())


# What ends well.


def test_a_new_bundle_appears_only_when_its_block_ends(tmp_path):
    target = tmp_path / "deep" / "er" / "bundle"
    with staged(target) as folder:
        fill(folder)
        assert not target.exists()
        assert folder.parent == target.parent, "a rename is atomic only within one folder's file system"
    assert (target / "net.onnx").read_text() == "new"
    assert neighbours(target) == ["bundle"]


def test_a_bundle_replaces_the_old_one_as_a_whole(target):
    (target / "net.onnx").write_text("old and changed")
    with staged(target) as folder:
        assert list(folder.iterdir()) == []
        fill(folder)
    assert (target / "net.onnx").read_text() == "new"
    assert neighbours(target) == ["bundle"]


def test_an_empty_folder_is_filled(tmp_path):
    (tmp_path / "bundle").mkdir()
    with staged(tmp_path / "bundle") as folder:
        fill(folder)
    assert (tmp_path / "bundle" / "manifest.json").is_file()


def test_what_a_reader_holds_open_stays_readable(target):
    descriptor = os.open(target, os.O_RDONLY)
    try:
        with staged(target) as folder:
            fill(folder)
            assert os.stat("net.onnx", dir_fd=descriptor).st_size > 0
        assert (target / "net.onnx").read_text() == "new"
    finally:
        os.close(descriptor)


def test_a_link_stays_a_link_and_what_it_points_to_is_replaced(target):
    link = target.with_name("link")
    link.symlink_to(target.name)
    with staged(link) as folder:
        fill(folder)
    assert link.is_symlink()
    assert (target / "net.onnx").read_text() == "new"


def test_two_renames_do_where_folders_cannot_be_exchanged(target, monkeypatch):
    monkeypatch.setattr(publishing, "_exchange", lambda first, second: False)
    with staged(target) as folder:
        fill(folder)
    assert (target / "net.onnx").read_text() == "new"
    assert neighbours(target) == ["bundle"]


# What does not.


def publish(target, work):
    """Publishes a bundle; `work` gets its folder when all is written."""
    with staged(target) as folder:
        fill(folder)
        work(folder)


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt, SystemExit])
def test_an_error_leaves_the_old_bundle_and_nothing_else(target, error):
    def work(folder):
        raise error

    before = contents(target)
    with pytest.raises(error):
        publish(target, work)
    assert contents(target) == before
    assert neighbours(target) == ["bundle"]


def test_the_old_bundle_comes_back_where_the_second_rename_fails(target, monkeypatch):
    before = contents(target)
    monkeypatch.setattr(publishing, "_exchange", lambda first, second: False)
    monkeypatch.setattr(publishing, "_flush", shutil.rmtree)  # gone before it can be renamed
    with pytest.raises(BundleError):
        publish(target, lambda folder: None)
    assert contents(target) == before
    assert neighbours(target) == ["bundle"]


@pytest.fixture
def small_disk(tmp_path):
    """A file system of 64 kB."""
    place = tmp_path / "disk"
    place.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", place], capture_output=True)
    if mounted.returncode:
        yield None
        return
    yield place
    subprocess.run(["umount", "-l", place], check=True)


def test_a_full_disk_leaves_the_old_bundle_and_says_so(target, small_disk):
    def work(folder):
        # Without the right to mount: a file that is always full.
        (folder / "large" if small_disk else Path("/dev/full")).write_bytes(bytes(100_000))

    if small_disk is not None:
        target = small_disk / "bundle"
        publish(target, lambda folder: None)
    before = contents(target)
    with pytest.raises(BundleError, match=r"No space left on device; free the disk") as caught:
        publish(target, work)
    assert caught.value.exit_code == 2
    assert contents(target) == before
    assert neighbours(target) == ["bundle"]


SMALL_FILES = """
import json, resource, sys
from pathlib import Path
from support import sample_model
from xorexport.errors import XorexportError
from xorexport.pipeline import ExportRequest, export
from xorexport.registry import FORMATS
model = sample_model("attention")
# The system's own error, wherever a writer gets to. In a process of its own: the tests' output may be a file, too.
resource.setrlimit(resource.RLIMIT_FSIZE, (2000, 2000))
errors = {}
for name in FORMATS:
    try:
        export(ExportRequest(model=model, formats=(name,)), Path(sys.argv[1]))
    except XorexportError as error:
        errors[name] = [str(error), error.remedy]
print(json.dumps(errors))
"""


def test_every_exporter_reports_a_disk_that_takes_no_more_in_one_line(tmp_path):
    result = python(SMALL_FILES, tmp_path / "bundle")
    assert result.returncode == 0, result.stderr
    errors = json.loads(result.stdout)
    assert set(errors) == set(FORMATS)
    for line, remedy in errors.values():
        assert "\n" not in line
        assert "free the disk" in remedy
    assert list(tmp_path.iterdir()) == []


KILLED = """
import os, signal, sys
from pathlib import Path
from xorexport import publishing
from test_publishing import fill
where, target = sys.argv[1:]
def die(*_):
    os.kill(os.getpid(), signal.SIGKILL)
if where == "between the renames":
    publishing._exchange = lambda first, second: False
    rename = Path.rename
    Path.rename = lambda self, to: die() if ".xorexport-" in self.name else rename(self, to)
with publishing.staged(Path(target)) as folder:
    if where == "at the start":
        die()
    fill(folder)
    if where == "when all is written":
        die()
die()
"""


@pytest.mark.parametrize("where", ["at the start", "when all is written", "between the renames", "at the end"])
def test_a_killed_run_leaves_a_whole_bundle_and_the_next_run_sweeps_up(target, where):
    old = contents(target)
    result = finish(start("-c", KILLED, where, target))
    assert result.returncode == -signal.SIGKILL, result.stderr
    litter = [name for name in neighbours(target) if name != "bundle"]
    if where == "at the end":
        assert litter == []
        assert (target / "net.onnx").read_text() == "new"
    else:
        assert litter
    if where == "between the renames":
        assert not target.exists()  # the one moment where a reader finds nothing, on systems that cannot exchange
        with pytest.raises(RuntimeError), staged(target):
            raise RuntimeError
        assert contents(target) == old
    elif where != "at the end":
        assert contents(target) == old
    with staged(target) as folder:
        fill(folder, "newest")
    assert (target / "net.onnx").read_text() == "newest"
    assert neighbours(target) == ["bundle"]


def test_a_run_that_is_still_at_work_is_not_swept_away(target):
    code = "import sys, time; from pathlib import Path; from xorexport.publishing import staged\n"
    code += "with staged(Path(sys.argv[1])):\n    print('ready', flush=True)\n    time.sleep(60)"
    running = start("-c", code, target)
    try:
        assert running.stdout.readline() == "ready\n"
        with staged(target) as folder:
            fill(folder)
        assert f".bundle.xorexport-{running.pid}" in neighbours(target)
    finally:
        running.kill()
        running.wait()


# Where nothing may be replaced.


def refused(target, reason):
    before = contents(target) if target.is_dir() else target.read_bytes()
    with pytest.raises(BundleError, match=reason) as caught, staged(target):
        pytest.fail("work began")
    assert caught.value.exit_code == 2
    assert (contents(target) if target.is_dir() else target.read_bytes()) == before
    assert neighbours(target).count(target.name) == len(neighbours(target))


def test_a_file_is_not_replaced(tmp_path):
    (tmp_path / "bundle").write_text("mine")
    refused(tmp_path / "bundle", "found a file")


def test_a_folder_that_is_no_bundle_is_not_replaced(tmp_path):
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "mine").touch()
    refused(tmp_path / "photos", "a folder that is not a bundle")


@pytest.mark.parametrize("name", ["notes.txt", "golden/notes.txt", ".hidden"])
def test_a_bundle_with_other_files_is_not_replaced(target, name):
    path = target / name
    path.parent.mkdir(exist_ok=True)
    path.write_text("mine")
    refused(target, f"files that are not the bundle's: {name}")


@pytest.mark.parametrize("content", [b"", b"{", b'{"manifest_version": 99}', b"[]"])
def test_a_folder_with_a_manifest_that_cannot_be_read_is_not_replaced(target, content):
    (target / "manifest.json").write_bytes(content)
    refused(target, "a manifest that cannot be read")


@pytest.mark.parametrize("inside", [".", "golden"])
def test_the_folder_that_one_stands_in_is_not_replaced(target, inside, monkeypatch):
    (target / inside).mkdir(exist_ok=True)
    monkeypatch.chdir(target / inside)
    refused(target, "the folder that you are in")


def test_a_real_bundle_may_be_replaced(xor):
    check_replaceable(xor)  # raises where it may not


# Readers under load.


def read_once(target):
    """The text that manifest and file agree on, read through one open folder."""
    descriptor = os.open(target, os.O_RDONLY)
    try:
        texts = []
        for name in ("manifest.json", "net.onnx"):
            with os.fdopen(os.open(name, os.O_RDONLY, dir_fd=descriptor)) as stream:
                texts.append(stream.read())
        assert json.loads(texts[0])["settings"]["text"] == texts[1], "two bundles in one"
        return texts[1]
    except FileNotFoundError:
        # Only where another bundle took its place meanwhile: then there is one to open again.
        assert os.fstat(descriptor).st_ino != target.stat().st_ino, "the bundle that stands there is not whole"
        return None
    finally:
        os.close(descriptor)


def test_readers_never_see_half_a_bundle_or_two_in_one(target):
    texts = [f"version {number} " * 500 for number in range(6)]
    with staged(target) as folder:
        fill(folder, texts[0])
    stop = threading.Event()

    def read():
        seen = []
        while not stop.is_set():
            seen.append(read_once(target))
        return seen

    with ThreadPoolExecutor(2) as pool:
        readers = [pool.submit(read) for _ in range(2)]
        for number in range(1, 100):
            with staged(target) as folder:
                fill(folder, texts[number % len(texts)])
        stop.set()
        seen = [text for reader in readers for text in reader.result()]
    whole = [text for text in seen if text is not None]
    assert set(whole) == set(texts)
    assert len(whole) > 200
