"""Errors: one line each that says what was expected, what was found and what to do, and the exit code."""

import inspect

import pytest

from xorexport import errors
from xorexport.errors import MismatchError, XorexportError

KINDS = [kind for _, kind in inspect.getmembers(errors, inspect.isclass) if issubclass(kind, XorexportError)]


@pytest.mark.parametrize("kind", KINDS)
def test_an_error_is_one_line_whatever_was_found(kind):
    error = kind("a.keras", expected="a\nmodel", found="  two\n\n lines\tand a tab ", remedy="save it again")
    assert str(error) == "a.keras: expected a model, found two lines and a tab ; save it again"


@pytest.mark.parametrize("kind", KINDS)
def test_only_a_mismatch_ends_with_1(kind):
    error = kind("s", expected="e", found="f", remedy="r")
    assert error.exit_code == (1 if isinstance(error, MismatchError) else 2)


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_is_told_from_others_and_says_what_it_is(kind):
    assert kind.__doc__
    assert issubclass(kind, XorexportError)
    assert kind.__name__.endswith("Error")


def test_the_exit_codes_are_those_of_the_help():
    from xorexport.arguments import EXIT_CODES

    assert (errors.EXIT_OK, errors.EXIT_MISMATCH, errors.EXIT_TROUBLE) == (0, 1, 2)
    assert [line.split()[0] for line in EXIT_CODES.splitlines()[1:]] == ["0", "1", "2"]


def test_an_error_keeps_its_parts():
    error = MismatchError("s", expected="e", found="f", remedy="r")
    assert (error.subject, error.expected, error.found, error.remedy) == ("s", "e", "f", "r")
