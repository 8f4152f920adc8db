"""Graphs of models with branches: nodes, inputs, settings, arrays, refusals."""

import json
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from jcnn import ops
from jcnn.graph import Graph, GraphModel, graph
from jcnn.layers import Conv2D, Dense, Sequential, eval_mode
from jcnn.models import ZOO
from jcnn.models.zoo import DEPTHWISE, LECTURES, trace
from tests.explore.models import drawn
from tests.graph.models import Branches, ResNet


def edges(found: Graph) -> list[tuple[str, str, tuple[str, ...]]]:
    return [(node.name, node.kind, node.inputs) for node in found.nodes]


def test_a_residual_network() -> None:
    found = graph(drawn(ResNet), (8, 6, 3))
    assert edges(found) == [
        ("input add", "add", ("input",)),
        ("input divide", "divide", ("input add",)),
        ("stem", "conv", ("input divide",)),
        ("stem relu", "activation", ("stem",)),
        ("blocks/0/conv1", "conv", ("stem relu",)),
        ("blocks/0/norm1", "batch_norm", ("blocks/0/conv1",)),
        ("blocks/0/norm1 relu", "activation", ("blocks/0/norm1",)),
        ("blocks/0/conv2", "conv", ("blocks/0/norm1 relu",)),
        ("blocks/0/norm2", "batch_norm", ("blocks/0/conv2",)),
        ("blocks/0 add", "add", ("stem relu", "blocks/0/norm2")),
        ("blocks/0 relu", "activation", ("blocks/0 add",)),
        ("blocks/1/conv1", "conv", ("blocks/0 relu",)),
        ("blocks/1/norm1", "batch_norm", ("blocks/1/conv1",)),
        ("blocks/1/norm1 relu", "activation", ("blocks/1/norm1",)),
        ("blocks/1/conv2", "conv", ("blocks/1/norm1 relu",)),
        ("blocks/1/norm2", "batch_norm", ("blocks/1/conv2",)),
        ("blocks/1/skip", "conv", ("blocks/0 relu",)),
        ("blocks/1 add", "add", ("blocks/1/skip", "blocks/1/norm2")),
        ("blocks/1 relu", "activation", ("blocks/1 add",)),
        ("blocks/1 global_average_pool", "global_average_pool", ("blocks/1 relu",)),
        ("dropout", "dropout", ("blocks/1 global_average_pool",)),
        ("head", "dense", ("dropout",)),
    ]
    assert found.output == "head"
    conv = found["blocks/1/conv1"]
    assert conv.shape == (4, 3, 6)
    assert conv.settings["padding"] == ((0, 1), (0, 1))
    assert conv.paths == {"kernel": "blocks/1/conv1/kernel"}
    assert found.shape_of("input") == (8, 6, 3)
    assert [node.name for node in found.readers("blocks/0 relu")] == [
        "blocks/1/conv1",
        "blocks/1/skip",
    ]


def test_every_way_in_which_branches_meet() -> None:
    found = graph(drawn(Branches), (9, 7, 3))
    by_name = {node.name: node for node in found.nodes}
    assert by_name["multiply"].inputs == ("left gelu_tanh", "right")
    assert by_name["right multiply"].arrays["constant"] == 2
    assert by_name["concatenate"].inputs == ("multiply", "right multiply")
    assert by_name["shared#2"].inputs == ("shared",)
    assert by_name["shared#2"].paths == by_name["shared"].paths
    assert by_name["shared#2 global_average_pool"].settings == {"keepdims": True}
    assert by_name["multiply#2"].inputs == ("shared#2", "excite sigmoid")
    average = by_name["multiply#2 average_pool"].settings
    assert average == {"window": (3, 2), "stride": (2, 1), "padding": ((0, 1), (0, 1))}
    assert by_name["concatenate#2"].settings == {"axis": -1}
    assert by_name["concatenate#2 leaky_relu"].settings == {"function": "leaky_relu", "slope": 0.07}
    assert found.nodes[-1].settings == {"function": "softmax"}


SIBLINGS = ("resnet34", *DEPTHWISE)  # of the latter, graphs are in tests/models


@pytest.mark.parametrize(
    "name", [pytest.param(n, marks=pytest.mark.slow) if n in SIBLINGS else n for n in ZOO]
)
def test_every_model_of_the_zoo_without_its_numbers(name: str) -> None:
    """Also where the parameters are not drawn yet, as in a summary."""
    entry, found = ZOO[name], []

    def build() -> jax.Array:
        found.append(graph(trace(name), entry.input_shape))
        again = eval_mode(GraphModel(found[0], rngs=nnx.Rngs(0)))
        logits: jax.Array = again(jnp.zeros((2, *entry.input_shape)))
        return logits

    assert jax.eval_shape(build).shape == (2, entry.classes)
    (network,) = found
    assert network[network.output].shape == (entry.classes,)
    settings = [json.loads(json.dumps(node.settings)) for node in network.nodes]
    assert all(isinstance(one, dict) for one in settings)
    if name in LECTURES:
        assert {node.layer for node in network.nodes} == set(trace_names(name))


def trace_names(name: str) -> tuple[str, ...]:
    names: list[str] = []

    def build() -> None:
        model = trace(name)
        assert isinstance(model, Sequential)
        names.extend(model.names)

    jax.eval_shape(build)
    return tuple(names)


class Unknown(nnx.Module):
    """A block whose function is given."""

    def __init__(self, function: Callable[[jax.Array], jax.Array]) -> None:
        self.conv = Conv2D(2, 3, 3, rngs=nnx.Rngs(0))
        self.block = Block(function)

    def __call__(self, x: jax.Array) -> jax.Array:
        """The block after a convolution."""
        return self.block(self.conv(x))


class Block(nnx.Module):
    """A function with a layer beside it."""

    def __init__(self, function: Callable[[jax.Array], jax.Array]) -> None:
        self.dense = Dense(2, 2, rngs=nnx.Rngs(0))
        self.function = function

    def __call__(self, x: jax.Array) -> jax.Array:
        """The function of `x`."""
        return self.function(x)


@pytest.mark.parametrize(
    ("function", "named"),
    [
        (jnp.sin, "sin (test_graph.py:"),
        (lambda x: x[:, ::-1], "rev (test_graph.py:"),
        (lambda x: jnp.mean(x, 1), "reduce_sum (test_graph.py:"),
        (lambda x: x - jnp.mean(x), "sub (test_graph.py:"),
        (lambda x: x[..., :2], "slice (test_graph.py:"),
        (lambda x: jnp.concatenate([x, x], 0), "concatenate (test_graph.py:"),
        (lambda x: jnp.concatenate([x, jnp.ones_like(x)], 3), "concatenate (test_graph.py:"),
        (lambda x: jnp.pad(x, ((0, 0), (1, 1), (0, 0), (0, 0)), constant_values=1), "pad ("),
        (lambda x: x.reshape(-1, x.shape[-1]), "reshape (test_graph.py:"),
        (lambda x: x * jnp.arange(7.0)[:, None, None, None], "mul (test_graph.py:"),
        (lambda x: 1 / x, "div (test_graph.py:"),
        (lambda x: jnp.maximum(x, 0.5), "max (test_graph.py:"),
        (lambda x: nnx.avg_pool(x, (3, 3), padding="SAME"), "reduce_window_sum (test_graph.py:"),
        (lambda x: ops.conv2d(x, jnp.ones((1, 1, 3, 2)) * x.sum()), "conv2d of parameters"),
    ],
)
def test_what_is_unknown_is_refused_by_layer_and_line(
    function: Callable[[jax.Array], jax.Array], named: str
) -> None:
    with pytest.raises(ValueError) as error:
        graph(Unknown(function), (5, 4, 2))
    assert str(error.value).startswith(f"layer 'block': {named}")
    assert "; accepted: " in str(error.value)


def test_a_layer_with_another_call_is_not_taken_for_its_parent() -> None:
    class Doubled(nnx.Linear):
        def __call__(self, inputs: jax.Array, out_sharding: object = None) -> jax.Array:
            return jnp.sin(super().__call__(inputs))

    class Net(nnx.Module):
        def __init__(self) -> None:
            self.doubled = Doubled(3, 2, rngs=nnx.Rngs(0))

        def __call__(self, x: jax.Array) -> jax.Array:
            return self.doubled(x)

    with pytest.raises(ValueError, match=r"^layer 'doubled': sin \(test_graph\.py:\d+\)"):
        graph(Net(), (4, 3, 3))


def test_images_that_a_layer_cannot_take() -> None:
    message = r"^model: cannot take images of \(8, 6, 2\): "
    with pytest.raises(ValueError, match=f"{message}Incompatible shapes for broadcasting.*$"):
        graph(drawn(ResNet), (8, 6, 2))
    with pytest.raises(ValueError, match=f"{message}layer 'conv2d': kernel: got"):
        graph([Conv2D(3, 4, rngs=nnx.Rngs(0))], (8, 6, 2))


def test_an_output_that_ignores_the_image() -> None:
    class Constant(nnx.Module):
        def __call__(self, x: jax.Array) -> jax.Array:
            return jnp.ones((len(x), 2))

    with pytest.raises(ValueError, match=r"^model: its output does not depend on its input$"):
        graph(Constant(), (4, 3, 3))


def test_tracing_leaves_the_model_and_the_classes_alone() -> None:
    model = drawn(ResNet)
    x = jnp.asarray(np.random.default_rng(0).normal(size=(2, 8, 6, 3)), jnp.float32)
    before = nnx.jit(lambda m, x: m(x))(eval_mode(model), x)
    call = Conv2D.__call__
    graph(model, (8, 6, 3))
    assert Conv2D.__call__ is call
    after = nnx.jit(lambda m, x: m(x))(eval_mode(model), x)
    np.testing.assert_array_equal(before, after)


@pytest.mark.parametrize(
    ("layer", "said"),
    [
        (
            nnx.LayerNorm(3, reduction_axes=(1, 2), rngs=nnx.Rngs(0)),
            r"reduction_axes: got \(1, 2\)",
        ),
        (nnx.GroupNorm(3, 3, reduction_axes=(1, -1), rngs=nnx.Rngs(0)), "reduction_axes: got "),
        (nnx.LayerNorm(3, dtype=jnp.bfloat16, rngs=nnx.Rngs(0)), "dtype: got .*bfloat16"),
        (nnx.Conv(3, 2, (3, 3), dtype=jnp.bfloat16, rngs=nnx.Rngs(0)), "dtype: got .*bfloat16"),
        (nnx.Linear(3, 2, dtype=jnp.float16, rngs=nnx.Rngs(0)), "dtype: got .*float16"),
        (nnx.ConvTranspose(3, 2, (2, 2), padding="CIRCULAR", rngs=nnx.Rngs(0)), "padding: got 'CI"),
        (nnx.ConvTranspose(3, 2, 2, rngs=nnx.Rngs(0)), r"kernel_size: got \(2,\)"),
    ],
)
def test_layers_of_flax_with_other_arguments_are_refused(layer: nnx.Module, said: str) -> None:
    with pytest.raises(ValueError, match=f"layer 'layers/0': {said}"):
        graph(Only(layer), (4, 4, 3))


def test_a_dtype_that_is_the_inputs_is_accepted() -> None:
    layer = nnx.Conv(3, 2, (3, 3), dtype=jnp.float32, rngs=nnx.Rngs(0))
    assert [node.kind for node in graph(Only(layer), (4, 4, 3)).nodes] == ["conv"]


class Only(nnx.Module):
    """One layer."""

    def __init__(self, layer: Any) -> None:
        self.layers = nnx.List([layer])

    def __call__(self, x: jax.Array) -> jax.Array:
        """The layer of `x`."""
        y: jax.Array = self.layers[0](x)
        return y
