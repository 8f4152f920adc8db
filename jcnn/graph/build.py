"""Turn a graph into a module of jcnn's layers, which computes the same and can be trained."""

import functools
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from flax import nnx

from jcnn import ops
from jcnn.graph.node import INPUT, Graph, Node
from jcnn.graph.patterns import FUNCTIONS
from jcnn.layers import (
    Activation,
    AveragePooling2D,
    BatchNormalization,
    Conv2D,
    Conv2DTranspose,
    Dense,
    DepthwiseConv2D,
    Dropout,
    Flatten,
    GroupNormalization,
    LayerError,
    LayerNormalization,
    MaxPooling2D,
    SpatialDropout2D,
    StochasticDepth,
)

Shape = tuple[int, ...]


class _NoKeys:
    """Random keys for layers whose arrays are given: their initializers do not use a key."""

    def params(self) -> None:
        """No key."""


_NO_KEYS: Any = _NoKeys()
# Attributes of a `GraphModel` other than its layers.
RESERVED = ("steps", "output", "input_shape", "shape", "preprocessing")


class GraphModel(nnx.Module):
    """The layers of a graph, each an attribute named after its node, with "." for "/".

    Args:
        graph: its arrays become the parameters.
        rngs: its `dropout` stream draws the masks of dropout layers.
    """

    def __init__(self, graph: Graph, *, rngs: nnx.Rngs) -> None:
        shared: dict[Any, str] = {}
        steps = []
        for node in graph.nodes:
            # Two calls of one layer have the same variables, and one module.
            key = tuple(sorted(node.paths.items())) or node.name
            if key not in shared:
                shared[key] = self._free(node.name.replace("/", "."))
                shapes = [graph.shape_of(name) for name in node.inputs]
                setattr(self, shared[key], _layer(node, shapes, rngs))
            steps.append((node.name, shared[key], node.inputs))
        self.steps = tuple(steps)
        self.output = graph.output
        self.input_shape = graph.input_shape
        self.shape = graph.shape_of(graph.output)

    def _free(self, name: str) -> str:
        """The name, or with "_" appended where a module has such an attribute already."""
        while hasattr(self, name) or name in RESERVED:
            name += "_"
        return name

    def __call__(self, x: jax.Array) -> jax.Array:
        """Compute the output for images `x (N, H, W, C)`."""
        return self.values(x)[self.output]

    def values(self, x: jax.Array) -> dict[str, jax.Array]:
        """Compute every node for images `x (N, H, W, C)`; the outputs by name."""
        values = {INPUT: x}
        for name, attribute, inputs in self.steps:
            layer = getattr(self, attribute)
            try:
                values[name] = layer(*(values[one] for one in inputs))
            except LayerError:
                raise
            except (TypeError, ValueError) as error:  # Flax and JAX raise either
                raise LayerError(f"layer {name!r}: {error}") from error
        return values


class Constant(nnx.Variable[jax.Array]):
    """An array of a function between layers, which is not trained."""


class Function(nnx.Module):
    """A function between layers, such as a sum of two branches.

    Args:
        kind: a key of `BETWEEN`.
        settings: its keyword arguments.
        constant: its last argument, or None.
        trained: whether the constant is a parameter.
    """

    def __init__(
        self, kind: str, settings: dict[str, Any], constant: Any = None, *, trained: bool = False
    ) -> None:
        self.kind = kind
        self.settings = tuple(sorted(settings.items()))  # a model's structure is hashed
        array = None if constant is None else jnp.asarray(constant)
        self.constant = None if array is None or not trained else nnx.Param(array)
        # A name of its own: a stored graph knows arrays by their paths alone.
        self.fixed = None if array is None or trained else Constant(array)

    def __call__(self, *inputs: jax.Array) -> jax.Array:
        """Apply the function to `inputs`, each `(N, ...)`."""
        constants = [one[...] for one in (self.constant, self.fixed) if one is not None]
        return BETWEEN[self.kind](*inputs, *constants, **dict(self.settings))


BETWEEN: dict[str, Callable[..., jax.Array]] = {
    "add": lambda a, b: a + b,
    "multiply": lambda a, b: a * b,
    "divide": lambda a, b: a / b,
    "concatenate": lambda *arrays, axis: jnp.concatenate(arrays, axis),
    "global_average_pool": ops.global_average_pool2d,
    "global_max_pool": ops.global_max_pool2d,
    "zero_pad": ops.zero_pad2d,
    "crop": ops.crop2d,
    "upsample": ops.upsample2d,
    "reshape": lambda x, shape: x.reshape(x.shape[0], *shape),
}


def _layer(node: Node, shapes: list[Shape], rngs: nnx.Rngs) -> nnx.Module:
    if node.function is not None:
        return Activation(node.function)
    return KINDS[node.kind](node, shapes, rngs)


def _between(node: Node, shapes: list[Shape], rngs: nnx.Rngs) -> nnx.Module:
    constant, path = node.arrays.get("constant"), node.paths.get("constant", "fixed")
    trained = path.rpartition("/")[2] != "fixed"
    return Function(node.kind, dict(node.settings), constant, trained=trained)


def _convolution(kind: Callable[..., Any]) -> Callable[..., nnx.Module]:
    def build(node: Node, shapes: list[Shape], rngs: nnx.Rngs) -> nnx.Module:
        kernel = node.arrays["kernel"]
        layer = kind(
            *(shapes[0][2], node.shape[2], kernel.shape[:2]),
            use_bias=False,
            kernel_init=lambda *_: kernel,
            rngs=_NO_KEYS,
            **node.settings,
        )
        return _with_bias(layer, node)

    return build


def _depthwise(node: Node, shapes: list[Shape], rngs: nnx.Rngs) -> nnx.Module:
    kernel = node.arrays["kernel"]
    layer = DepthwiseConv2D(
        shapes[0][2],
        (kernel.shape[0], kernel.shape[1]),
        depth_multiplier=kernel.shape[3],
        use_bias=False,
        depthwise_init=lambda *_: kernel,
        rngs=_NO_KEYS,
        **node.settings,
    )
    return _with_bias(layer, node)


def _dense(node: Node, shapes: list[Shape], rngs: nnx.Rngs) -> nnx.Module:
    kernel = node.arrays["kernel"]
    if len(shapes[0]) == 1:
        layer: Any = Dense(
            *kernel.shape, use_bias=False, kernel_init=lambda *_: kernel, rngs=_NO_KEYS
        )
    else:
        has = "bias" in node.arrays
        layer = nnx.Linear(*kernel.shape, use_bias=has, kernel_init=lambda *_: kernel, rngs=rngs)
    return _with_bias(layer, node)


def _with_bias(layer: Any, node: Node) -> nnx.Module:
    if "bias" in node.arrays:
        layer.bias = nnx.data(nnx.Param(node.arrays["bias"]))
    module: nnx.Module = layer
    return module


def _batch_norm(node: Node, shapes: list[Shape], rngs: nnx.Rngs) -> nnx.Module:
    has = {"scale": "scale" in node.arrays, "center": "bias" in node.arrays}
    layer: Any = nnx.clone(_new_batch_norm(**node.settings, **has))
    layer.num_features = shapes[0][-1]
    for role, array in node.arrays.items():
        kind = nnx.Param if role in ("scale", "bias") else nnx.BatchStat
        setattr(layer, {"variance": "var"}.get(role, role), kind(array))
    module: nnx.Module = layer
    return module


@functools.lru_cache(64)  # a file may have any number of settings
def _new_batch_norm(**settings: Any) -> BatchNormalization:
    """A layer to copy, since a new one costs a millisecond, and networks have dozens."""
    # With the number of channels, JAX would compile initial values for each number.
    return BatchNormalization(1, **settings, rngs=_NO_KEYS)


def _example_norm(kind: Callable[..., Any]) -> Callable[..., nnx.Module]:
    def build(node: Node, shapes: list[Shape], rngs: nnx.Rngs) -> nnx.Module:
        has = {"scale": "scale" in node.arrays, "center": "bias" in node.arrays}
        if "flax_fast_variance" in node.settings:
            layer: Any = _flax_norm(node, shapes[0][-1])
        else:
            layer = kind(shapes[0][-1], **node.settings, **has)
        for role, array in node.arrays.items():
            setattr(layer, role, nnx.Param(array))
        module: nnx.Module = layer
        return module

    return build


def _flax_conv_transpose(node: Node, shapes: list[Shape], rngs: nnx.Rngs) -> nnx.Module:
    kernel, settings = node.arrays["kernel"], node.settings
    layer = nnx.ConvTranspose(
        *(shapes[0][2], node.shape[2], kernel.shape[:2]),
        strides=settings["stride"],
        padding=settings["flax_padding"],
        kernel_dilation=settings["dilation"],
        transpose_kernel=settings["transpose_kernel"],
        use_bias="bias" in node.arrays,
        kernel_init=lambda *_: kernel,
        rngs=rngs,
    )
    return _with_bias(layer, node)


def _flax_norm(node: Node, channels: int) -> nnx.Module:
    how: dict[str, Any] = {
        "epsilon": node.settings["epsilon"],
        "use_scale": "scale" in node.arrays,
        "use_bias": "bias" in node.arrays,
        "use_fast_variance": node.settings["flax_fast_variance"],
        "rngs": nnx.Rngs(0),  # the arrays are replaced
    }
    if node.kind == "group_norm":
        return nnx.GroupNorm(channels, node.settings["groups"], **how)
    return nnx.LayerNorm(channels, **how)


def _dropout(kind: Callable[..., nnx.Module]) -> Callable[..., nnx.Module]:
    return lambda node, shapes, rngs: kind(node.settings["rate"], rngs=rngs)


def _pool(kind: Callable[..., nnx.Module]) -> Callable[..., nnx.Module]:
    def build(node: Node, shapes: list[Shape], rngs: nnx.Rngs) -> nnx.Module:
        how = node.settings
        return kind(how["window"], stride=how["stride"], padding=how["padding"])

    return build


def _activation(node: Node, shapes: list[Shape], rngs: nnx.Rngs) -> nnx.Module:
    settings = dict(node.settings)
    return Activation(activation(settings.pop("function"), **settings))


def activation(name: str, **settings: float) -> Callable[[jax.Array], jax.Array]:
    """The function of an "activation" node: that of `jcnn.ops`, or else of JAX."""
    function = getattr(ops, name, FUNCTIONS[name][0] if name in FUNCTIONS else None)
    if function is None:
        raise ValueError(f"function: got {name!r}; accepted: {', '.join(FUNCTIONS)}")
    return _with_settings(function, tuple(sorted(settings.items())))


@functools.cache
def _with_settings(
    function: Callable[..., jax.Array], settings: tuple[tuple[str, float], ...]
) -> Callable[[jax.Array], jax.Array]:
    """The function with its settings; one object, so that two models have one program."""
    return functools.partial(function, **dict(settings)) if settings else function


KINDS: dict[str, Callable[[Node, list[Shape], nnx.Rngs], nnx.Module]] = {
    "conv": _convolution(Conv2D),
    "depthwise_conv": _depthwise,
    "conv_transpose": _convolution(Conv2DTranspose),
    "flax_conv_transpose": _flax_conv_transpose,
    "dense": _dense,
    "batch_norm": _batch_norm,
    "max_pool": _pool(MaxPooling2D),
    "average_pool": _pool(AveragePooling2D),
    "activation": _activation,
    "flatten": lambda node, shapes, rngs: Flatten(),
    "dropout": _dropout(Dropout),
    "spatial_dropout": _dropout(SpatialDropout2D),
    "stochastic_depth": _dropout(StochasticDepth),
    "layer_norm": _example_norm(LayerNormalization),
    "group_norm": _example_norm(GroupNormalization),
    **dict.fromkeys(BETWEEN, _between),
}
