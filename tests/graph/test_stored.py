"""Graphs as JSON: the same model again, and one line for anything else."""

import copy
import json
from collections.abc import Callable
from typing import Any

import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from jcnn.graph import GraphModel, graph
from jcnn.graph.stored import from_json, model_of, to_json
from jcnn.layers import eval_mode
from tests.graph.test_build import MODELS, outputs


@pytest.mark.parametrize("name", MODELS)
def test_a_stored_graph_is_the_same_model(name: str) -> None:
    make, shape = MODELS[name]
    found = graph(make(), shape)
    text = json.dumps(to_json(found))
    assert len(text) < 30_000  # no arrays
    again = from_json(json.loads(text))
    assert json.dumps(to_json(again)) == text
    first, second = (GraphModel(one, rngs=nnx.Rngs(0)) for one in (found, again))
    nnx.update(second, nnx.state(first))
    x = jnp.asarray(np.random.default_rng(3).normal(size=(2, *shape)), jnp.float32)
    got, want = (outputs(eval_mode(model), x) for model in (second, first))
    np.testing.assert_array_equal(got, want)


def stored() -> dict[str, Any]:
    make, shape = MODELS["rare layers of Flax"]
    content: dict[str, Any] = json.loads(json.dumps(to_json(graph(make(), shape))))
    return content


CONTENT = stored()


def changed(path: tuple[Any, ...], value: Any) -> Any:
    content = copy.deepcopy(CONTENT)
    place: Any = content
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = value
    return content


WRONG: dict[str, tuple[Any, str]] = {
    "no object": ([], "accepted: a JSON object"),
    "another format": (changed(("format",), "jcnn graph 2"), "format is 'jcnn graph 1'"),
    "no nodes": (changed(("nodes",), []), "at least one node"),
    "a number as a node": (changed(("nodes", 0), 3), "node 0: accepted: a JSON object"),
    "an unknown kind": (changed(("nodes", 0, "kind"), "con"), "did you mean"),
    "an input that comes later": (
        changed(("nodes", 0, "inputs"), [CONTENT["nodes"][1]["name"]]),
        "inputs: got",
    ),
    "the name of another": (changed(("nodes", 1, "name"), CONTENT["nodes"][0]["name"]), "name:"),
    "a negative size": (changed(("input_shape",), [4, -1, 3]), "input_shape: got"),
    "no such output": (changed(("output",), "nowhere"), "output: got 'nowhere'"),
    "not a number": (changed(("nodes", 0, "settings"), {"rate": float("nan")}), "finite numbers"),
    "a dtype of objects": (changed(("nodes", 0, "dtype"), "object"), "dtype: got 'object'"),
    "a terabyte": (
        changed(("nodes", 0, "arrays"), {"kernel": {"shape": [2**20] * 2, "dtype": "float32"}}),
        "bytes are left",
    ),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_is_wrong_is_named(name: str) -> None:
    content, said = WRONG[name]
    with pytest.raises(ValueError, match=said) as raised:
        from_json(content)
    assert str(raised.value).startswith("graph: ")
    assert "\n" not in str(raised.value)


def test_any_change_is_a_graph_or_one_line() -> None:
    """Random changes: never another exception."""
    rng = np.random.default_rng(7)
    values: list[Any] = [None, True, -1, 0, 7, 1.5, "", "x", [], {}, [1], {"a": 1}, 10**30]
    refused = 0
    for _ in range(300):
        content = copy.deepcopy(CONTENT)
        place: Any = content
        while True:
            keys = list(place) if isinstance(place, dict) else list(range(len(place)))
            if not keys:
                break
            key = keys[rng.integers(len(keys))]
            deeper = place[key]
            if isinstance(deeper, dict | list) and deeper and rng.random() < 0.8:
                place = deeper
                continue
            place[key] = values[rng.integers(len(values))]
            break
        refused += not is_read(model_of, content)
    assert refused > 200


def is_read(function: Callable[..., Any], content: Any) -> bool:
    try:
        function(content, limit=2**20)
    except ValueError as error:
        assert str(error).startswith("graph: "), error
        assert len(str(error).splitlines()) == 1
        return False
    return True


def test_names_that_a_module_has_are_free_for_layers() -> None:
    content = copy.deepcopy(CONTENT)
    last, first = content["nodes"][-1], content["nodes"][0]
    for node in content["nodes"]:
        node["inputs"] = ["output" if one == first["name"] else one for one in node["inputs"]]
    first["name"], content["output"], last["name"] = "output", "__call__", "__call__"
    model = model_of(content)
    assert model.output == "__call__"
    x = jnp.zeros((1, *CONTENT["input_shape"]))
    assert eval_mode(model)(x).shape == (1, *last["shape"])


def test_a_shape_that_is_not_computed_is_named() -> None:
    content = changed(("nodes", 0, "shape"), [7, 7, 7])
    with pytest.raises(ValueError, match="expected \\(7, 7, 7\\)"):
        model_of(content)
