"""Nodes of what stands between layers: sums, concatenations, poolings, reshapes, functions."""

import math
from typing import Any

import numpy as np

from jcnn import ops
from jcnn.graph.drafts import Draft
from jcnn.graph.marked import pool_settings
from jcnn.graph.patterns import function_of, pooling_of
from jcnn.graph.program import Equation, Program, Value

ACCEPTED = (
    "the layers of jcnn, nnx.Conv, ConvTranspose, Linear, BatchNorm, GroupNorm, LayerNorm and "
    "Dropout, the functions of jcnn.ops, activations, poolings, sums, products, concatenations, "
    "zero padding, cropping and flattening"
)


def draft_between(program: Program, equation: Equation) -> Draft | None:
    """The draft of an unmarked equation, with those before it that it needs; None if unknown."""
    value = equation.output
    found = function_of(program, value)
    if found is not None:
        settings = {"function": found.name, **found.settings}
        return Draft("activation", settings, (found.x,), function=found.function)
    over_space = pooling_of(program, value)
    if over_space is not None:
        return Draft(
            over_space.name, over_space.settings, (over_space.x,), function=over_space.function
        )
    match equation.primitive:
        case "add" | "add_any" | "mul" | "sub" | "div":
            return _average_pool(program, equation) or _arithmetic(program, equation)
        case "concatenate":
            return _concatenate(program, equation)
        case "reduce_window_max":
            (x,) = equation.inputs
            window = _window(equation)
            return None if window is None else Draft("max_pool", pool_settings(window), (x,))
        case "reshape" | "squeeze" | "broadcast_in_dim" | "expand_dims":
            return _reshape(equation)
        case "pad":
            return _pad(program, equation)
        case "slice":
            return _slice(equation)
    return None


def _arithmetic(program: Program, equation: Equation) -> Draft | None:
    a, b = (_unbroadcast(program, one) for one in equation.inputs)
    name = {"mul": "multiply", "div": "divide"}.get(equation.primitive, "add")
    if not program.is_constant(a) and not program.is_constant(b):
        if equation.primitive in ("sub", "div"):
            return None
        batch = equation.output.shape[0]
        together = np.broadcast_shapes(a.shape, b.shape) == equation.output.shape
        if not together or (a.shape[0], b.shape[0]) != (batch, batch):
            return None
        return Draft(name, {}, (a, b))
    if program.is_constant(a):
        if equation.primitive in ("sub", "div"):
            return None
        a, b = b, a
    if len(b.shape) == len(a.shape) > 1 and b.shape[0] != 1:
        return None
    if a.shape != equation.output.shape:
        return None
    constant = program.constant(b)  # which may be a tracer: a parameter that is not drawn yet
    if equation.primitive == "sub":
        constant = -constant
    if constant.dtype != equation.output.dtype:
        constant = constant.astype(equation.output.dtype)
    return Draft(name, {}, (a,), {"constant": constant})  # a variable of the model is that array


def _unbroadcast(program: Program, value: Value) -> Value:
    """What NumPy's rules of broadcasting made `value` of, or `value` itself.

    Of the image, only axes of size 1 are repeated; constants may lack the first axes.
    """
    equation = program.by(value)
    if equation is None or equation.primitive != "broadcast_in_dim":
        return value
    (before,) = equation.inputs[:1]
    rank, missing = len(value.shape), len(value.shape) - len(before.shape)
    in_place = tuple(equation.params["broadcast_dimensions"]) == tuple(range(missing, rank))
    return before if in_place and (not missing or program.is_constant(before)) else value


def _average_pool(program: Program, equation: Equation) -> Draft | None:
    """A sum over windows, divided by the number of cells without padding."""
    if equation.primitive not in ("div", "mul"):
        return None
    total, count = equation.inputs
    sums = program.by(total)
    if sums is None or sums.primitive != "reduce_window_sum" or not program.is_constant(count):
        return None
    window = _window(sums)
    if window is None:
        return None
    divisor = np.asarray(program.constant(count))
    divisor = 1 / divisor if equation.primitive == "mul" else divisor
    (x,) = sums.inputs
    cells = window.cells_inside()
    if divisor.ndim == 0:
        cells = cells if (cells == cells.flat[0]).all() else np.zeros(1)
    elif divisor.ndim == 4:
        divisor = divisor[0, :, :, 0]
    same = np.broadcast_shapes(divisor.shape, cells.shape) == cells.shape
    if not same or not np.allclose(divisor, cells, rtol=1e-6):
        return None
    return Draft("average_pool", pool_settings(window), (x,))


def _window(equation: Equation) -> ops.Window | None:
    """The window of a reduction over height and width."""
    params = equation.params
    per_axis = zip(
        *(params[key] for key in ("window_dimensions", "window_strides", "padding")),
        *(params[key] for key in ("base_dilation", "window_dilation")),
        strict=True,
    )
    axes = list(per_axis)
    plain = (1, 1, (0, 0), 1, 1)
    if len(axes) != 4 or axes[0] != plain or axes[3] != plain:
        return None
    if any(axis[3:] != (1, 1) for axis in axes):
        return None
    (height, down, rows, *_), (width, right, columns, *_) = axes[1:3]
    size = equation.inputs[0].shape[1:3]
    return ops.resolve_window(
        (size[0], size[1]), (height, width), stride=(down, right), padding=(rows, columns)
    )


def _concatenate(program: Program, equation: Equation) -> Draft | None:
    axis = int(equation.params["dimension"])
    if axis == 0 or any(program.is_constant(one) for one in equation.inputs):
        return None
    rank = len(equation.output.shape)
    return Draft("concatenate", {"axis": axis - rank}, equation.inputs)


def _reshape(equation: Equation) -> Draft | None:
    (x,) = equation.inputs[:1]
    y = equation.output
    same_batch = x.shape[:1] == y.shape[:1] and math.prod(x.shape) == math.prod(y.shape)
    if equation.primitive == "broadcast_in_dim":  # only where it adds axes of size 1, in order
        axes = equation.params["broadcast_dimensions"]
        same_batch = same_batch and list(axes) == sorted(axes)
    if not same_batch:
        return None
    if len(y.shape) == 2:
        return Draft("flatten", {}, (x,))
    return Draft("reshape", {"shape": y.shape[1:]}, (x,))


def _pad(program: Program, equation: Equation) -> Draft | None:
    x, filler = equation.inputs
    config = [tuple(map(int, axis)) for axis in equation.params["padding_config"]]
    fits = len(config) == 4 and config[0] == config[3] == (0, 0, 0)
    zero = program.is_constant(filler) and not np.any(np.asarray(program.constant(filler)))
    if not fits or not zero or any(axis[2] for axis in config):
        return None
    sides = [axis[:2] for axis in config[1:3]]
    if all(side >= 0 for axis in sides for side in axis):
        return Draft("zero_pad", {"padding": (sides[0], sides[1])}, (x,))
    return None


def _slice(equation: Equation) -> Draft | None:
    (x,) = equation.inputs
    starts, limits = equation.params["start_indices"], equation.params["limit_indices"]
    strides = equation.params["strides"] or (1,) * len(starts)
    whole = [begin == 0 and end == n for begin, end, n in zip(starts, limits, x.shape, strict=True)]
    if len(x.shape) != 4 or set(strides) != {1} or not (whole[0] and whole[3]):
        return None
    sides: Any = [(int(starts[a]), int(x.shape[a] - limits[a])) for a in (1, 2)]
    return Draft("crop", {"cropping": (sides[0], sides[1])}, (x,))
