"""A whole training as one function for the compiler, and the test of its result."""

from typing import Any

import jax
import jax.numpy as jnp
import optax
from flax import nnx

from experiments.speedrun_parts.network import Net, whitening_filters
from experiments.speedrun_parts.optimizer import optimizer, unit_scale
from experiments.speedrun_parts.settings import Settings
from experiments.speedrun_parts.views import mirrored_in, moved
from jcnn import ops
from jcnn.layers import eval_mode
from jcnn.layers.model import split_model


def training(settings: Settings, images: int, classes: int, dtype: str) -> Any:
    """The function of a whole training.

    Args:
        settings: of the training.
        images: N, the number of training images.
        classes: K.
        dtype: of the network's computations.

    Returns:
        A function of images `(N, H, W, C)` uint8, labels `(N,)` int32 and a seed, which returns
        the trained parameters, the network's other state, and the loss of each step.
    """
    batch = min(settings.batch_size, images)
    steps_in_epoch = images // batch
    steps = max(1, round(settings.epochs * steps_in_epoch))
    epochs = -(-steps // steps_in_epoch)
    whitening_steps = max(1, min(steps, round(settings.whitening_epochs * steps_in_epoch)))
    optimize = optimizer(settings, steps, whitening_steps)

    def train(pictures: jax.Array, labels: jax.Array, seed: jax.Array) -> tuple[Any, Any, Any]:
        keys = jax.random.split(jax.random.key(seed, impl="rbg"), 4)
        # The random numbers of all steps are drawn at once: fewer kernels in the loop.
        every = jnp.broadcast_to(jnp.arange(images), (epochs, images))
        orders = jax.random.permutation(keys[1], every, axis=1, independent=True)
        rows = orders[:, : steps_in_epoch * batch].reshape(-1, batch)[:steps]
        first = jax.random.bernoulli(keys[2], shape=(images,))
        reach = settings.pixels
        shifts = jax.random.randint(keys[3], (steps, batch, 2), -reach, reach + 1)
        graph, params, rest = _initial(settings, pictures, classes, dtype, keys[0])

        def loss(params: Any, rest: Any, x: jax.Array, y: jax.Array) -> tuple[jax.Array, Any]:
            model = nnx.merge(graph, _cast(params, dtype), rest, copy=True)
            targets = optax.smooth_labels(jax.nn.one_hot(y, classes), settings.smoothing)
            mean = ops.cross_entropy(model(x), targets).mean()
            return mean, split_model(model).rest

        def step(carry: Any, batch: Any) -> tuple[Any, jax.Array]:
            params, rest, state = carry
            rows, shift, epoch = batch
            x = moved(pictures, rows, mirrored_in(epoch, first[rows]), shift)
            gradient = jax.value_and_grad(loss, has_aux=True)
            (value, rest), gradients = gradient(params, rest, x, labels[rows])
            updates, state = optimize.update(gradients, state, params)
            return (unit_scale(optax.apply_updates(params, updates)), rest, state), value

        params = unit_scale(params)
        epoch = jnp.arange(steps) // steps_in_epoch
        carry = params, rest, optimize.init(params)
        (params, rest, _), losses = jax.lax.scan(step, carry, (rows, shifts, epoch))
        return params, rest, losses

    return train


def _initial(
    settings: Settings, images: jax.Array, classes: int, dtype: str, key: jax.Array
) -> tuple[Any, Any, Any]:
    """Structure, parameters and other state of a network whose first layer whitens the images."""
    net = Net(settings.widths, images.shape[-1], classes, dtype, nnx.Rngs(key))
    some = images[:5000].astype(jnp.float32) / 255
    mean, deviation = some.mean((0, 1, 2)), some.std((0, 1, 2)) + 1e-3
    net.mean.set_value(mean)
    net.deviation.set_value(deviation)
    net.filters.set_value(whitening_filters((some - mean) / deviation))
    graph, params, _, rest = split_model(net)
    return graph, params, rest


def _cast(params: Any, dtype: str) -> Any:
    """Kernels in the dtype of the computation; biases stay as they are."""
    return jax.tree.map(lambda leaf: leaf.astype(dtype) if leaf.ndim > 1 else leaf, params)


def testing(settings: Settings, classes: int, dtype: str) -> Any:
    """The function that tests a network.

    Returns:
        A function of parameters, other state, images `(N, H, W, C)` uint8 and labels `(N,)` int32,
        which returns the number of correct images with test-time augmentation and without.
    """

    def test(params: Any, rest: Any, images: jax.Array, labels: jax.Array) -> Any:
        net: Any = Net(settings.widths, images.shape[-1], classes, dtype, nnx.Rngs(0))
        net = eval_mode(net)
        nnx.update(net, _cast(params, dtype), rest)
        count = len(images)
        batch = min(settings.batch_size, count)
        rows = jnp.arange(-(-count // batch) * batch).reshape(-1, batch)

        def correct(rows: jax.Array) -> tuple[jax.Array, jax.Array]:
            inside = jnp.minimum(rows, count - 1)

            def logits(mirror: bool, pixels: int) -> jax.Array:
                mirrored = jnp.full(batch, mirror)
                shift = jnp.full((batch, 2), pixels)
                result: jax.Array = net(moved(images, inside, mirrored, shift))
                return result

            # Half of the weight is that of the views that are not shifted.
            plain = logits(False, 0)
            other = logits(True, 0)
            shifted = sum(logits(mirror, by) for mirror in (False, True) for by in (-1, 1))
            views = plain + other + shifted / 2
            valid = rows < count
            hits = [valid & (jnp.argmax(z, -1) == labels[inside]) for z in (views, plain)]
            return hits[0].sum(), hits[1].sum()

        return jax.tree.map(jnp.sum, jax.lax.map(correct, rows))

    return test
