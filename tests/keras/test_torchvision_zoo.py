"""torchvision's networks with the same weights give the same logits."""

import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from jcnn.layers import eval_mode
from jcnn.models import build

pytestmark = pytest.mark.slow

# The size of the images, and rows and columns of the features that are flattened.
NETWORKS: dict[str, tuple[int, int | None]] = {
    "resnet18": (65, None),
    "resnet34": (64, None),
    "resnet50": (50, None),
    "squeezenet1_1": (63, None),
    "alexnet": (224, 6),
    "vgg16": (224, 7),
}
NORM = {"weight": "scale", "bias": "bias", "running_mean": "mean", "running_var": "var"}
CLASSES = 7


@pytest.mark.parametrize("name", NETWORKS)
def test_the_same_logits(name: str) -> None:
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    networks = pytest.importorskip("torchvision", reason="torchvision is not installed").models
    side, flattened = NETWORKS[name]
    theirs = getattr(networks, name)(weights=None, num_classes=CLASSES).eval()
    model = eval_mode(build(name, (side, side, 3), CLASSES))
    variables = {
        ".".join(map(str, path)): variable
        for path, variable in nnx.to_flat_state(nnx.state(model, (nnx.Param, nnx.BatchStat)))
    }
    rng, copied = np.random.default_rng(0), set()
    for key, tensor in theirs.state_dict().items():
        layer, _, part = key.rpartition(".")
        if part == "num_batches_tracked":
            continue
        if tensor.ndim == 1:  # scales and variances around 1, and biases that are not 0
            tensor.copy_(torch.from_numpy(rng.uniform(0.9, 1.1, tuple(tensor.shape))))
        array = tensor.numpy()
        if array.ndim == 4:
            part, array = "kernel", array.transpose(2, 3, 1, 0)
        elif array.ndim == 2:
            if flattened is not None:
                array, flattened = rows_first(array, flattened), None
            part, array = "kernel", array.T
        elif f"{layer}.scale" in variables:
            part = NORM[part]
        variables[f"{layer}.{part}"][...] = jnp.asarray(array)
        copied.add(f"{layer}.{part}")
    assert copied == set(variables)
    x = rng.normal(size=(2, side, side, 3)).astype(np.float32)
    with torch.no_grad():
        expected = theirs(torch.from_numpy(x.transpose(0, 3, 1, 2).copy())).numpy()
    np.testing.assert_allclose(nnx.jit(lambda m, x: m(x))(model, x), expected, 1e-3, 1e-3)


def rows_first(kernel: np.ndarray, side: int) -> np.ndarray:
    """A kernel `(units, C * H * W)` as `(units, H * W * C)`."""
    maps = kernel.reshape(len(kernel), -1, side, side)
    return maps.transpose(0, 2, 3, 1).reshape(len(kernel), -1)
