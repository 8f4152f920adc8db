"""Networks of depthwise convolutions: other images and classes, graphs, PyTorch's names."""

from typing import Any

import jax
import jax.numpy as jnp
import pytest
from flax import nnx

from jcnn.graph import GraphModel, graph
from jcnn.interop.torch.names import torch_name
from jcnn.layers import StochasticDepth, eval_mode, train_mode
from jcnn.layers.streams import Streams
from jcnn.models.zoo import trace

zeros = jax.nn.initializers.zeros

# Some names in the files of torchvision (timm for atto, the package for Lite0), and their shapes
# in jcnn's order.
NAMES: dict[str, dict[str, tuple[int, ...]]] = {
    "mobilenet_v2": {
        "features.0.0.weight": (3, 3, 3, 32),
        "features.0.1.running_mean": (32,),
        "features.1.conv.0.0.weight": (3, 3, 32, 1),
        "features.1.conv.1.weight": (1, 1, 32, 16),
        "features.1.conv.2.weight": (16,),
        "features.17.conv.2.weight": (1, 1, 960, 320),
        "features.17.conv.3.running_var": (320,),
        "features.18.0.weight": (1, 1, 320, 1280),
        "classifier.1.bias": (1000,),
    },
    "mobilenet_v3_small": {
        "features.1.block.0.0.weight": (3, 3, 16, 1),
        "features.1.block.1.fc1.weight": (1, 1, 16, 8),
        "features.1.block.2.1.weight": (16,),
        "features.4.block.2.fc2.bias": (96,),
        "features.12.0.weight": (1, 1, 96, 576),
        "classifier.0.weight": (576, 1024),
        "classifier.3.weight": (1024, 1000),
    },
    "mobilenet_v3_large": {
        "features.1.block.1.0.weight": (1, 1, 16, 16),
        "features.4.block.2.fc1.weight": (1, 1, 72, 24),
        "features.15.block.3.0.weight": (1, 1, 960, 160),
        "features.16.0.weight": (1, 1, 160, 960),
        "classifier.3.bias": (1000,),
    },
    "efficientnet_lite0": {
        "_conv_stem.weight": (3, 3, 3, 32),
        "_blocks.1._expand_conv.weight": (1, 1, 16, 96),
        "_blocks.15._bn2.running_var": (320,),
    },
    "efficientnet_b0": {
        "features.0.0.weight": (3, 3, 3, 32),
        "features.1.0.block.1.fc1.weight": (1, 1, 32, 8),
        "features.2.1.block.2.fc2.weight": (1, 1, 6, 144),
        "features.7.0.block.3.1.bias": (320,),
        "features.8.1.running_mean": (1280,),
        "classifier.1.weight": (1280, 1000),
    },
    "convnext_atto": {
        "stem.0.weight": (4, 4, 3, 40),
        "stem.1.bias": (40,),
        "stages.0.blocks.1.gamma": (40,),
        "stages.1.downsample.0.weight": (40,),
        "stages.1.downsample.1.weight": (2, 2, 40, 80),
        "stages.3.blocks.1.conv_dw.weight": (7, 7, 320, 1),
        "stages.3.blocks.1.mlp.fc2.weight": (1, 1, 1280, 320),
        "head.norm.weight": (320,),
        "head.fc.weight": (320, 1000),
    },
    "convnext_tiny": {
        "features.0.1.weight": (96,),
        "features.1.0.layer_scale": (96,),
        "features.1.0.block.0.weight": (7, 7, 96, 1),
        "features.1.0.block.2.weight": (96,),
        "features.1.0.block.3.weight": (1, 1, 96, 384),
        "features.5.8.block.5.bias": (384,),
        "features.6.1.weight": (2, 2, 384, 768),
        "classifier.0.weight": (768,),
        "classifier.2.weight": (768, 1000),
    },
}


@pytest.mark.parametrize("name", NAMES)
def test_variables_have_the_names_of_published_files(name: str) -> None:
    model = nnx.eval_shape(lambda: trace(name, kernel_init=zeros))
    variables = nnx.to_flat_state(nnx.state(model, (nnx.Param, nnx.BatchStat)))
    found = {torch_name("/".join(map(str, path))): tuple(one.shape) for path, one in variables}
    assert {one: found.get(one) for one in NAMES[name]} == NAMES[name]


@pytest.mark.parametrize("name", [name for name in NAMES if name != "mobilenet_v3_large"])
def test_other_images_and_classes_and_the_graph(name: str) -> None:
    shapes: list[Any] = []
    x = jax.ShapeDtypeStruct((2, 41, 32, 1), jnp.float32)

    def build_all() -> None:
        model = trace(name, (41, 32, 1), 7, kernel_init=zeros)
        shapes.append(jax.eval_shape(eval_mode(model), x).shape)
        again = GraphModel(graph(model, (41, 32, 1)), rngs=Streams(jax.random.key(0)))
        shapes.append(jax.eval_shape(eval_mode(again), x).shape)

    jax.eval_shape(build_all)
    assert shapes == [(2, 7), (2, 7)]


@pytest.mark.parametrize(
    ("name", "last"), [("efficientnet_b0", 0.2 * 14 / 16), ("convnext_tiny", 0.1)]
)
def test_branches_are_dropped_more_often_in_later_blocks(name: str, last: float) -> None:
    model = nnx.eval_shape(lambda: trace(name, kernel_init=zeros))
    modules = [m for _, m in nnx.iter_modules(train_mode(model))]
    rates = sorted(m.rate for m in modules if isinstance(m, StochasticDepth))
    assert len(set(rates)) == len(rates) == (9 if name == "efficientnet_b0" else 18)
    assert rates[-1] == pytest.approx(last)
