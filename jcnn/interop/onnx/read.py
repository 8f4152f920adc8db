"""Builds jcnn's model of an ONNX file."""

import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from jcnn.data.preprocessing import Preprocessing
from jcnn.graph import INPUT, Graph, Node
from jcnn.interop.imported import (
    ASSUMED,
    Imported,
    Listing,
    Row,
    chosen_shape,
    not_finite,
    without_softmax,
    zeros,
)
from jcnn.interop.onnx.call import Call, Constant
from jcnn.interop.onnx.constants import FOLDS, Folder, shape_array
from jcnn.interop.onnx.decode import OnnxModel, OnnxOperation, OnnxTensor, decode_onnx
from jcnn.interop.onnx.graph import Builder
from jcnn.interop.onnx.input import Scaling, images_of, scaling_of, written_preprocessing
from jcnn.interop.onnx.labels import label_of, named
from jcnn.interop.onnx.layers import READERS
from jcnn.interop.onnx.moments import Moment, combined, mean_of, settled
from jcnn.interop.onnx.pooling import mean_over_space
from jcnn.interop.onnx.shapes import VIEWS
from jcnn.interop.onnx.values import Value, value_of
from jcnn.system.formats import shown

# Before, sums and products aligned their arrays in another way.
OLDEST, NEWEST = 7, 28
_DOMAINS = ("", "ai.onnx")
# Numbers of an array that is read even where only shapes are wanted: it may be sizes.
_SMALL = 1024


def read_onnx(path: Path, *, input_shape: tuple[int, int, int] | None = None) -> Imported:
    """Read an ONNX model.

    Args:
        path: the file; arrays in other files are read from its folder.
        input_shape: `(H, W, C)`, for a file that leaves sizes free.

    Raises:
        ValueError: it is damaged, or has something that jcnn has not; the message names the node.
    """
    try:
        return _imported(decode_onnx(path), input_shape)
    except (ValueError, OverflowError, RecursionError) as error:
        raise ValueError(f"{shown(path)}: {_line(error)}") from None


def list_onnx(path: Path) -> Listing:
    """What is in an ONNX file, without its arrays.

    Raises:
        ValueError: it is damaged, or not a model of images.
    """
    try:
        return _listing(decode_onnx(path))
    except (ValueError, OverflowError, RecursionError) as error:
        raise ValueError(f"{shown(path)}: {_line(error)}") from None


def _line(error: Exception) -> str:
    """An error in one line; names in a file may be long and have any characters."""
    line = str(error).splitlines()[0] if str(error) else type(error).__name__
    line = line if len(line) < 400 else f"{line[:400]}..."
    return line if line.isprintable() else repr(line)


def _imported(model: OnnxModel, given: tuple[int, int, int] | None) -> Imported:
    program = _Program(model, given, with_arrays=True)
    for _, refused in program.steps():
        if refused:
            raise ValueError(refused)
    nodes, output = program.finished()
    said: tuple[str, ...] = ()
    if not program.ends_in_softmax:
        nodes, output, said = without_softmax(nodes, output)
    to = program.to
    named = ((f"{node.name}/{role}", a) for node in nodes for role, a in node.arrays.items())
    wrong = not_finite(named)
    if wrong:
        to.notes[wrong] = None
    graph = Graph(program.input_shape, nodes, output)
    preprocessing, assumed = program.preprocessing()
    names = _class_names(model, graph.shape_of(output))
    return Imported(graph, preprocessing, (*to.notes, *said, *assumed), names)


def _listing(model: OnnxModel) -> Listing:
    free, _, _ = images_of(model)
    notes: tuple[str, ...] = ()
    given = None
    if None in free:
        # Some size, so that shapes can be shown.
        height, width, channels = (
            size or default for size, default in zip(free, (224, 224, 3), strict=True)
        )
        given = (height, width, channels)
        notes = (f"images of any size: shapes are for {given}",)
    program = _Program(model, given, with_arrays=False)
    rows = []
    counted: set[str] = set()
    for node, refused in program.steps():
        arrays = [name for name in node.inputs if name in model.constants and name not in counted]
        counted.update(arrays)
        rows.append(
            Row(
                label_of(node, model.producer),
                node.kind,
                program.shape_of(node),
                sum(model.constants[name].size for name in arrays if _is_float(model, name)),
                refused.partition(": ")[2],
            )
        )
    if not any(row.refused for row in rows):
        try:
            program.finished()
        except ValueError as error:
            notes = (*notes, f"refused: {_line(error)}")
    return Listing(
        f"ONNX, opset {model.opset}{f', by {model.producer}' if model.producer else ''}",
        free,
        tuple(rows),
        (*notes, *program.to.notes),
    )


def _is_float(model: OnnxModel, name: str) -> bool:
    return model.constants[name].data_type in (1, 10, 11, 16)


def _class_names(model: OnnxModel, shape: tuple[int, ...]) -> tuple[str, ...] | None:
    """The names in the metadata, as jcnn writes them."""
    try:
        found = json.loads(model.metadata.get("class_names", ""))
    except (ValueError, RecursionError):
        return None
    fits = isinstance(found, list) and all(isinstance(one, str) and one for one in found)
    return tuple(found) if fits and (len(found),) == shape else None


Known = Value | Moment | Constant | None


class _Program:
    """The nodes of a file, translated one by one."""

    def __init__(
        self, model: OnnxModel, given: tuple[int, int, int] | None, *, with_arrays: bool
    ) -> None:
        if not model.opset >= OLDEST:
            raise ValueError(f"has opset {model.opset}; accepted: {OLDEST} or newer")
        if len(model.outputs) != 1:
            raise ValueError(f"has {len(model.outputs)} outputs; accepted: one")
        free, self._layout, self.fixed = images_of(model)
        self.input_shape = chosen_shape(free, given)
        self.model = model
        self.nodes = model.nodes
        self.to = Builder(
            self.input_shape, own=model.producer.startswith("jcnn"), with_arrays=with_arrays
        )
        if model.opset > NEWEST:
            self.to.notes[f"opset {model.opset} is newer than what jcnn knows, {NEWEST}"] = None
        self._fold = Folder(model.opset, sum(one.size for one in model.constants.values()))
        self._with_arrays = with_arrays
        self.values: dict[str, Known] = {
            model.inputs[0].name: value_of(INPUT, self.input_shape, self._layout)
        }
        self._stored: dict[str, Constant] = {}
        self._readers = Counter(name for node in self.nodes for name in node.inputs)
        self._readers[model.outputs[0].name] += 1
        self._written = written_preprocessing(model, self.input_shape)
        self.scaling: Scaling | None = None
        self.ends_in_softmax = False

    def steps(self) -> Iterator[tuple[OnnxOperation, str]]:
        """Translate; each node, and why it is refused ("" if it is not)."""
        self.scaling = scaling_of(self.model, self.nodes, self._layout, self._plain, self._written)
        skipped = self.scaling.nodes if self.scaling else ()
        for node in self.nodes:
            for name in node.outputs:
                if name and name in self.values:
                    raise ValueError(f"{node.kind}: gives {name!r}, which is there already")
            if any(node is one for one in skipped):
                assert self.scaling is not None
                layout = self.scaling.layouts[node.outputs[0]]
                self.values[node.outputs[0]] = value_of(INPUT, self.input_shape, layout)
                yield node, ""
                continue
            refused = ""
            try:
                made = self._translated(node)
            except (ValueError, TypeError, LookupError, ArithmeticError, AttributeError) as error:
                # Attributes come from a file: any may be missing or of another type.
                reason = _line(error)
                reason = reason if isinstance(error, ValueError) else f"a wrong argument: {reason}"
                refused = f"{label_of(node, self.model.producer)} ({node.kind}): {reason}"
                made = [None]
            for name, value in zip(node.outputs, made, strict=False):
                self.values[name] = self._marked(name, value, node)
            yield node, refused

    def _marked(self, name: str, value: Known, node: OnnxOperation) -> Known:
        """A value that says whether anything beside one reader uses its node."""
        if not isinstance(value, Value):
            return value
        before = [self.values.get(one) for one in node.inputs]
        views = [one for one in before if isinstance(one, Value) and one.node == value.node]
        shared = self._readers[name] > 1 or any(one.shared for one in views) or len(views) > 1
        return replace(value, shared=shared)

    def known(self, name: str) -> Constant | None:
        """A constant by name; None for what depends on the images, or is unknown."""
        if name in self._stored:
            return self._stored[name]
        if name in self.model.constants:
            tensor = self.model.constants[name]
            self._stored[name] = Constant(self._array(tensor), name, stored=True)
            return self._stored[name]
        found = self.values.get(name)
        return found if isinstance(found, Constant) else None

    def _plain(self, name: str) -> Any:
        """A constant of the file, before anything is computed; None for none, or a damaged one."""
        try:
            for node in self.nodes:
                if node.kind == "Constant" and name in node.outputs:
                    return self._fold(node, [])[0]
            found = self.known(name)
        except ValueError:  # told of in turn
            return None
        return None if found is None else found.array

    def _array(self, tensor: OnnxTensor) -> Any:
        if self._with_arrays or (tensor.size <= _SMALL and not tensor.outside):
            return tensor.array()
        tensor.check()
        return zeros(tensor.shape, tensor.dtype)

    def _translated(self, node: OnnxOperation) -> list[Known]:
        if node.domain not in _DOMAINS:
            raise ValueError(f"is of {node.domain!r}, not of ONNX's own operations")
        inputs = [self._input(name) for name in node.inputs]
        if any(name and one is None for name, one in zip(node.inputs, inputs, strict=True)):
            return [None]  # a node before it was refused
        given = [one for one in inputs if isinstance(one, Value | Moment)]
        if not given and node.kind in FOLDS:
            arrays = [
                None if one is None else one.array
                for one in inputs
                if not isinstance(one, Value | Moment)
            ]
            return [Constant(one) for one in self._folded(node, arrays, inputs)]
        if node.kind == "Shape" and given:
            sizes = given[0].shape[node.attributes.get("start", 0) : node.attributes.get("end")]
            return [Constant(shape_array(sizes))]
        if node.kind not in READERS:
            raise ValueError(f"is a {node.kind}, which jcnn has no layer for")
        if not given:
            raise ValueError("is of constants, which jcnn does not compute")
        if node.kind not in VIEWS:
            inputs = [self.to.repeated(one) if isinstance(one, Value) else one for one in inputs]
        call = Call(
            node,
            label_of(node, self.model.producer),
            [None if isinstance(one, Moment) else one for one in inputs],
            self.model.opset,
            self.to,
            self.fixed,
        )
        if any(isinstance(one, Moment) for one in inputs):
            made = combined(call, inputs)
            if made is not None:
                return [made]
            plain = [settled(one, call) if isinstance(one, Moment) else one for one in inputs]
            call = replace(call, inputs=plain)
        elif node.kind == "ReduceMean" and (moment := mean_of(call)) is not None:
            return [moment]
        return [READERS[node.kind](call)]

    def _folded(self, node: OnnxOperation, arrays: Any, inputs: Any) -> list[Any]:
        if node.kind == "Constant" and not self._with_arrays:
            tensor = node.attributes.get("value")
            if isinstance(tensor, OnnxTensor):
                return [self._array(tensor)]
        return self._fold(node, arrays)

    def _input(self, name: str) -> Known:
        if not name:
            return None
        if name in self.values:
            return self.values[name]
        found = self.known(name)
        if found is None:
            raise ValueError(f"reads {name[:60]!r}, which no node before it gives")
        return found

    def shape_of(self, node: OnnxOperation) -> tuple[int, ...] | None:
        """Of a node's output, in the file's order; without the batch axis."""
        found = self.values.get(node.outputs[0]) if node.outputs else None
        if isinstance(found, Constant):
            return tuple(found.array.shape)
        if found is None:
            return None
        return tuple(size for size in found.shape if isinstance(size, int))

    def finished(self) -> tuple[tuple[Node, ...], str]:
        """The nodes and the name of the last one.

        Raises:
            ValueError: the output is none that a model of jcnn gives.
        """
        try:
            return self._finished(self.values.get(self.model.outputs[0].name))
        except ValueError as error:
            raise ValueError(f"output: {error}") from error

    def _finished(self, value: Known) -> tuple[tuple[Node, ...], str]:
        if isinstance(value, Moment) and (value.kind, value.sign) == ("mean", 1):
            value = mean_over_space(self.to, value.label, value.x, value.axes)
        if not isinstance(value, Value):
            raise ValueError("computes nothing of the images")
        value = self.to.repeated(value)
        if value.ending is not None:
            self.ends_in_softmax = True
            label = value.ending[1]
            value = replace(value, ending=None)
            self.to.notes[f"{label}: left out, since jcnn's models give logits"] = None
        kept = [axis for axis, factors in enumerate(value.axes) if factors]
        flat = replace(value, axes=tuple(value.axes[axis] for axis in kept))
        if len(flat.axes) == 1:
            flat = replace(flat, axes=(*flat.axes, ()))
        layout = self.to.layout(flat) if len(flat.axes) > 2 else (1,)
        return named(self.to.nodes, self.to.labels, self.to.arranged(flat, layout))

    def preprocessing(self) -> tuple[Preprocessing | None, list[str]]:
        """How the input is made of an image, and what is assumed of it."""
        if self.scaling is not None:
            return self.scaling.preprocessing(self.input_shape), []
        return (None, [ASSUMED]) if self._written is None else (self._written[0], [])
