"""Progress on standard error: steps always, what lasts only in a terminal, and native notices never."""

import io
import os
import sys

import pytest

from xorexport.quiet import quiet
from xorexport.reports import progress
from xorexport.reports.progress import Silent, Terminal


class Screen(io.StringIO):
    """A standard error that may be a terminal."""

    def __init__(self, is_terminal):
        super().__init__()
        self.is_terminal = is_terminal

    def isatty(self):
        return self.is_terminal


@pytest.fixture
def screen(monkeypatch):
    def show(is_terminal):
        made = Screen(is_terminal)
        monkeypatch.setattr(sys, "stderr", made)
        return made

    return show


def tell(listener):
    with listener:
        listener.step("wrote net.onnx")
        listener.working("net.onnx on onnxruntime")
        listener.training(100, 1000, 0.25)


def test_a_pipe_gets_the_steps_alone(screen):
    shown = screen(is_terminal=False)
    tell(Terminal())
    assert shown.getvalue() == "wrote net.onnx\n"


def test_a_terminal_sees_the_work_and_it_is_cleared_at_the_end(screen):
    shown = screen(is_terminal=True)
    with Terminal() as listener:
        listener.working("net.onnx on onnxruntime")
        assert shown.getvalue() == "net.onnx on onnxruntime"
        listener.step("done")
        assert shown.getvalue().endswith("\r\x1b[Kdone\n")
        listener.working("more")
    assert shown.getvalue().endswith("more\r\x1b[K")


def test_a_bar_appears_only_where_training_takes_long(screen, monkeypatch):
    shown = screen(is_terminal=True)
    with Terminal() as listener:
        listener.training(100, 1000, 0.25)
    assert shown.getvalue() == ""
    monkeypatch.setattr(progress, "PATIENCE", 0.0)
    monkeypatch.setenv("TERM", "xterm")
    with Terminal() as listener:
        listener.training(100, 1000, 0.25)
        listener.training(200, 1000, 0.125)
        listener._bar.refresh()
    assert "200/1000" in shown.getvalue()
    assert "worst error 0.125" in shown.getvalue()


def test_a_silent_listener_shows_nothing(screen):
    shown = screen(is_terminal=True)
    tell(Silent())
    assert shown.getvalue() == ""


def test_native_notices_are_dropped_and_later_ones_are_not(capfd):
    with quiet():
        os.write(2, b"a banner\n")
    os.write(2, b"an error\n")
    assert capfd.readouterr().err == "an error\n"


def test_standard_error_comes_back_after_an_error(capfd):
    with pytest.raises(KeyError), quiet():
        raise KeyError
    os.write(2, b"heard\n")
    assert capfd.readouterr().err == "heard\n"


def test_no_descriptor_is_left_open():
    before = sorted(os.listdir("/proc/self/fd"))  # noqa: PTH208
    for _ in range(5):
        with quiet():
            pass
    assert sorted(os.listdir("/proc/self/fd")) == before  # noqa: PTH208


def test_everything_is_shown_where_that_is_asked_for(capfd, monkeypatch):
    monkeypatch.setenv("XOREXPORT_DEBUG", "1")
    with quiet():
        os.write(2, b"a banner\n")
    assert capfd.readouterr().err == "a banner\n"
