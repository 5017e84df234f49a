"""THE list of the kinds of files that inputs are read from: one line each.

Entries are strings, so that listing them imports nothing. A new kind is one file with a function of a path and the
inputs' specs, and one line here.
"""

from __future__ import annotations

from xorexport.registry import BASE_HINT, Entry

INPUTS_HINT = "pip install 'xorexport[inputs]'"


def _base(target: str) -> Entry:
    return Entry(target, "numpy", BASE_HINT)


IMAGE_READER = Entry("xorexport.inputs.images:read", "PIL", INPUTS_HINT)
IMAGES = (".png", ".jpg", ".jpeg", ".bmp", ".gif", ".webp")

READERS: dict[str, Entry] = {
    ".npz": _base("xorexport.inputs.arrays:read_npz"),
    ".npy": _base("xorexport.inputs.arrays:read_npy"),
    ".csv": _base("xorexport.inputs.csv:read"),
    ".json": _base("xorexport.inputs.json:read"),
    ".parquet": Entry("xorexport.inputs.parquet:read", "pyarrow", INPUTS_HINT),
    **dict.fromkeys(IMAGES, IMAGE_READER),
}
