"""`graph`: find the nodes of a model by tracing it."""

from collections.abc import Iterator, Sequence
from typing import Any

import jax
from flax import nnx

from jcnn.graph.drafts import Draft
from jcnn.graph.glue import ACCEPTED, draft_between
from jcnn.graph.marked import draft_of, is_known
from jcnn.graph.marks import Mark, trace
from jcnn.graph.node import INPUT, Graph, Node
from jcnn.graph.program import Equation, Program, Value
from jcnn.layers import Layer, as_model, eval_mode


def graph(model: nnx.Module | Sequence[Layer], input_shape: Sequence[int]) -> Graph:
    """Find the graph of a model in eval mode; nothing is computed.

    Args:
        model: a model of the zoo, a list of layers, or any NNX module made of the layers of jcnn,
            of `nnx.Conv`, `ConvTranspose`, `Linear`, `BatchNorm`, `GroupNorm`, `LayerNorm` and
            `Dropout`, of the functions of `jcnn.ops`, and of usual functions between them.
            Branches, sums and concatenations are fine.
        input_shape: `(H, W, C)` of one image.

    Raises:
        ValueError: the model does not accept such images, or computes something unknown; the
            message names the layer and the line.
    """
    module = eval_mode(as_model(model))
    try:
        closed, arrays = trace(module, tuple(input_shape), is_known)
    except (TypeError, ValueError) as error:  # a LayerError names the layer
        reason = str(error).splitlines()[0]
        raise ValueError(f"model: cannot take images of {tuple(input_shape)}: {reason}") from error
    program = Program(closed, arrays)
    if len(program.outputs) != 1:
        raise ValueError(f"model: returns {len(program.outputs)} arrays; accepted: one")
    return _named(program, tuple(input_shape), _drafts(program), _paths(module))


def _drafts(program: Program) -> list[tuple[Equation, Draft]]:
    """The drafts that the output needs, in the order of their computation."""
    (output,) = program.outputs
    if program.is_constant(output):
        raise ValueError("model: its output does not depend on its input")
    needed = {output}
    found: list[tuple[Equation, Draft]] = []
    for equation in reversed(program.equations):
        if equation.output in needed:
            draft = _draft(program, equation)
            found.append((equation, draft))
            needed.update(draft.inputs)
    return found[::-1]


def _draft(program: Program, equation: Equation) -> Draft:
    where = f"layer {equation.layer!r}" if equation.layer else "model"
    mark: Mark | None = equation.params.get("mark")
    if mark is None:
        draft = draft_between(program, equation)
        if draft is None:
            line = f" ({equation.line})" if equation.line else ""
            raise ValueError(
                f"{where}: {equation.primitive}{line} is not a known function; accepted: {ACCEPTED}"
            )
        return draft
    x, *rest = equation.inputs
    if program.is_constant(x) or not all(map(program.is_constant, rest)):
        called = mark.function.__name__ if mark.function else type(mark.module).__name__
        raise ValueError(
            f"{where}: {called} of parameters that depend on the image; accepted: constants"
        )
    arrays = dict(zip(mark.arrays[1:], map(program.constant, rest), strict=True))
    try:
        return draft_of(mark, x, arrays)
    except ValueError as error:
        raise ValueError(f"{where}: {error}") from error


def _named(
    program: Program,
    input_shape: tuple[int, ...],
    found: Sequence[tuple[Equation, Draft]],
    paths: dict[int, str],
) -> Graph:
    """Give names to drafts: the layer's own, or its input's with the function appended."""
    names: dict[Value, str] = {program.inputs[0]: INPUT}
    taken: set[str] = {INPUT}
    blocks = {parent for equation, _ in found for parent in _parents(equation.layer)}
    begun: set[tuple[str, int]] = set()  # calls of layers
    nodes = []
    for equation, draft in found:
        inputs = tuple(names[value] for value in draft.inputs)
        label = str(draft.settings.get("function", draft.kind))
        call = (equation.layer, equation.call)
        if equation.layer and equation.layer not in blocks and call not in begun:
            name = equation.layer if equation.call == 1 else f"{equation.layer}#{equation.call}"
            begun.add(call)
        elif len(inputs) == 1:
            name = f"{inputs[0].split(' ')[0]} {label}"  # the last layer, not all functions since
        else:
            name = f"{equation.layer} {label}".strip()
        name = _unique(name, taken)
        taken.add(name)
        names[equation.output] = name
        known = {role: paths[id(a)] for role, a in draft.arrays.items() if id(a) in paths}
        shape = equation.output.shape[1:]
        nodes.append(
            Node(
                name,
                draft.kind,
                draft.settings,
                inputs,
                draft.arrays,
                shape,
                known,
                equation.layer,
                draft.function,
                equation.call,
                str(equation.output.dtype),
            )
        )
    return Graph(input_shape, tuple(nodes), names[program.outputs[0]])


def _parents(path: str) -> Iterator[str]:
    """The paths above a path: "a" and "a/b" for "a/b/c"."""
    parts = path.split("/")
    for i in range(1, len(parts)):
        yield "/".join(parts[:i])


def _unique(name: str, taken: set[str]) -> str:
    number, unique = 1, name
    while unique in taken:
        number += 1
        unique = f"{name}#{number}"
    return unique


def _paths(module: nnx.Module) -> dict[int, str]:
    """The path of each variable's array in the model."""
    found: dict[int, str] = {}
    for path, variable in nnx.to_flat_state(nnx.state(module)):
        array: Any = variable[...]
        if isinstance(array, jax.Array):
            found.setdefault(id(array), "/".join(map(str, path)))
    return found
