"""A graph with another number of classes: all but the last layer stays as it is."""

from dataclasses import replace
from typing import Any

import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from jcnn import ops
from jcnn.graph import Graph, GraphModel, graph
from jcnn.graph.heads import with_classes
from jcnn.layers import Conv2D, Dense, Flatten, GlobalAveragePooling2D, Sequential, eval_mode
from tests.explore.models import drawn
from tests.graph.models import ResNet


def ends_in_convolution() -> Sequential:
    rngs = nnx.Rngs(0)
    return Sequential(
        [Conv2D(3, 4, rngs=rngs), Conv2D(4, 5, activation=ops.relu, rngs=rngs), *POOLED]
    )


POOLED = [GlobalAveragePooling2D()]
SHAPE = (10, 9, 3)


@pytest.mark.parametrize(
    ("make", "head"),
    [(lambda: drawn(ResNet), "head"), (ends_in_convolution, "conv2d_1")],
    ids=["dense", "convolution"],
)
def test_only_the_last_layer_is_another(make: Any, head: str) -> None:
    before = graph(make(), SHAPE)
    after = with_classes(before, 7)
    assert after.shape_of(after.output) == (7,)
    for old, new in zip(before.nodes, after.nodes, strict=True):
        assert (old.name, old.kind, old.inputs, old.paths) == (
            *(new.name, new.kind, new.inputs, new.paths),
        )
        for role, array in old.arrays.items():
            if old.paths.get(role, "").startswith(f"{head}/"):
                assert new.arrays[role].shape == (*array.shape[:-1], 7)
            else:
                np.testing.assert_array_equal(array, new.arrays[role])
    model: Any = eval_mode(GraphModel(after, rngs=nnx.Rngs(0)))
    assert not np.asarray(model(jnp.ones((2, *SHAPE)))).any()  # zeros


def test_what_has_no_such_layer_is_refused() -> None:
    flat = graph(Sequential([Conv2D(3, 1, 1, rngs=nnx.Rngs(0)), Flatten()]), SHAPE)
    with pytest.raises(ValueError, match="with 7 channels the model does not give logits"):
        with_classes(flat, 7)
    pooled = graph(Sequential([GlobalAveragePooling2D()]), SHAPE)
    with pytest.raises(ValueError, match="accepted as the last layer: a dense layer or a conv"):
        with_classes(pooled, 7)
    two = graph(Sequential([Flatten(), Dense(270, 4, rngs=nnx.Rngs(0))]), SHAPE)
    first, last = two.nodes
    again: Graph = replace(
        two, nodes=(first, last, replace(last, name="again", inputs=("flatten",)))
    )
    with pytest.raises(ValueError, match="accepted as the last layer"):
        with_classes(again, 7)
