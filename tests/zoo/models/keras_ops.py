"""The functions of `keras.ops`, each called on numbers of both signs and zeros, whole ones where it takes them.

Functions that Keras itself cannot trace for a batch of any size, or that mix its rows, are left out: `gcd`, `lcm`,
`isin`, `unravel_index`, `lstsq`, `lu_factor`, `nanmedian`, `argpartition`, `histogram`, `unique` and such.
"""

from collections.abc import Callable

import keras
import numpy as np
from keras import ops

from zoo.calls import CASTS, ELEMENTWISE, HALVES, LINES, PAIRS, QUANTILES, REDUCTIONS, ROW_BY_ROW, WHOLE
from zoo.registry import kind
from zoo.values import definite, side_by_side, small

TURN = np.float32([0.9, -0.3, 1.2, 0.25, 1.1, -0.7, 0, 0])


def counts(x, number):
    """The same number for every row."""
    return 0 * small(x[:, 0, 0]) + number


SQUARES = {
    "diagonal": lambda x: ops.diagonal(x, axis1=1, axis2=2),
    "diag": lambda x: x @ ops.diag(np.float32([1, 2, 3, 4, 5, 6])),
    "diagflat": lambda x: x @ ops.diagflat(np.float32([1, 2, 3, 4, 5, 6])),
    "dot_product_attention": lambda x: ops.dot_product_attention(*[ops.reshape(x, (-1, 4, 2, 3))] * 3, is_causal=True),
    "dsplit": lambda x: ops.dsplit(x, 2)[1],
    "dstack": lambda x: ops.dstack([x, x]),
    "expand_dims": lambda x: ops.expand_dims(x, 1),
    "fft2": lambda x: side_by_side(ops.fft2((x, ops.sin(x)))),
    "ifft2": lambda x: side_by_side(ops.ifft2((x, ops.sin(x)))),
    "flip": lambda x: ops.flip(x, axis=1),
    "fliplr": ops.fliplr,
    "hsplit": lambda x: ops.hsplit(x, 2)[1],
    "hstack": lambda x: ops.hstack([x, x]),
    "matmul": lambda x: ops.matmul(x, ops.transpose(x, (0, 2, 1))),
    "moveaxis": lambda x: ops.moveaxis(x, -1, 1),
    "pad": lambda x: ops.pad(x, ((0, 0), (1, 2), (0, 1)), constant_values=0.5),
    "pad_reflect": lambda x: ops.pad(x, ((0, 0), (1, 1), (2, 2)), mode="reflect"),
    "pad_symmetric": lambda x: ops.pad(x, ((0, 0), (1, 1), (2, 2)), mode="symmetric"),
    "reshape": lambda x: ops.reshape(x, (-1, 3, 8)),
    "rot90": lambda x: ops.rot90(x, axes=(1, 2)),
    "split": lambda x: ops.split(x, 2, axis=1)[1],
    "squeeze": lambda x: ops.squeeze(x[:, :1], axis=1),
    "stack": lambda x: ops.stack([x, 2.0 * x], axis=1),
    "swapaxes": lambda x: ops.swapaxes(x, 1, 2),
    "tensordot": lambda x: ops.tensordot(x, np.ones((6, 2), "float32"), axes=1),
    "trace": lambda x: ops.trace(x, axis1=1, axis2=2),
    "transpose": lambda x: ops.transpose(x, (0, 2, 1)),
    "tri": lambda x: x * ops.tri(4, 6),
    "tril": ops.tril,
    "triu": ops.triu,
    "max_pool_1d": lambda x: ops.max_pool(x, 2, 2),
    "adaptive_average_pool_1d": lambda x: ops.adaptive_average_pool(x, (3,)),
    "adaptive_max_pool_1d": lambda x: ops.adaptive_max_pool(x, (3,)),
    "istft": lambda x: ops.istft((x[:, :, :3], ops.sin(x[:, :, 3:])), 4, 2, 4),
    "ctc_decode": lambda x: ops.ctc_decode(x, counts(x, 4))[1],
    "ctc_loss": lambda x: ops.ctc_loss(ops.ones_like(small(x)[:, 0, :2]), x, counts(x, 2), counts(x, 4)),
    "batch_normalization": lambda x: ops.batch_normalization(
        x, np.float32([1, 2, 3, 4, 5, 6]), np.ones(6, "float32"), -1
    ),
}
MATRICES = {
    "cholesky": lambda x: ops.cholesky(definite(x)),
    "cholesky_inverse": lambda x: ops.cholesky_inverse(ops.cholesky(definite(x))),
    "det": lambda x: ops.det(definite(x) / 5.0),
    "slogdet": lambda x: ops.slogdet(definite(x))[1],
    "logdet": lambda x: ops.logdet(definite(x)),
    "eigh": lambda x: ops.eigh(definite(x))[0],
    "eig": lambda x: ops.real(ops.eig(definite(x))[0]),
    "inv": lambda x: ops.inv(definite(x)),
    "matrix_rank": lambda x: ops.matrix_rank(definite(x)),
    "pinv": lambda x: ops.pinv(definite(x)),
    "qr": lambda x: ops.qr(definite(x))[1],
    "solve": lambda x: ops.solve(definite(x), x),
    "solve_triangular": lambda x: ops.solve_triangular(ops.triu(definite(x)), x),
    "svd": lambda x: ops.svd(definite(x), compute_uv=False),
}
IMAGES = {
    "average_pool": lambda x: ops.average_pool(x, 2, 1, padding="same"),
    "max_pool": lambda x: ops.max_pool(x, 3, 2, padding="same"),
    "adaptive_average_pool": lambda x: ops.adaptive_average_pool(x, (3, 4)),
    "adaptive_max_pool": lambda x: ops.adaptive_max_pool(x, (3, 4)),
    "conv": lambda x: ops.conv(x, np.ones((2, 3, 3, 2), "float32"), padding="same", strides=2),
    "depthwise_conv": lambda x: ops.depthwise_conv(x, np.ones((3, 3, 3, 2), "float32"), 1),
    "separable_conv": lambda x: ops.separable_conv(
        x, np.ones((3, 3, 3, 2), "float32"), np.ones((1, 1, 6, 2), "float32")
    ),
    "depth_to_space": lambda x: ops.depth_to_space(ops.concatenate([x] * 4, axis=-1), 2),
    "space_to_depth": lambda x: ops.space_to_depth(x, 2),
    "affine_transform": lambda x: ops.image.affine_transform(x, TURN),
    "affine_reflect": lambda x: ops.image.affine_transform(x, TURN, fill_mode="reflect"),
    "affine_wrap": lambda x: ops.image.affine_transform(x, TURN, fill_mode="wrap"),
    "crop_images": lambda x: ops.image.crop_images(x, top_cropping=1, left_cropping=2, target_height=4, target_width=3),
    "pad_images": lambda x: ops.image.pad_images(x, top_padding=1, left_padding=2, target_height=11, target_width=9),
    "extract_patches": lambda x: ops.image.extract_patches(x, (2, 3)),
    "gaussian_blur": lambda x: ops.image.gaussian_blur(x),
    "hsv_to_rgb": lambda x: ops.image.hsv_to_rgb(ops.sigmoid(x)),
    "rgb_to_hsv": lambda x: ops.image.rgb_to_hsv(ops.sigmoid(x)),
    "rgb_to_grayscale": ops.image.rgb_to_grayscale,
    "perspective_transform": lambda x: ops.image.perspective_transform(
        x, np.float32([[0, 0], [0, 5], [7, 0], [7, 5]]), np.float32([[1, 0], [0, 5], [6, 1], [7, 4]])
    ),
    **{
        f"resize_{method}": (lambda x, m=method: ops.image.resize(x, (5, 9), interpolation=m))
        for method in ["nearest", "bilinear", "bicubic", "lanczos3", "lanczos5", "area"]
    },
    "resize_antialias": lambda x: ops.image.resize(x, (5, 4), antialias=True),
    "sobel_edges": ops.image.sobel_edges,
    "ssim": lambda x: ops.image.ssim(ops.sigmoid(x), ops.sigmoid(2.0 * x), filter_size=3),
}
VOLUMES = {
    "average_pool_3d": lambda x: ops.average_pool(x, 2, 1, padding="same"),
    "max_pool_3d": lambda x: ops.max_pool(x, 2, 2),
    "conv_3d": lambda x: ops.conv(x, np.ones((2, 2, 2, 2, 3), "float32")),
    "extract_patches_3d": lambda x: ops.image.extract_patches_3d(x, 2),
    "adaptive_average_pool_3d": lambda x: ops.adaptive_average_pool(x, (2, 2, 2)),
}
TABLE = {
    "elementwise": ((6,), ELEMENTWISE),
    "pairs": ((6,), PAIRS),
    "whole": ((6,), WHOLE),
    "casts": ((6,), CASTS),
    "halves": ((6,), HALVES),
    "quantiles": ((6,), QUANTILES),
    "reductions": ((6,), REDUCTIONS),
    "row_by_row": ((6,), ROW_BY_ROW),
    "lines": ((6,), LINES),
    "squares": ((4, 6), SQUARES),
    "matrices": ((4, 6), MATRICES),
    "images": ((8, 6, 3), IMAGES),
    "volumes": ((6, 5, 4, 2), VOLUMES),
}
"""By group: the shape of a row, and the functions."""
CODE = "a model without code in its file"
UNREADABLE = "a model that Keras can load"
REFUSED_BY_TFLITE = {
    "AddV2": "add_int8 add_uint8",
    "ArgMax": "argmax_int64",
    "BitwiseAnd": "bitwise_and_int64",
    "BitwiseOr": "bitwise_or_int64",
    "BitwiseXor": "bitwise_xor_int64",
    "CTCGreedyDecoder": "ctc_decode",
    "FloorDiv": "floor_divide_int64",
    "MatrixDeterminant": "det",
    "Maximum": "maximum_int8 maximum_uint8",
}
REFUSED_BY_BOTH = {
    "BesselI0": "i0",
    "Cholesky": "cholesky cholesky_inverse logdet",
    "Eig": "eig",
    "Empty": "ctc_loss",
    "ImageProjectiveTransformV3": "affine_reflect affine_wrap",
    "LogMatrixDeterminant": "slogdet",
    "MatrixInverse": "inv",
    "MatrixSolve": "solve",
    "MatrixTriangularSolve": "solve_triangular",
    "NextAfter": "nextafter",
    "Qr": "qr",
    "SelfAdjointEigV2": "eigh",
    "Svd": "matrix_rank pinv svd",
}
REFUSED = (
    *((names, {"tflite": op}) for op, names in REFUSED_BY_TFLITE.items()),
    *((names, {"tflite": op, "onnx": op}) for op, names in REFUSED_BY_BOTH.items()),
    ("left_shift_int64", {"tflite": "LeftShift", "onnx": "BitShift"}),
    ("maximum_int16", {"tflite": "Maximum", "onnx": "Max(13)"}),
    ("right_shift_int64", {"tflite": "RightShift", "onnx": "BitShift"}),
    ("adaptive_average_pool adaptive_max_pool", {"keras": UNREADABLE}),
    ("adaptive_average_pool_1d adaptive_max_pool_1d", {"keras": UNREADABLE}),
    ("adaptive_average_pool_3d", {"keras": UNREADABLE}),
    ("fori_loop while_loop", {"keras": "Loop', which takes arguments and has no get_config"}),
    ("map vectorized_map", {"keras": CODE}),
    ("scan", {"keras": CODE, "onnx": "TensorListReserve"}),
    ("switch", {"keras": CODE, "tflite": "StatelessCase in operation 'switch'", "onnx": "_SwitchN"}),
    ("view", {"onnx": "Bitcast"}),
)
"""Functions that are refused, and by which formats, with the op that they name."""
SAMPLE = ("casts", "halves", "volumes", "add_int8_add_uint8", "qr", "det", "view", "switch", "scan")
"""The part that runs in the ordinary tests."""


def register(group: str, shape: tuple[int, ...], functions: dict[str, Callable]) -> None:
    """A kind for the whole group with an output a function, and others for those that a format refuses."""
    left = dict(functions)
    for names, reasons in REFUSED:
        refused = {name: left.pop(name) for name in names.split() if name in left}
        if refused:
            _register("_".join(refused), shape, refused, refused=reasons)
    if left:
        _register(group, shape, left)


def _register(name: str, shape: tuple[int, ...], functions: dict[str, Callable], **options) -> None:
    def create() -> keras.Model:
        x = keras.Input(shape, name="x")
        return keras.Model(x, {output: function(x) for output, function in functions.items()})

    create.__name__, create.__doc__ = f"ops_{name}", f"Functions of keras.ops: {name.replace('_', ' ')}."
    kind(sample=name in SAMPLE, **options)(create)


for group, (shape, functions) in TABLE.items():
    register(group, shape, functions)
