"""A graph as JSON, without its arrays; the way back checks everything and executes nothing.

A run folder holds the structure of an imported model in this form. What is read may come from
anybody: kinds and functions are looked up in tables, and sizes are limited before memory is used.
"""

import json
import math
from collections.abc import Callable, Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import numpy.typing as npt
from flax import nnx

from jcnn.graph.build import KINDS, GraphModel
from jcnn.graph.node import INPUT, Graph, Node
from jcnn.graph.patterns import FUNCTIONS, OVER_SPACE, WITH_NUMBER, with_number
from jcnn.layers import eval_mode
from jcnn.suggest import did_you_mean

FORMAT = "jcnn graph 1"
# Bytes of all arrays; a larger model is most likely a damaged file.
LIMIT = 2**36

Arrays = Mapping[str, npt.NDArray[Any]]

_DTYPES = ("float32", "bfloat16", "float16", "float64")
_FIELDS = {
    "name": str,
    "kind": str,
    "settings": dict,
    "inputs": list,
    "arrays": dict,
    "paths": dict,
    "shape": list,
    "layer": str,
    "call": int,
    "dtype": str,
}


def to_json(graph: Graph) -> dict[str, Any]:
    """What `from_json` reads; `json.dumps` writes it."""
    content = {
        "format": FORMAT,
        "input_shape": graph.input_shape,
        "output": graph.output,
        "nodes": [_node_to_json(node) for node in graph.nodes],
    }
    plain: dict[str, Any] = json.loads(json.dumps(content))  # tuples become lists
    return plain


def from_json(content: object, arrays: Arrays | None = None, *, limit: int = LIMIT) -> Graph:
    """The graph of what `to_json` returned, or of its JSON.

    Args:
        content: decoded JSON, of any origin.
        arrays: of the model, by path with dots such as "conv1.kernel"; None takes zeros.
        limit: largest number of bytes of all arrays.

    Raises:
        ValueError: a field is missing or wrong, or an array is missing or has another shape; the
            message names the node and the field.
    """
    if not isinstance(content, dict) or content.get("format") != FORMAT:
        raise ValueError(f"graph: accepted: a JSON object whose format is {FORMAT!r}")
    nodes: list[Node] = []
    known = {INPUT}
    if not isinstance(content.get("nodes"), list) or not content["nodes"]:
        raise ValueError("graph: nodes: accepted: a list of at least one node")
    for number, one in enumerate(content["nodes"]):
        node, used = _node(one, number, known, arrays, limit)
        nodes.append(node)
        known.add(node.name)
        limit -= used
    shape = _sizes(content.get("input_shape"), "graph: input_shape")
    output = content.get("output")
    if not isinstance(output, str) or output not in known - {INPUT}:
        raise ValueError(f"graph: output: got {output!r}, which is no node")
    return Graph(shape, tuple(nodes), output)


def model_of(content: object, arrays: Arrays | None = None, *, limit: int = LIMIT) -> GraphModel:
    """The model of a stored graph; every shape is checked.

    Args:
        content, arrays, limit: as for `from_json`.

    Raises:
        ValueError: as from `from_json`, or a layer cannot be built or gives another shape.
    """
    graph = from_json(content, arrays, limit=limit)
    try:
        model = GraphModel(graph, rngs=nnx.Rngs(0))
        images = jax.ShapeDtypeStruct((1, *graph.input_shape), jnp.float32)
        evaluated: Any = eval_mode(model)
        shapes = jax.eval_shape(evaluated.values, images)
    except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
        # Layers and JAX raise any of these for settings that no layer accepts.
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise ValueError(f"graph: {reason}") from error
    for node in graph.nodes:
        found = shapes[node.name].shape[1:]
        if found != node.shape:
            raise ValueError(f"graph: node {node.name!r}: gives {found}; expected {node.shape}")
    return model


def _node_to_json(node: Node) -> dict[str, Any]:
    arrays = {
        role: {"shape": list(array.shape), "dtype": str(array.dtype)}
        for role, array in node.arrays.items()
    }
    made = {
        **{name: getattr(node, name) for name in _FIELDS},
        "settings": dict(node.settings),
        "arrays": arrays,
        "paths": dict(node.paths),
    }
    if node.function is not None:
        made["written"] = _ways(node.kind, node.settings).index(node.function)
    return made


def _ways(kind: str, settings: Mapping[str, Any]) -> list[Callable[..., Any]]:
    """The functions of other libraries that a node may stand for, in a fixed order."""
    if kind != "activation":
        return list(OVER_SPACE.get((kind, bool(settings.get("keepdims"))), ()))
    name = settings.get("function", "")
    if name in WITH_NUMBER and WITH_NUMBER[name][0] in settings:
        number, ways = WITH_NUMBER[name]
        return [with_number(way, settings[number]) for way in ways]
    return list(FUNCTIONS.get(name, ()))


# --- reading --------------------------------------------------------------------------------------


def _node(
    content: object, number: int, known: set[str], given: Arrays | None, limit: int
) -> tuple[Node, int]:
    """A node, and the bytes of its arrays."""
    where = f"graph: node {number}"
    if not isinstance(content, dict):
        raise ValueError(f"{where}: accepted: a JSON object")
    for field, kind in _FIELDS.items():
        if not isinstance(content.get(field), kind) or isinstance(content[field], bool):
            raise ValueError(f"{where}: {field}: accepted: a {kind.__name__}")
    name, kind = content["name"], content["kind"]
    where = f"graph: node {name!r}"
    if not name or name in known:
        raise ValueError(f"{where}: name: accepted: one that no node before it has")
    if kind not in KINDS:
        raise ValueError(
            f"{where}: kind: got {kind!r}; accepted: {', '.join(KINDS)}{did_you_mean(kind, KINDS)}"
        )
    inputs = content["inputs"]
    if not inputs or not all(isinstance(one, str) and one in known for one in inputs):
        raise ValueError(f"{where}: inputs: got {inputs}; accepted: names of nodes before it")
    if content["dtype"] not in _DTYPES:
        raise ValueError(f"{where}: dtype: got {content['dtype']!r}; accepted: {_DTYPES}")
    settings = {
        key: _setting(value, f"{where}: {key}") for key, value in content["settings"].items()
    }
    paths = content["paths"]
    if not all(isinstance(path, str) for path in paths.values()):
        raise ValueError(f"{where}: paths: accepted: texts")
    arrays, used = _arrays(content["arrays"], where, paths, given, limit)
    return (
        Node(
            name,
            kind,
            settings,
            tuple(inputs),
            arrays,
            _sizes(content["shape"], f"{where}: shape"),
            paths,
            content["layer"],
            _function(content, settings, where),
            content["call"],
            content["dtype"],
        ),
        used,
    )


def _function(content: dict[str, Any], settings: dict[str, Any], where: str) -> Any:
    if "written" not in content:
        return None
    number, ways = content["written"], _ways(content["kind"], settings)
    if type(number) is not int or not 0 <= number < len(ways):
        raise ValueError(f"{where}: written: got {number!r}; accepted: 0 to {len(ways) - 1}")
    return ways[number]


def _setting(value: Any, where: str) -> Any:
    """A setting, with lists as tuples, as layers take them."""
    if isinstance(value, list):
        return tuple(_setting(one, where) for one in value)
    if value is None or isinstance(value, bool | str | int):
        return value
    if isinstance(value, float) and math.isfinite(value):
        return value
    raise ValueError(f"{where}: accepted: finite numbers, texts, booleans and lists of them")


def _arrays(
    content: dict[str, Any],
    where: str,
    paths: dict[str, str],
    given: Arrays | None,
    limit: int,
) -> tuple[dict[str, jax.Array], int]:
    arrays: dict[str, jax.Array] = {}
    used = 0
    for role, described in content.items():
        if not isinstance(described, dict) or described.get("dtype") not in _DTYPES:
            raise ValueError(f"{where}: {role}: accepted: a shape and a dtype of {_DTYPES}")
        shape = _sizes(described.get("shape"), f"{where}: {role}")
        dtype = jnp.dtype(described["dtype"])
        used += math.prod(shape) * dtype.itemsize
        if used > limit:
            raise ValueError(f"{where}: {role}: {shape} is more than {limit:,} bytes are left for")
        if given is None:
            arrays[role] = jax.device_put(np.zeros(shape, dtype))
            continue
        array = given.get(paths.get(role, "").replace("/", "."))
        if array is None:
            raise ValueError(f"{where}: {role}: there is no array {paths.get(role)!r}")
        if array.shape != shape:
            raise ValueError(
                f"{where}: {role}: its array has shape {array.shape}; expected {shape}"
            )
        arrays[role] = jax.device_put(np.asarray(array, dtype))
    return arrays, used


def _sizes(content: object, where: str) -> tuple[int, ...]:
    if not isinstance(content, list) or len(content) > 8:
        raise ValueError(f"{where}: got {str(content)[:60]}; accepted: a list of sizes")
    if not all(type(size) is int and 0 <= size < 2**31 for size in content):
        raise ValueError(f"{where}: got {str(content)[:60]}; accepted: sizes from 0")
    return tuple(content)
