"""Published networks against torchvision's and the package of EfficientNet-Lite, with one state."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from safetensors.numpy import load_file

from jcnn.interop import save_model
from jcnn.interop.pretrained import weights_file
from jcnn.interop.torch.legacy import read_torch_legacy
from jcnn.interop.torch.names import load_torch_state
from jcnn.layers import eval_mode
from jcnn.models import ZOO, build

torch: Any = pytest.importorskip("torch", reason="needs PyTorch: pip install torch")

pytestmark = pytest.mark.slow

# By model, the size of the images. Odd sizes show another rounding of shapes.
NETWORKS = {
    "resnet18": 75,
    "resnet34": 64,
    "resnet50": 71,
    "squeezenet1_1": 69,
    "mobilenet_v2": 77,
    "mobilenet_v3_small": 75,
    "mobilenet_v3_large": 64,
    "efficientnet_b0": 73,
    "convnext_tiny": 64,
}
# A dense layer reads flattened maps, in PyTorch's order: its first dense layer and their shape.
FLATTENED = {
    "alexnet": (224, "classifier.1.weight", (256, 6, 6)),
    "vgg16": (224, "classifier.0.weight", (512, 7, 7)),
}


def randomised(model: Any) -> Any:
    """All parameters and statistics drawn anew, so that none is 0 or 1 by default."""
    generator = torch.Generator().manual_seed(5)
    for name, tensor in model.state_dict().items():
        if not tensor.dtype.is_floating_point:
            continue
        drawn = torch.randn(tensor.shape, generator=generator)
        if name.endswith("running_var"):
            drawn = 0.5 + torch.rand(tensor.shape, generator=generator)
        elif tensor.ndim >= 2:
            drawn *= (2 / tensor[0].numel()) ** 0.5
        else:
            drawn = 0.2 * drawn + (1.0 if name.endswith("weight") else 0.0)
        tensor.copy_(drawn)
    return model.eval()


def both_logits(
    name: str, theirs: Any, size: int, change: Callable[[dict[str, Any]], None]
) -> tuple[np.ndarray, np.ndarray]:
    """Logits of two images: jcnn's, and PyTorch's in float64."""
    state = {key: tensor.numpy().copy() for key, tensor in theirs.state_dict().items()}
    change(state)
    ours: Any = build(name, (size, size, 3), 1000, kernel_init=jax.nn.initializers.zeros)
    load_torch_state(ours, state)
    x = np.random.default_rng(3).normal(size=(2, size, size, 3)).astype(np.float32)
    with jax.default_matmul_precision("highest"):
        got = jax.jit(eval_mode(ours))(jnp.asarray(x))
    with torch.no_grad():
        wanted = theirs.double()(torch.from_numpy(x.transpose(0, 3, 1, 2)).double())
    return np.asarray(got, np.float64), wanted.numpy()


def assert_same(got: np.ndarray, wanted: np.ndarray) -> None:
    """To 1e-4 of the spread of the logits."""
    assert wanted.std() > 0
    np.testing.assert_allclose(got, wanted, rtol=0, atol=1e-4 * wanted.std())


@pytest.mark.parametrize("name", NETWORKS)
def test_torchvision(name: str) -> None:
    models: Any = pytest.importorskip("torchvision.models")
    with torch.no_grad():
        theirs = randomised(getattr(models, name)(weights=None))
    assert_same(*both_logits(name, theirs, NETWORKS[name], lambda _state: None))


@pytest.mark.parametrize("name", ["resnet18", "mobilenet_v2"])
def test_a_saved_file_is_a_state_of_torchvision(name: str, tmp_path: Path) -> None:
    models: Any = pytest.importorskip("torchvision.models")
    size = NETWORKS[name]
    ours: Any = build(name, (size, size, 3), 7, seed=3)
    names = [str(number) for number in range(7)]
    file, _ = save_model(
        ours, tmp_path / "net.safetensors", input_shape=(size, size, 3), class_names=names
    )
    state = {key: torch.from_numpy(array) for key, array in load_file(file).items()}
    theirs = getattr(models, name)(weights=None, num_classes=7).eval()
    theirs.load_state_dict(state)  # all names, all shapes
    x = np.random.default_rng(3).normal(size=(2, size, size, 3)).astype(np.float32)
    with torch.no_grad():
        wanted = theirs.double()(torch.from_numpy(x.transpose(0, 3, 1, 2)).double()).numpy()
    with jax.default_matmul_precision("highest"):
        assert_same(np.asarray(eval_mode(ours)(jnp.asarray(x)), np.float64), wanted)


@pytest.mark.parametrize("name", FLATTENED)
def test_torchvision_with_flattened_maps(name: str) -> None:
    models: Any = pytest.importorskip("torchvision.models")
    size, weight, shape = FLATTENED[name]

    def change(state: dict[str, Any]) -> None:
        """From PyTorch's order `(C, H, W)` to `(H, W, C)`, as if pooled to 1x1."""
        kernel = state[weight]
        by_map = kernel.reshape(len(kernel), *shape).transpose(0, 2, 3, 1)
        state[weight] = by_map.reshape(len(kernel), -1)

    with torch.no_grad():
        theirs = randomised(getattr(models, name)(weights=None))
    got, wanted = _flattened_logits(name, theirs, size, change)
    assert_same(got, wanted)


def _flattened_logits(
    name: str, theirs: Any, size: int, change: Callable[[dict[str, Any]], None]
) -> tuple[np.ndarray, np.ndarray]:
    """As `both_logits`; the copy's own refusal of flattened maps is not asked."""
    from jcnn.interop.torch import names as torch_names

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(torch_names, "_check_flattened", lambda *_: None)
        return both_logits(name, theirs, size, change)


@pytest.mark.parametrize("name", ["efficientnet_lite0", "efficientnet_lite1", "efficientnet_lite2"])
def test_the_package_of_efficientnet_lite(name: str) -> None:
    """With the trained weights, at the size that they were trained on."""
    package: Any = pytest.importorskip("efficientnet_lite_pytorch")
    try:
        file = weights_file(name)
    except ValueError as error:
        pytest.skip(str(error))
    theirs = package.EfficientNet.from_name(name.replace("_", "-"))
    state = read_torch_legacy(file)
    theirs.load_state_dict({key: torch.from_numpy(array.copy()) for key, array in state.items()})
    got, wanted = both_logits(name, theirs.eval(), ZOO[name].input_shape[0], lambda _state: None)
    np.testing.assert_allclose(got, wanted, rtol=0, atol=1e-4)
