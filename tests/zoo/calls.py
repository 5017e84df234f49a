"""Calls of the functions of `keras.ops` that take a row of numbers, by what they are about."""

import numpy as np
from keras import ops

from zoo.values import (
    chances,
    divisors,
    gaps,
    infinite,
    inner,
    numbers,
    others,
    plain,
    positive,
    rowwise,
    side_by_side,
    small,
    truth,
    whole,
)

WHOLE_DTYPES = ("int32", "int64")
SEGMENTS = np.array([0, 0, 1, 2, 2, 2], "int32")

ELEMENTWISE = {
    **plain(
        "abs absolute angle arcsinh arctan cbrt ceil celu conj conjugate copy cos cosh deg2rad elu erf erfc exp exp2"
        " expm1 fabs floor gelu hard_shrink hard_sigmoid hard_silu hard_swish hard_tanh i0 imag isfinite isinf"
        " isnan isneginf isposinf isreal leaky_relu log_sigmoid log_softmax logical_not nan_to_num negative ones_like"
        " rad2deg real relu relu6 round selu sigmoid sign signbit silu sin sinc sinh soft_shrink softmax softplus"
        " softsign sparse_plus sparse_sigmoid sparsemax square squareplus stop_gradient swish tan tanh tanh_shrink"
        " trunc zeros_like",
        numbers,
    ),
    **plain("isfinite isinf isnan isneginf isposinf", infinite, suffix="_infinite"),
    **plain("arccos arcsin arctanh erfinv", inner),
    **plain("log log10 log1p log2 reciprocal rsqrt sqrt", positive),
    "arccosh": lambda x: ops.arccosh(1.0 + positive(x)),
    "clip": lambda x: ops.clip(numbers(x), -1.0, 0.5),
    "erfc_far": lambda x: ops.log(ops.erfc(3.0 + ops.abs(x))),
    "full_like": lambda x: ops.full_like(x, 2.5),
    "gelu_exact": lambda x: ops.gelu(numbers(x), approximate=False),
    "glu": lambda x: ops.glu(numbers(x)),
    "nan_to_num_infinite": lambda x: ops.nan_to_num(infinite(x), nan=0.5, posinf=7.0, neginf=-7.0),
    "nan_outside": lambda x: ops.isnan(side_by_side([f(x) for f in (ops.arccosh, ops.log1p, ops.arctanh, ops.sqrt)])),
    "polar": lambda x: side_by_side([ops.real(ops.polar(positive(x), x)), ops.imag(ops.polar(positive(x), x))]),
    "round_decimals": lambda x: ops.round(x, 2),
    "threshold": lambda x: ops.threshold(numbers(x), 0.5, -1.0),
    "view_as_real": lambda x: ops.view_as_real(ops.polar(positive(x), x)),
}
PAIRS = {
    **plain(
        "add arctan2 divide divide_no_nan equal floor_divide fmax fmin fmod greater greater_equal heaviside hypot"
        " isclose less less_equal logaddexp logaddexp2 logical_and logical_or logical_xor maximum minimum mod multiply"
        " nextafter not_equal subtract true_divide",
        numbers,
        others,
    ),
    "divide_no_nan_zeros": lambda x: ops.divide_no_nan(others(x), numbers(x)),
    "fmax_nan": lambda x: ops.fmax(gaps(x), x),
    "fmin_nan": lambda x: ops.fmin(gaps(x), x),
    "ldexp": lambda x: ops.ldexp(x, small(x)),
    "modulo": lambda x: numbers(x) % others(x) + numbers(x) // others(x),
    "power": lambda x: ops.power(positive(x), 2.0 * x),
    "power_negative": lambda x: ops.power(others(x), 3.0),
    "select": lambda x: ops.select([x > 0.5, x < -0.5], [x, 2.0 * x], -9.0),
    "where": lambda x: ops.where(truth(x), x, -2.0),
}
WHOLE = {"bitwise_left_shift_int32": lambda x: ops.bitwise_left_shift(whole(x), small(x))}
for dtype in WHOLE_DTYPES:
    WHOLE |= plain(
        "add bitwise_and bitwise_or bitwise_xor divide equal floor_divide fmax fmod greater maximum minimum mod"
        " multiply subtract true_divide",
        lambda x, d=dtype: whole(x, d),
        lambda x, d=dtype: divisors(x, d),
        suffix=f"_{dtype}",
    )
    WHOLE |= plain(
        "left_shift right_shift",
        lambda x, d=dtype: whole(x, d),
        lambda x, d=dtype: small(x, d),
        suffix=f"_{dtype}",
    )
    WHOLE |= plain("abs bitwise_not negative sign square", lambda x, d=dtype: whole(x, d), suffix=f"_{dtype}")
    WHOLE |= rowwise("argmax argsort cumsum max min sort sum", lambda x, d=dtype: whole(x, d), suffix=f"_{dtype}")
for dtype in ("int8", "int16", "uint8"):
    WHOLE |= plain("add maximum", lambda x, d=dtype: whole(x, d), lambda x, d=dtype: small(x, d), suffix=f"_{dtype}")
WHOLE |= {
    f"one_hot_{dtype}": lambda x, d=dtype: ops.one_hot(small(x), 5, dtype=d)
    for dtype in ("float32", "int32", "int64", "bool")
}
WHOLE |= {
    "digitize": lambda x: ops.digitize(x, np.float32([-1.0, 0.0, 0.4])),
    "in_top_k": lambda x: ops.in_top_k(ops.argmax(ops.sin(9.0 * x), axis=-1), x, 2),
    "multi_hot": lambda x: ops.multi_hot(small(x), 6),
    "prod_int32": lambda x: ops.prod(divisors(x / 4.0), axis=-1),
    "power_int32": lambda x: ops.power(divisors(x), 3),
    "searchsorted": lambda x: ops.searchsorted(ops.convert_to_tensor([-1.0, 0.0, 0.4]), x[:, 0]),
    "view": lambda x: ops.view(x, "int32"),
}
CASTS = {
    f"cast_{dtype}": lambda x, d=dtype: ops.cast(ops.cast(ops.abs(10.0 * x), d), "float32")
    for dtype in ["bool", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "float64"]
} | {
    "saturate_cast": lambda x: ops.saturate_cast(300.0 * x, "uint8"),
}
HALVES = {
    "cast_bfloat16": lambda x: ops.cast(ops.cast(10.0 * x, "bfloat16"), "float32"),
    "cast_float16": lambda x: ops.cast(ops.cast(10.0 * x, "float16"), "float32"),
    "half_sum": lambda x: ops.cast(ops.sum(ops.exp(ops.cast(x, "float16")), axis=-1), "float32"),
}
REDUCTIONS = {
    **rowwise("all any", truth),
    **rowwise(
        "amax amin argmax argmin argsort average count_nonzero cumprod cumsum diff logsumexp max mean min norm"
        " normalize prod ptp sort std sum trapezoid var",
        numbers,
    ),
    **rowwise(
        "nanargmax nanargmin nancumprod nancumsum nanmax nanmean nanmin nanprod nanstd nansum nanvar",
        gaps,
    ),
    "diff_twice": lambda x: ops.diff(x, n=2, axis=-1),
    "moments": lambda x: ops.stack(ops.moments(x, axes=-1), axis=-1),
    "norm_inf": lambda x: ops.norm(x, ord=np.inf, axis=-1),
    "top_k": lambda x: side_by_side(ops.top_k(x, 3)),
}
WINDOWS = plain("bartlett blackman hamming hanning", lambda x: 6)
SEGMENTED = plain("segment_max segment_min segment_prod segment_sum", ops.transpose, lambda x: SEGMENTS, num_segments=3)
LINES = {
    **{name: lambda x, f=f: x * f(x) for name, f in WINDOWS.items()},
    "append": lambda x: ops.append(x, 2.0 * x, axis=-1),
    "arange": lambda x: x + ops.arange(6, dtype="float32"),
    "array_split": lambda x: ops.array_split(x, 4, axis=-1)[1],
    "binary_crossentropy": lambda x: ops.binary_crossentropy(chances(x), chances(2.0 * x)),
    "broadcast_to": lambda x: x * ops.broadcast_to(np.float32([2.0]), (6,)),
    "categorical_crossentropy": lambda x: ops.categorical_crossentropy(chances(x), chances(2.0 * x)),
    "cdist": lambda x: ops.cdist(ops.reshape(x, (-1, 3, 2)), ops.reshape(ops.sin(x), (-1, 3, 2))),
    "concatenate": lambda x: ops.concatenate([x, x], axis=-1),
    "cond": lambda x: ops.cond(ops.convert_to_tensor(True), lambda: x + 1.0, lambda: x),
    "correlate": lambda x: x + ops.correlate(np.float32([1, 2, 3, 4, 5, 6]), np.float32([0, 1, 0.5]), mode="same"),
    "cross": lambda x: ops.cross(x[:, :3], x[:, 3:]),
    "dot": lambda x: ops.dot(x, np.float32(np.arange(12).reshape(6, 2))),
    "einsum": lambda x: ops.einsum("bi,bj->bij", x, x),
    "fft": lambda x: side_by_side(ops.fft((x, ops.sin(x)))),
    "fori_loop": lambda x: ops.fori_loop(0, 4, lambda _, y: ops.tanh(1.3 * y + 0.1), x),
    "geomspace": lambda x: x * ops.geomspace(1.0, 32.0, 6),
    "get_item": lambda x: ops.get_item(x, (slice(None), slice(1, None, 2))),
    "irfft": lambda x: ops.irfft((x, ops.sin(x))),
    "irfft_long": lambda x: ops.irfft((x, ops.sin(x)), fft_length=16),
    "irfft_short": lambda x: ops.irfft((x, ops.sin(x)), fft_length=6),
    "layer_normalization": lambda x: ops.layer_normalization(x),
    "linspace": lambda x: x * ops.linspace(0.0, 1.0, 6),
    "logspace": lambda x: x * ops.logspace(0.0, 1.0, 6),
    "map": lambda x: ops.map(lambda row: ops.sin(row) + row[0], x),
    "outer": lambda x: ops.reshape(ops.outer(x, np.float32([1.0, -2.0])), (-1, 12)),
    "repeat": lambda x: ops.repeat(x, 2, axis=-1),
    "rfft": lambda x: side_by_side(ops.rfft(x)),
    "rfft_long": lambda x: side_by_side(ops.rfft(x, fft_length=16)),
    "rfft_short": lambda x: side_by_side(ops.rfft(x, fft_length=4)),
    "rms_normalization": lambda x: ops.rms_normalization(x),
    "roll": lambda x: ops.roll(x, 2, axis=-1),
    "scan": lambda x: ops.transpose(
        ops.scan(lambda c, y: (c + y, c * y), ops.zeros_like(x[:, 0]), ops.transpose(x))[1]
    ),
    "scatter_update": lambda x: ops.transpose(
        ops.scatter_update(ops.transpose(x), [[0], [2]], ops.transpose(x[:, 3:5]))
    ),
    **{name: lambda x, f=f: ops.transpose(f(x)) for name, f in SEGMENTED.items()},
    "slice_update": lambda x: ops.transpose(ops.slice_update(ops.transpose(x), (1, 0), ops.transpose(x[:, :2]))),
    "switch": lambda x: ops.switch(1, [lambda y: y, lambda y: y + 1.0], x),
    "take": lambda x: ops.take(x, [3, 0, -1], axis=1),
    "take_along_axis": lambda x: ops.take_along_axis(x, small(x), axis=1),
    "tile": lambda x: ops.tile(x, (1, 2)),
    "vander": lambda x: x * ops.vander(np.float32([1, 2, 3, 4, 5, 6]), 2)[:, 0],
    "vectorized_map": lambda x: ops.vectorized_map(lambda row: ops.sin(row) + row[0], x),
    "while_loop": lambda x: ops.while_loop(lambda i, y: i < 3, lambda i, y: (i + 1, ops.sin(y)), (np.int32(0), x))[1],
}
QUANTILES = {
    "median": lambda x: ops.median(x, axis=-1),
    "percentile": lambda x: ops.percentile(x, 30, axis=-1),
    "quantile": lambda x: ops.quantile(x, 0.3, axis=-1),
    "quantile_nearest": lambda x: ops.quantile(x, 0.3, axis=-1, method="nearest"),
}
"""What Keras computes in float64 in between."""
ROW_BY_ROW = {
    "extract_sequences": lambda x: ops.extract_sequences(x, 3, 2),
    "sparse_categorical_crossentropy": lambda x: ops.sparse_categorical_crossentropy(small(x)[:, 0], chances(x)),
    "stft": lambda x: side_by_side(ops.stft(ops.concatenate([x, x, x], axis=-1), 8, 4, 8)),
}
"""What TFLite holds for a batch of one alone."""
