"""Train a small CNN to a target test accuracy as fast as possible on one accelerator.

    python -m experiments.speedrun --data fashion_mnist --runs 10 [--epochs 8] [--out runs.json]
    python -m experiments.speedrun --quick

The ingredients are those of Jordan, "94% on CIFAR-10 in 3.29 Seconds on a Single GPU", 2024
(arXiv 2404.00498): a whitening first layer, Muon, a triangular learning rate, label smoothing,
alternating flips, translations, and test-time augmentation. Images stay on the device as uint8, and
a whole training, from random parameters to the last step, is one compiled program. The time of a
run is that of this program, without its compilation. Images of three channels take the settings for
CIFAR-10 (goal 0.94), others those for Fashion-MNIST (goal 0.93).

Time: not yet measured on a GPU. On two CPU cores an epoch of Fashion-MNIST takes minutes. There,
networks of widths 16, 32 and 32 reached 0.911 to 0.914 in 3 epochs of batches of 1000 (n = 3,
settings that differ a little).
--quick: 4,000 real digits, a narrow network, one epoch, two runs, half a minute.
"""

import functools
import json
import math
from collections.abc import Hashable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from time import perf_counter
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from flax import nnx

from experiments.command_line import machine_line, parser
from jcnn import ops
from jcnn.compile import jit
from jcnn.data import Dataset, load
from jcnn.layers import (
    Activation,
    BatchNormalization,
    Conv2D,
    Dense,
    Frozen,
    GlobalMaxPooling2D,
    MaxPooling2D,
    Sequential,
    eval_mode,
)
from jcnn.layers.model import split_model
from jcnn.system.files import write_text


@dataclass(frozen=True)
class Settings:
    """Settings of a speedrun; learning rates and decay are those at the peak of the schedule."""

    widths: tuple[int, int, int]
    epochs: float
    batch_size: int
    kernel_rate: float = 0.24
    head_rate: float = 0.02
    bias_rate: float = 50.0
    decay: float = 0.02
    peak: float = 0.1
    whitening_epochs: float = 3.0
    smoothing: float = 0.2
    pixels: int = 2


# Operations of a training, 6 for each product of a weight and an input (forward, both gradients):
# 28x28x1: 34 M products, 0.20 GFLOP an image, 8 epochs of 60,000 images 98 TFLOP.
# 32x32x3: 118 M products, 0.71 GFLOP an image, 8 epochs of 50,000 images 283 TFLOP.
# At 200 TFLOP/s in bfloat16 that is 0.5 s and 1.4 s. A step of 28x28x1, compiled for an H100, has
# about 290 kernels and moves 5.3 GB: 1.6 ms at 3.35 TB/s, 0.4 s in 240 steps. One of 32x32x3 moves
# 10.3 GB: 3.1 ms, 0.6 s in 200 steps.
FASHION_MNIST = Settings((64, 128, 128), 8, 2000)
CIFAR10 = Settings((64, 256, 256), 8, 2000)
SMALL = Settings((8, 16, 16), 1, 100)


@dataclass(frozen=True)
class SpeedrunResult:
    """Seconds of training, and test accuracy with and without test-time augmentation."""

    seconds: float
    accuracy: float
    accuracy_plain: float


def warm_up(
    train: Dataset, test: Dataset, *, small: bool = False, epochs: float | None = None
) -> None:
    """Compile everything that `run_once` needs.

    Args:
        train, test: of images with one class each, at least 16x16.
        small: whether to train a narrow network for one epoch, for trials on a CPU.
        epochs: epochs of the training, may be a fraction; None means those of the settings.

    Raises:
        ValueError: the images have no classes, or `epochs` is not positive.
    """
    programs = _programs_for(train, test, small, epochs)
    if jax.default_backend() != "cpu":
        # A GPU's libraries are initialised, and its kernels loaded, when they are first used.
        programs.run(train, test, 0)


def run_once(
    train: Dataset, test: Dataset, *, seed: int, small: bool = False, epochs: float | None = None
) -> SpeedrunResult:
    """Train once and test.

    Args:
        train, test, small, epochs: as for `warm_up`.
        seed: of the parameters, the order of the images and the augmentation.

    Raises:
        ValueError: as for `warm_up`.
        FloatingPointError: the loss of a step is not finite.
    """
    return _programs_for(train, test, small, epochs).run(train, test, seed)


class Net(nnx.Module):
    """A whitening layer, three blocks of two convolutions, a global maximum and a dense layer.

    Takes uint8 images `(N, H, W, C)` and returns logits `(N, K)` float32. All but the logits is
    computed in `dtype`, from parameters in float32.
    """

    def __init__(
        self, widths: tuple[int, ...], channels: int, classes: int, dtype: str, rngs: nnx.Rngs
    ) -> None:
        inputs = 8 * channels
        self.dtype = dtype
        self.mean = Frozen(jnp.zeros(channels))
        self.deviation = Frozen(jnp.ones(channels))
        self.filters = Frozen(jnp.zeros((2, 2, channels, inputs)))
        self.whitening_bias = nnx.Param(jnp.zeros(inputs))
        blocks = []
        for width in widths:
            blocks.append(_block(inputs, width, rngs))
            inputs = width
        self.blocks = Sequential(blocks)
        self.pool = GlobalMaxPooling2D()
        scaled = jax.nn.initializers.normal(1 / inputs)
        self.head = Dense(inputs, classes, use_bias=False, kernel_init=scaled, rngs=rngs)

    def __call__(self, images: jax.Array) -> jax.Array:
        """Logits of uint8 images."""
        x = normalize(images, self.mean[...], self.deviation[...]).astype(self.dtype)
        filters, bias = (v[...].astype(self.dtype) for v in (self.filters, self.whitening_bias))
        x = ops.gelu(ops.conv2d(x, filters, bias, padding="VALID"))
        return self.head(self.pool(self.blocks(x))).astype(jnp.float32)


def _block(inputs: int, width: int, rngs: nnx.Rngs) -> Sequential:
    def convolution(channels: int) -> Conv2D:
        return Conv2D(channels, width, use_bias=False, kernel_init=partly_identity, rngs=rngs)

    def normalization() -> BatchNormalization:
        return BatchNormalization(width, momentum=0.6, epsilon=1e-5, scale=False, rngs=rngs)

    gelu = Activation(ops.gelu)
    first = [convolution(inputs), MaxPooling2D(2), normalization(), gelu]
    return Sequential([*first, convolution(width), normalization(), gelu])


def partly_identity(key: jax.Array, shape: tuple[int, ...], dtype: Any) -> jax.Array:
    """A kernel whose first filters copy the input channels; the others are random."""
    kh, kw, channels, filters = shape
    drawn = jax.nn.initializers.lecun_uniform()(key, shape, dtype) / jnp.sqrt(3.0).astype(dtype)
    same = min(channels, filters)
    copy = jnp.zeros((kh, kw, channels, same), dtype)
    copy = copy.at[kh // 2, kw // 2].set(jnp.eye(channels, same, dtype=dtype))
    return drawn.at[..., :same].set(copy)


def normalize(images: jax.Array, mean: jax.Array, deviation: jax.Array) -> jax.Array:
    """Images `(N, H, W, C)` uint8, of 0..1 less the mean by channel, over the deviation."""
    return (images.astype(jnp.float32) / 255 - mean) / deviation


def whitening_filters(x: jax.Array, epsilon: float = 5e-4) -> jax.Array:
    """Filters that give uncorrelated responses of variance 1 to 2x2 patches, and their negatives.

    They are the eigenvectors of the patches' covariance over the square roots of the eigenvalues.

    Args:
        x: `(N, H, W, C)` float32.
        epsilon: added to the eigenvalues, so that rare patterns are not amplified too much.

    Returns:
        `(2, 2, C, 8 * C)`; filter `4 * C + i` is the negative of filter `i`.
    """
    size = 4 * x.shape[-1]
    patches = ops.im2col(x, 2).reshape(-1, size)
    patches = patches - patches.mean(0)
    # TensorFloat-32 would lose the small eigenvalues.
    covariance = jnp.matmul(patches.T, patches, precision="highest") / len(patches)
    values, vectors = jnp.linalg.eigh(covariance)
    filters = (vectors * jax.lax.rsqrt(values + epsilon)).reshape(2, 2, x.shape[-1], size)
    return jnp.concatenate([filters, -filters], axis=-1)


def moved(images: jax.Array, rows: jax.Array, mirrored: jax.Array, shift: jax.Array) -> jax.Array:
    """Select images, mirror some of them, then shift them over their reflection.

    Args:
        images: `(N, H, W, C)`.
        rows: `(B,)` int32, which images.
        mirrored: `(B,)` bool, whether the columns are reversed.
        shift: `(B, 2)` int32; pixel `(y, x)` of the result is pixel `(y + shift[0], x + shift[1])`.

    Returns:
        `(B, H, W, C)`, the dtype of `images`.
    """
    _, height, width, _ = images.shape
    y = _reflected(jnp.arange(height) + shift[:, :1], height)
    x = _reflected(jnp.arange(width) + shift[:, 1:], width)
    x = jnp.where(mirrored[:, None], width - 1 - x, x)
    return images[rows[:, None, None], y[:, :, None], x[:, None, :]]


def _reflected(position: jax.Array, size: int) -> jax.Array:
    inside = jnp.abs(position)
    return jnp.where(inside >= size, 2 * (size - 1) - inside, inside)


def mirrored_in(epoch: jax.Array, first: jax.Array) -> jax.Array:
    """Whether images are mirrored in an epoch: `first` in epoch 0, then alternating."""
    return (epoch + first) % 2 == 1


def optimizer(settings: Settings, steps: int, whitening_steps: int) -> optax.GradientTransformation:
    """Muon for convolution kernels, SGD with Nesterov momentum and decoupled decay for the rest.

    The learning rate rises linearly from a fifth until the share `peak` of the steps, then falls to
    zero. That of the whitening layer's bias also falls to zero within `whitening_steps`.

    Reference: Jordan et al., "Muon: An optimizer for hidden layers in neural networks", 2024.
    """
    top = settings.peak * steps

    def cycle(count: Any) -> jax.Array:
        rise = 0.2 + 0.8 * (count + 1) / max(top, 1)
        return jnp.clip(jnp.minimum(rise, (steps - count) / max(steps - top, 1)), 0, 1)

    def early(count: Any) -> jax.Array:
        return cycle(count) * jnp.clip(1 - count / whitening_steps, 0, 1)

    def sgd(rate: float, schedule: optax.Schedule) -> optax.GradientTransformation:
        return optax.chain(
            optax.trace(0.85, nesterov=True),
            optax.scale(rate),
            optax.add_decayed_weights(settings.decay),
            optax.scale_by_schedule(schedule),
            optax.scale(-1),
        )

    matrix = optax.contrib.MuonDimensionNumbers((0, 1, 2), 3)
    muon = optax.chain(
        optax.contrib.scale_by_muon(
            ns_steps=3,
            beta=0.6,
            weight_dimension_numbers=lambda kernels: jax.tree.map(lambda _: matrix, kernels),
        ),
        optax.scale(settings.kernel_rate),
        optax.scale_by_schedule(cycle),
        optax.scale(-1),
    )
    kinds: dict[Hashable, optax.GradientTransformation] = {
        "kernel": muon,
        "head": sgd(settings.head_rate, cycle),
        "bias": sgd(settings.bias_rate, cycle),
        "whitening": sgd(settings.bias_rate, early),
    }
    return optax.partition(kinds, lambda params: jax.tree.map_with_path(_kind, params))


def _kind(path: tuple[Any, ...], leaf: jax.Array) -> str:
    if "whitening_bias" in jax.tree_util.keystr(path):
        return "whitening"
    return {1: "bias", 2: "head", 4: "kernel"}[leaf.ndim]


def _unit_scale(params: Any) -> Any:
    """Give each filter of the kernels norm 1 on average; batch normalisation undoes the scale."""

    def scaled(leaf: jax.Array) -> jax.Array:
        if leaf.ndim != 4:
            return leaf
        return leaf * (math.sqrt(leaf.shape[3]) * jax.lax.rsqrt(jnp.sum(leaf * leaf)))

    return jax.tree.map(scaled, params)


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
            return (_unit_scale(optax.apply_updates(params, updates)), rest, state), value

        params = _unit_scale(params)
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


@dataclass(frozen=True)
class Programs:
    """The compiled programs of a training and of a test."""

    train: Any
    test: Any

    def run(self, train: Dataset, test: Dataset, seed: int) -> SpeedrunResult:
        """Train and test once, with data that is on the device before the time begins."""
        images, labels = jax.device_put(_arrays(train))
        start = jax.device_put(np.uint32(seed))
        jax.block_until_ready((images, labels, start))
        began = perf_counter()
        params, rest, losses = jax.block_until_ready(self.train(images, labels, start))
        seconds = perf_counter() - began
        if not np.isfinite(np.asarray(losses)).all():
            raise FloatingPointError(f"seed {seed}: the loss is not finite")
        correct = self.test(params, rest, *jax.device_put(_arrays(test)))
        accuracy, plain = (float(number) / len(test) for number in correct)
        return SpeedrunResult(seconds, accuracy, plain)


def _programs_for(train: Dataset, test: Dataset, small: bool, epochs: float | None) -> Programs:
    if not (train.has_classes and test.has_classes):
        raise ValueError("train, test: got labels (N, K); expected one class for each image, (N,)")
    if epochs is not None and not epochs > 0:
        raise ValueError(f"epochs: got {epochs}; expected a number > 0")
    settings = SMALL if small else CIFAR10 if train.image_shape[2] == 3 else FASHION_MNIST
    if epochs is not None:
        settings = replace(settings, epochs=epochs)
    # On a CPU, bfloat16 is slower than float32.
    dtype = "float32" if jax.default_backend() == "cpu" else "bfloat16"
    sizes = len(train), len(test)
    return programs(settings, sizes, train.image_shape, len(train.class_names), dtype)


@functools.cache
def programs(
    settings: Settings,
    sizes: tuple[int, int],
    image_shape: tuple[int, int, int],
    classes: int,
    dtype: str,
) -> Programs:
    """Compile the programs of a training and of a test."""

    def data(count: int) -> tuple[jax.ShapeDtypeStruct, jax.ShapeDtypeStruct]:
        images = jax.ShapeDtypeStruct((count, *image_shape), jnp.uint8)
        return images, jax.ShapeDtypeStruct((count,), jnp.int32)

    train = training(settings, sizes[0], classes, dtype)
    arguments = *data(sizes[0]), jax.ShapeDtypeStruct((), jnp.uint32)
    params, rest, _ = jax.eval_shape(train, *arguments)
    test = testing(settings, classes, dtype)
    return Programs(
        jit(train).lower(*arguments).compile(),
        jit(test).lower(params, rest, *data(sizes[1])).compile(),
    )


def _arrays(dataset: Dataset) -> tuple[Any, Any]:
    return np.asarray(dataset.images), np.asarray(dataset.labels)


def main(arguments: list[str] | None = None) -> list[SpeedrunResult]:
    """Train several times; print each run, and the mean and deviation of all."""
    options = parser(__doc__)
    options.add_argument("--data", default="fashion_mnist", help="as jcnn train --data")
    options.add_argument("--runs", type=int, default=5)
    options.add_argument("--epochs", type=float, help="may be a fraction")
    options.add_argument("--out", type=Path, help="JSON file of the results")
    chosen = options.parse_args(arguments)
    if chosen.runs < 1:
        options.error(f"--runs: got {chosen.runs}; expected at least 1")
    if chosen.epochs is not None and not chosen.epochs > 0:
        options.error(f"--epochs: got {chosen.epochs}; expected a number > 0")
    small = chosen.quick
    data = "mnist5k" if small else chosen.data
    train, test = load(data)
    warm_up(train, test, small=small, epochs=chosen.epochs)
    results = []
    for seed in range(2 if small else chosen.runs):
        result = run_once(train, test, seed=seed, small=small, epochs=chosen.epochs)
        results.append(result)
        print(
            f"seed {seed}: {result.seconds:.3f} s, test accuracy {result.accuracy:.4f} "
            f"({result.accuracy_plain:.4f} without test-time augmentation)",
            flush=True,
        )
        if chosen.out is not None:  # after each run, so that an interrupted series is kept
            rows = [asdict(result) for result in results]
            content = {"data": data, "machine": machine_line(), "runs": rows}
            write_text(chosen.out, json.dumps(content, indent=1) + "\n")
    print(f"seconds {_spread([r.seconds for r in results])}")
    print(f"test accuracy {_spread([r.accuracy for r in results])}")
    return results


def _spread(numbers: list[float]) -> str:
    deviation = np.std(numbers, ddof=1) if len(numbers) > 1 else float("nan")
    return f"{np.mean(numbers):.4f} ± {deviation:.4f} (n = {len(numbers)})"


if __name__ == "__main__":
    main()
