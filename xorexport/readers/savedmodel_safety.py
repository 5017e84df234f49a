"""Finds ops in a SavedModel that touch the machine it is run on, without loading it: some run on load alone."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from xorexport.errors import UnsafeModelError
from xorexport.readers.savedmodel import graph_of

TOUCHING = re.compile(
    r"""
    (Read|Write)File | MatchingFiles | ImmutableConst               # any file
    | (Eager)?PyFunc(Stateless)?                                     # Python
    | (Save|Restore)(V2|Slice|Slices)? | MergeV2Checkpoints | ShardedFile(name|spec)
    | LoadAndRemapMatrix | GenerateVocabRemapping | InitializeTableFromTextFile(V2)?
    | .*Reader(V2)? | .*(TFRecord|TextLine|FixedLengthRecord|Sql|CSV|LMDB|Snapshot|Cache).*Dataset.* | DatasetToTFRecord
    | (Load|Save|DistributedSave)Dataset(V2)? | .*DataService.*      # files, or other machines, as data
    | .*Summary(File|Db)Writer | Write.*Summary | ImportEvent | FlushSummaryWriter
    | .*Rpc.* | Gcs.* | BigQuery.* | Bigtable.*
    | DebugIdentity.* | DebugNumericSummary.* | DebugNanCount | Copy(Host)?  # these write where an attribute says
    | Abort
    """,
    re.VERBOSE,
)
"""Ops that read or write files, reach other machines or run Python, each by its whole name."""


def check(path: Path, unsafe: bool) -> None:
    """Refuse a SavedModel that could touch the machine, unless it may.

    The functions that save and restore its own variables do not count: loading and running it calls others.

    Raises:
        UnsafeModelError: it names the ops.
        ModelError: it is not a whole SavedModel.
    """
    found = sorted(set(touching_ops(path))) if not unsafe else []
    if found:
        raise UnsafeModelError(
            str(path),
            expected="a SavedModel whose ops compute alone",
            found=f"{', '.join(found)}, which may read or write files or run programs when it is loaded or run",
            remedy="give --unsafe if you trust where it comes from",
        )


def touching_ops(path: Path) -> Iterator[str]:
    """Types of ops that touch the machine when the model is loaded or run.

    Raises:
        ModelError: it is not a whole SavedModel.
    """
    graph = graph_of(path)
    functions = {function.signature.name: function.node_def for function in graph.graph_def.library.function}
    if not graph.HasField("object_graph_def"):
        # TensorFlow 1: loading runs parts of the graph itself.
        yield "the graph of TensorFlow 1"
        return
    waiting, seen = [*_entries(graph.object_graph_def), *_alternatives(graph.graph_def.library)], set()
    while waiting:
        name = waiting.pop()
        if name in seen:
            continue
        seen.add(name)
        for node in functions.get(name, ()):
            if TOUCHING.fullmatch(node.op) or _prints_into_file(node):
                yield node.op
            waiting.extend(_called(node))


def _entries(objects: Any) -> Iterator[str]:
    """Functions that loading gives names to: signatures, methods, and what sets up resources."""
    for node in objects.nodes:
        yield from node.function.concrete_functions
        if node.HasField("bare_concrete_function"):
            yield node.bare_concrete_function.concrete_function_name


def _alternatives(library: Any) -> Iterator[str]:
    """Functions that TensorFlow may put in place of those that are called: recurrent layers have one a device."""
    yield from (function.signature.name for function in library.function if "api_implements" in function.attr)


def _called(node: Any) -> Iterator[str]:
    """Functions that a node may call; an op may also be a function's name."""
    yield node.op
    for attribute in node.attr.values():
        if attribute.HasField("func"):
            yield attribute.func.name
        yield from (function.name for function in attribute.list.func)


def _prints_into_file(node: Any) -> bool:
    return bool(node.op == "PrintV2" and node.attr["output_stream"].s.startswith(b"file:"))
