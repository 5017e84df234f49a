"""The user's own Python, from the current folder as well; it runs here, and may raise anything."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

from xorexport.errors import UsageError, brief


def import_module(name: str) -> ModuleType:
    """Import a module.

    Raises:
        UsageError: it is not there, or fails.
    """
    try:
        return _import(name)
    except (Exception, SystemExit) as error:
        raise UsageError(
            "--import",
            expected="a Python module that can be imported from here",
            found=f"'{name}': {brief(error)}",
            remedy="give its name without .py, and run the command in the folder that holds it",
        ) from error


def import_attribute(source: str, subject: str) -> Any:
    """What `package.module:name` is; the name may have dots.

    Raises:
        UsageError: it is not there, or its module fails.
    """
    module_name, _, attribute = source.partition(":")
    try:
        found: Any = _import(module_name)
        for name in attribute.split("."):
            found = getattr(found, name)
    except (Exception, SystemExit) as error:
        raise UsageError(
            subject,
            expected="package.module:function that can be imported from here",
            found=brief(error),
            remedy="check the name, and run the command in the folder that holds the package",
        ) from error
    return found


def _import(name: str) -> ModuleType:
    """As `python -m` does, which finds modules in the current folder."""
    if "" not in sys.path and str(Path.cwd()) not in sys.path:
        sys.path.insert(0, str(Path.cwd()))
    return importlib.import_module(name)
