"""Global pooling, padding, cropping, upsampling: each layer is its op, with Keras's defaults."""

from collections.abc import Callable
from typing import Any

import jax
import numpy as np
import pytest

from jcnn import ops
from jcnn.layers import (
    Cropping2D,
    GlobalAveragePooling2D,
    GlobalMaxPooling2D,
    Layer,
    LayerError,
    Sequential,
    UpSampling2D,
    ZeroPadding2D,
    output_shape,
)
from jcnn.models import summary
from tests.ops.conv.cases import draw
from tests.ops.conv.refusals import refusal

SIDES: Any = ((1, 0), (2, 1))


@pytest.mark.parametrize(
    ("layer", "op"),
    [
        (GlobalAveragePooling2D(), ops.global_average_pool2d),
        (
            GlobalAveragePooling2D(keepdims=True),
            lambda x: ops.global_average_pool2d(x, keepdims=True),
        ),
        (GlobalMaxPooling2D(), ops.global_max_pool2d),
        (GlobalMaxPooling2D(keepdims=True), lambda x: ops.global_max_pool2d(x, keepdims=True)),
        (ZeroPadding2D(), lambda x: ops.zero_pad2d(x, 1)),
        (ZeroPadding2D(SIDES), lambda x: ops.zero_pad2d(x, SIDES)),
        (Cropping2D(), lambda x: x),
        (Cropping2D(SIDES), lambda x: ops.crop2d(x, SIDES)),
        (UpSampling2D(), lambda x: ops.upsample2d(x, 2)),
        (
            UpSampling2D((1, 3), interpolation="bilinear"),
            lambda x: ops.upsample2d(x, (1, 3), interpolation="bilinear"),
        ),
    ],
)
def test_each_is_its_op(layer: Layer, op: Callable[[jax.Array], jax.Array]) -> None:
    x = draw("x", (2, 4, 5, 3))
    np.testing.assert_array_equal(layer(x), op(x))


def test_names_shapes_and_the_window_of_all() -> None:
    layers = [UpSampling2D(), ZeroPadding2D((0, 3)), Cropping2D(1), GlobalMaxPooling2D()]
    assert output_shape(layers, (4, 5, 3)) == (3,)
    assert output_shape(layers[:-1], (4, 5, 3)) == (6, 14, 3)
    names = ["up_sampling2d", "zero_padding2d", "cropping2d", "global_max_pooling2d"]
    assert Sequential(layers).names == tuple(names)
    assert Sequential([GlobalAveragePooling2D()]).names == ("global_average_pooling2d",)
    assert GlobalAveragePooling2D().window((4, 5)).out_size == (1, 1)
    rows = summary([GlobalAveragePooling2D(keepdims=True)], (4, 5, 3)).layers
    assert rows[0].receptive_field == (4, 5)


def test_what_is_wrong_is_said_when_the_layer_is_made() -> None:
    wrong: Any = -1
    assert refusal(lambda: ZeroPadding2D(wrong)).startswith("padding: got -1; accepted: an int")
    assert refusal(lambda: Cropping2D(wrong)).startswith("cropping: got -1; accepted: an int")
    assert refusal(lambda: UpSampling2D(wrong)).startswith("size: got -1; accepted: a positive int")
    cubic: Any = "cubic"
    said = refusal(lambda: UpSampling2D(interpolation=cubic))
    assert said == "interpolation: got 'cubic'; accepted: 'nearest', 'bilinear'"
    with pytest.raises(LayerError, match=r"^layer 'cropping2d': cropping: got \(\(3, 3\)"):
        Sequential([Cropping2D(3)])(draw("x", (2, 4, 5, 3)))
