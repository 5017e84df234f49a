"""What every engine is: it opens an artifact and runs named arrays. Sessions do not compare predictions."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Self, final

import numpy as np

from xorexport.dtypes import name_of
from xorexport.errors import EngineError, MismatchError, UsageError, XorexportError, brief
from xorexport.spec import Artifact, Signature, TensorSpec

OPEN_SHAPES = "open_shapes"
"""A detail of artifacts that were not exported here: an engine may know more of their shapes than the file says, or
less, so only what it is given and what it returns is held against them."""


class Runtime(ABC):
    """An engine in one configuration.

    Attributes:
        imports: modules of the user's that define what a file names; most formats need none.
    """

    imports: tuple[str, ...] = ()

    @final
    def open(self, artifact: Artifact, root: Path, *, unsafe: bool = False, imports: tuple[str, ...] = ()) -> Session:
        """Load the artifact from the bundle's folder `root`, and check its names, order, dtypes and shapes.

        Args:
            unsafe: whether Python code inside the file may run; most formats cannot hold any.
            imports: as the attribute.

        Raises:
            EngineUnavailableError: the engine lacks an op that the file needs, or may not run it.
            EngineError: the engine fails on the file.
            MismatchError: names, order, dtypes or shapes in the file are not those of the manifest.
        """
        self.imports = imports
        try:
            session = self._open(artifact, root, unsafe)
        except XorexportError:
            raise
        except Exception as error:
            raise EngineError(
                str(root / artifact.path),
                expected="a file that the engine can load",
                found=brief(error),
                remedy="export it again, or copy it whole",
            ) from error
        session.check_interface()
        return session

    @abstractmethod
    def _open(self, artifact: Artifact, root: Path, unsafe: bool) -> Session:
        """Load the artifact; whatever the engine raises becomes an `EngineError`."""


class Session(ABC):
    """A loaded model. It is a context manager, and frees the model when it ends."""

    def __init__(self, artifact: Artifact) -> None:
        self._signature = artifact.signature
        self._artifact = artifact

    @abstractmethod
    def interface(self) -> Signature:
        """Inputs and outputs as the engine reports them, in the file's own order."""

    @abstractmethod
    def _run(self, inputs: Mapping[str, np.ndarray]) -> Mapping[str, np.ndarray]:
        """Run the engine; arrays by canonical name."""

    def close(self) -> None:  # noqa: B027 - most engines have nothing to close
        """Free what the engine holds."""

    @final
    def check_interface(self) -> None:
        """Hold what the engine reports against the manifest's signature.

        Raises:
            MismatchError: something differs; the first difference is named.
        """
        found = self.interface()
        for side, expected_specs, found_specs in (
            ("inputs", self._signature.inputs, found.inputs),
            ("outputs", self._signature.outputs, found.outputs),
        ):
            exact = OPEN_SHAPES not in self._artifact.details
            expected_text, found_text = _describe(expected_specs, exact), _describe(found_specs, exact)
            if expected_text != found_text:
                raise MismatchError(
                    f"{self._artifact.path}, {side}",
                    expected=expected_text,
                    found=found_text,
                    remedy="export the bundle again; consumers would address the wrong tensor",
                )

    @final
    def run(self, inputs: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Run one batch.

        Args:
            inputs: by canonical name, of the signature's dtypes and shapes.

        Returns:
            Outputs by canonical name, in the signature's order.

        Raises:
            UsageError: an input is missing, unknown, or of another dtype or shape.
            MismatchError: an output is missing, unknown, or of another dtype or shape.
            EngineError: the engine fails on the inputs.
        """
        _check("input", self._signature.inputs, inputs, UsageError)
        try:
            outputs = self._run({spec.name: inputs[spec.name] for spec in self._signature.inputs})
        except XorexportError:
            raise
        except Exception as error:
            raise EngineError(
                self._artifact.path,
                expected="inputs that the model takes",
                found=brief(error),
                remedy="look at the ranges of the values, or try another engine",
            ) from error
        _check("output", self._signature.outputs, outputs, MismatchError)
        return {spec.name: outputs[spec.name] for spec in self._signature.outputs}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _describe(specs: tuple[TensorSpec, ...], shapes: bool = True) -> str:
    return ", ".join(spec.describe() if shapes else f"{spec.name} {spec.dtype}" for spec in specs)


def _check(
    side: str,
    specs: tuple[TensorSpec, ...],
    arrays: Mapping[str, np.ndarray],
    error: type[UsageError] | type[MismatchError],
) -> None:
    """Check names, dtypes and shapes of arrays against a signature."""
    expected_names, found_names = [spec.name for spec in specs], list(arrays)
    if sorted(expected_names) != sorted(found_names):
        raise error(
            f"{side} names",
            expected=", ".join(expected_names),
            found=", ".join(found_names) or "none",
            remedy=f"give every {side} by its name in the manifest",
        )
    for spec in specs:
        array = arrays[spec.name]
        fits = len(array.shape) == len(spec.shape) and all(
            size is None or size == actual for size, actual in zip(spec.shape, array.shape, strict=True)
        )
        if name_of(array.dtype) != spec.dtype or not fits:
            raise error(
                f"{side} '{spec.name}'",
                expected=spec.describe(),
                found=f"{name_of(array.dtype)}{list(array.shape)}",
                remedy=f"{side}s have the dtype and the dimensions of the signature",
            )
