"""Summaries: parameters, multiply-adds, memory and receptive fields, against counts and probes."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from jcnn import ops
from jcnn.data.preprocessing import Preprocessing, set_preprocessing
from jcnn.layers import (
    BatchNormalization,
    Conv2D,
    Conv2DTranspose,
    Dense,
    DepthwiseConv2D,
    Flatten,
    MaxPooling2D,
    SeparableConv2D,
    Sequential,
    UpSampling2D,
    as_model,
    eval_mode,
)
from jcnn.models import Summary, build, intermediates, summary, zoo_summary
from jcnn.models.rows import rows_of_calls
from tests.explore.models import of_every_layer
from tests.graph.models import Rare, RareOfFlax


@pytest.mark.parametrize("name", ["mlp_dropout", "conv4", "tiny_vgg"])
def test_a_summary_of_a_name_is_that_of_the_model(name: str) -> None:
    expected = zoo_summary(name)
    assert summary(build(name), expected.input_shape) == expected


def test_conv4_by_hand() -> None:
    found = zoo_summary("conv4")
    work = [layer.multiply_adds for layer in found.layers if layer.multiply_adds]
    conv_1, conv_2 = 28 * 28 * 32 * 9, 28 * 28 * 64 * 9 * 32
    conv_3, conv_4 = 14 * 14 * 64 * 9 * 64, 14 * 14 * 128 * 9 * 64
    assert work == [conv_1, conv_2, conv_3, conv_4, 7 * 7 * 128 * 10]
    assert found.multiply_adds == sum(work)
    assert found.layers[0].activation_bytes == 28 * 28 * 32 * 4
    numbers = [25088, 50176, 12544, 12544, 12544, 25088, 6272, 6272, 6272, 6272, 10]
    assert found.activation_bytes == 4 * sum(numbers)
    fields = [layer.receptive_field for layer in found.layers]
    sizes = [3, 5, 6, 6, 10, 14, 16, 16]
    assert fields == [*[(size, size) for size in sizes], None, None, None]
    types = "Conv2D Conv2D MaxPooling2D Dropout"
    assert [layer.type for layer in found.layers[:4]] == types.split()


def test_grouped_convolutions_and_batch_normalisation_are_counted() -> None:
    rngs = nnx.Rngs(0)
    model = [
        Conv2D(4, 6, (1, 3), groups=2, stride=2, use_bias=False, rngs=rngs),
        BatchNormalization(6, rngs=rngs),
        Flatten(),
        Dense(3 * 4 * 6, 5, rngs=rngs),
    ]
    found = summary(model, (6, 7, 4))
    assert [layer.params for layer in found.layers] == [3 * 2 * 6, 12, 0, 73 * 5]
    assert [layer.multiply_adds for layer in found.layers] == [3 * 4 * 6 * 6, 0, 0, 72 * 5]
    assert found.params == 36 + 12 + 365


def test_other_convolutions_are_counted() -> None:
    rngs = nnx.Rngs(0)
    model = [
        DepthwiseConv2D(3, (3, 2), depth_multiplier=2, rngs=rngs),
        SeparableConv2D(6, 5, (1, 3), stride=2, depth_multiplier=4, use_bias=False, rngs=rngs),
        Conv2DTranspose(5, 4, (2, 3), stride=(2, 3), groups=1, rngs=rngs),
        Conv2D(4, 2, rngs=rngs),
    ]
    found = summary(model, (6, 8, 3))
    assert [layer.output_shape for layer in found.layers] == [
        (6, 8, 6),
        (3, 4, 5),
        (6, 12, 4),
        (6, 12, 2),
    ]
    assert [layer.params for layer in found.layers] == [
        3 * 2 * 6 + 6,
        1 * 3 * 24 + 24 * 5,
        2 * 3 * 4 * 5 + 4,
        9 * 4 * 2 + 2,
    ]
    # Depthwise: one channel per output. Transposed: an input times the whole kernel of its channel.
    assert [layer.multiply_adds for layer in found.layers] == [
        6 * 8 * 6 * 3 * 2,
        3 * 4 * (24 * 3 + 24 * 5),
        3 * 4 * 5 * 2 * 3 * 4,
        6 * 12 * 2 * 9 * 4,
    ]
    fields = [layer.receptive_field for layer in found.layers]
    assert fields == [(3, 2), (3, 4), None, None]


def test_the_receptive_field_by_brute_force() -> None:
    """With kernels of ones, a nonzero pixel changes exactly the units that depend on it."""
    shape = (22, 21, 1)
    model = build("tiny_vgg", shape, kernel_init=jax.nn.initializers.ones)
    fields = {layer.name: layer.receptive_field for layer in summary(model, shape).layers}
    rows, columns = shape[:2]
    lit = jnp.eye(rows * columns).reshape(-1, *shape)
    _, outputs = jax.jit(lambda x: intermediates(model, x))(lit)
    maps = {name: y for name, y in outputs.items() if y.ndim == 4}
    assert len(maps) == 6
    for name, y in maps.items():
        seen = np.asarray(y[:, 1, 1, 0]).reshape(rows, columns) > 0
        assert (int(seen.any(1).sum()), int(seen.any(0).sum())) == fields[name]
        assert seen.sum() == np.prod(fields[name] or ())


class Twice(nnx.Module):
    """A user's module: a layer called twice, its own parameter, and a list of blocks."""

    def __init__(self) -> None:
        rngs = nnx.Rngs(0)
        self.conv = nnx.Conv(3, 3, (3, 3), rngs=rngs)
        self.blocks = nnx.List([Sequential([ops.relu, MaxPooling2D()]), Flatten()])
        self.scale = nnx.Param(jnp.ones(1))

    def __call__(self, x: jax.Array) -> jax.Array:
        """Logits of `x (N, 4, 4, 3)`."""
        x = self.conv(self.conv(x)) * self.scale
        for block in self.blocks:
            x = block(x)
        return x


def test_a_users_module_has_a_row_for_each_innermost_call_and_function() -> None:
    found = summary(Twice(), (4, 4, 3))
    assert [(layer.name, layer.type, layer.params) for layer in found.layers] == [
        ("conv", "Conv", 84),
        ("conv#2", "Conv", 0),
        ("conv#2 multiply", "multiply", 1),
        ("blocks/0/activation", "Activation", 0),
        ("blocks/0/max_pooling2d", "MaxPooling2D", 0),
        ("blocks/1", "Flatten", 0),
    ]
    assert found.params == 85
    assert found.multiply_adds == 2 * 16 * 3 * 27
    fields = [layer.receptive_field for layer in found.layers]
    assert fields == [(3, 3), (5, 5), (5, 5), (5, 5), (6, 6), None]
    inputs = ["input", *(layer.name for layer in found.layers[:-1])]
    assert [layer.inputs for layer in found.layers] == [(name,) for name in inputs]


def rows(found: Summary) -> list[tuple[str, str, tuple[str, ...]]]:
    return [(layer.name, layer.type, layer.inputs) for layer in found.layers]


def test_joins_are_rows_with_their_inputs() -> None:
    """A call of several functions is one row, as `Add` of three arrays."""
    found = summary(Rare(), (8, 8, 3))
    joins = [row for row in rows(found) if len(row[2]) > 1]
    assert joins == [
        ("gate multiply", "multiply", ("norm", "gate/fc2")),
        ("add", "Add", ("transposed add", "depth")),
        ("multiply", "Multiply", ("add", "add upsample")),
        ("concatenate", "Concatenate", ("multiply", "crop crop")),
    ]
    assert found.params == sum(layer.params for layer in found.layers)
    block = rows(zoo_summary("squeezenet1_1", (32, 32, 3)))[3:7]
    assert block == [
        ("features/3/squeeze", "Conv2D", ("features/2",)),
        ("features/3/expand1x1", "Conv2D", ("features/3/squeeze",)),
        ("features/3/expand3x3", "Conv2D", ("features/3/squeeze",)),
        (
            "features/3 concatenate",
            "concatenate",
            ("features/3/expand1x1", "features/3/expand3x3"),
        ),
    ]


def test_the_counts_are_those_of_the_layers_calls() -> None:
    """Rows of a graph against the recorded calls, for every kind of layer."""
    for model, shape in ((Rare(), (8, 8, 3)), (of_every_layer(), (12, 11, 3))):
        found = {layer.name: layer for layer in summary(model, shape).layers}
        for expected in rows_of_calls(eval_mode(as_model(model)), shape):
            row = found[expected.name]
            same = ("type", "output_shape", "params", "multiply_adds", "activation_bytes")
            assert [getattr(row, name) for name in same] == [
                getattr(expected, name) for name in same
            ]


def test_transposed_convolutions_of_flax_are_counted() -> None:
    found = summary(RareOfFlax(), (5, 6, 3))
    work = {row.name: row.multiply_adds for row in found.layers if row.multiply_adds}
    assert work["up"] == 5 * 6 * 3 * 3 * 2 * 4
    assert work["adjoint"] == 10 * 12 * 4 * 2 * 3 * 5
    assert found.params == sum(row.params for row in found.layers)


def test_in_mixed_precision_the_memory_is_that_of_the_outputs() -> None:
    """The graph refuses it, so these are the recorded calls."""
    layer = nnx.Conv(3, 2, (3, 3), dtype=jnp.bfloat16, rngs=nnx.Rngs(0))
    (row,) = summary([layer], (4, 5, 3)).layers
    assert (row.activation_bytes, row.params, row.inputs) == (4 * 5 * 2 * 2, 56, ())


class Reversed(nnx.Module):
    """A model without a graph: what it does to the image is unknown."""

    def __init__(self) -> None:
        self.conv = nnx.Conv(3, 2, (3, 3), rngs=nnx.Rngs(0))

    def __call__(self, x: jax.Array) -> jax.Array:
        """Feature maps of `x (N, H, W, 3)`."""
        return self.conv(x[:, ::-1])


def test_a_model_without_a_graph_has_its_layers_calls() -> None:
    found = summary(Reversed(), (4, 5, 3))
    assert rows(found) == [("conv", "Conv", ())]
    assert (found.params, found.multiply_adds) == (56, 20 * 54)
    assert found.layers[0].receptive_field is None


def test_the_preprocessing_of_a_model_is_a_line() -> None:
    model = build("mlp", (8, 8, 1))
    assert summary(model, (8, 8, 1)).preprocessing == ""
    set_preprocessing(model, Preprocessing((8, 8), "crop", "grey", (0.5,), (0.25,)))
    found = summary(model, (8, 8, 1))
    assert found.preprocessing == "resized to 8 x 8 (crop), grey, (x / 255 - 0.5) / 0.25"
    assert f"<p>Images: {found.preprocessing}</p>" in found._repr_html_()


def test_a_summary_names_the_layer_that_cannot_take_its_input() -> None:
    with pytest.raises(ValueError, match=r"layer 'dense': kernel: got shape \(5, 3\) for x \(1, 8"):
        summary([Flatten(), Dense(5, 3, rngs=nnx.Rngs(0))], (2, 2, 2))


def test_after_an_upsampling_units_have_no_common_receptive_field() -> None:
    rngs = nnx.Rngs(0)
    model = [Conv2D(3, 2, rngs=rngs), UpSampling2D(), Conv2D(2, 2, rngs=rngs)]
    fields = [layer.receptive_field for layer in summary(model, (6, 8, 3)).layers]
    assert fields == [(3, 3), None, None]
