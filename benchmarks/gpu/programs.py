"""Programs that `benchmarks.gpu.compiled` compiles for a GPU, and their arguments as shapes.

Each is written with jcnn's method "auto" and with plain `lax.conv_general_dilated`, whose
derivatives and batching are JAX's own. Nothing is computed.
"""

from typing import Any

import jax
import jax.numpy as jnp
from flax import nnx
from jax import lax

from jcnn import ops
from jcnn.config import TrainConfig
from jcnn.layers import train_mode
from jcnn.layers.model import split_model
from jcnn.models import ZOO
from jcnn.models.zoo import trace
from jcnn.ops.conv.method import ConvMethod
from jcnn.train.metrics import zero_totals
from jcnn.train.programs import epoch_program
from jcnn.train.step import init_state, training_step

# A jitted function, and its arguments as shapes and dtypes.
Program = tuple[Any, Any]


def plain_lax(x: Any, kernel: Any, window: Any, groups: int, precision: Any) -> jax.Array:
    """A convolution method: what JAX's users write, with JAX's own derivatives."""
    return lax.conv_general_dilated(
        x,
        kernel,
        window_strides=window.stride,
        padding=window.padding,
        rhs_dilation=window.dilation,
        dimension_numbers=("NHWC", "HWIO", "NHWC"),
        feature_group_count=groups,
        precision=precision,
    )


METHODS: dict[str, str | ConvMethod] = {"jcnn": "auto", "lax": ConvMethod(plain_lax)}


def step_of(name: str, method: str, batch: int, config: TrainConfig) -> Program:
    """A training step of a model of the zoo, and its arguments as shapes; nothing is computed."""
    graphdef, shapes = _shapes(name, method, batch, config)

    def step(carry: Any, streams: Any, *batch: Any) -> Any:
        classes = ZOO[name].classes
        return training_step(graphdef, streams, config, steps=100, classes=classes)(carry, *batch)

    return jax.jit(step, donate_argnums=(0,)), shapes


def epoch_of(name: str, method: str, batch: int, config: TrainConfig) -> Program:
    """The epoch program of `fit` for 100 steps, as `step_of`."""
    graphdef, (carry, streams, images, labels, key, count, rate) = _shapes(
        name, method, batch, config
    )
    examples = 100 * batch
    program = epoch_program(graphdef, config, examples=examples, classes=ZOO[name].classes)
    images, labels = (
        jax.ShapeDtypeStruct((examples, *one.shape[1:]), one.dtype) for one in (images, labels)
    )
    order = jax.ShapeDtypeStruct((examples,), jnp.int32)
    window = (images, labels, order, count)
    return program, (carry[0], streams, carry[1], *window, key, rate, count, count, count)


def population_of(name: str, method: str, batch: int, config: TrainConfig) -> Program:
    """The training steps of eight models at once, as `step_of`."""
    graphdef, (carry, streams, *shared, key, count, rate) = _shapes(name, method, batch, config)

    def step(carry: Any, key: Any, images: Any, labels: Any, streams: Any, *now: Any) -> Any:
        classes = ZOO[name].classes
        made = training_step(graphdef, streams, config, steps=100, classes=classes)
        return jax.vmap(lambda *rows: made(*rows, *now))(carry, images, labels, key)

    images, labels = shared
    rows = jax.tree.map(
        lambda a: jax.ShapeDtypeStruct((8, *a.shape), a.dtype), (carry, key, images, labels)
    )
    return jax.jit(step, donate_argnums=(0,)), (*rows, streams, count, rate)


def _shapes(name: str, method: str, batch: int, config: TrainConfig) -> tuple[Any, Any]:
    """The structure of a model, and its step's arguments as shapes."""
    structures: list[Any] = []

    def arguments() -> Any:
        model = trace(name)
        for _, module in nnx.iter_graph(model):
            if isinstance(module, nnx.Module) and hasattr(module, "method"):
                module.method = METHODS[method]
        parts = split_model(train_mode(model))
        structures.append(parts.graphdef)
        carry = (init_state(parts.params, parts.rest, config), zero_totals())
        images = jnp.zeros((batch, *ZOO[name].input_shape), jnp.uint8)
        labels, key = jnp.zeros(batch, jnp.int32), jax.random.key(0)
        return carry, parts.streams, images, labels, key, jnp.int32(0), jnp.float32(1e-3)

    shapes = jax.eval_shape(arguments)
    return structures[0], shapes


def convolution(method: str, batch: int, dtype: str) -> Program:
    """A 3x3 convolution with bias and ReLU, and its three gradients, by a method of `ops`."""

    def run(x: jax.Array, kernel: jax.Array, bias: jax.Array, g: jax.Array) -> Any:
        def forward(*of: jax.Array) -> jax.Array:
            return ops.relu(ops.conv2d(*of, method=METHODS.get(method, method)))

        y, pull_back = jax.vjp(forward, x, kernel, bias)
        return y, pull_back(g)

    shapes = ((batch, 28, 28, 64), (3, 3, 64, 128), (128,), (batch, 28, 28, 128))
    return jax.jit(run), tuple(jax.ShapeDtypeStruct(shape, dtype) for shape in shapes)
