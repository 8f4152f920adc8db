"""Images that maximise a convolution's channels, by gradient ascent on the pixels."""

import base64
import math
from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import numpy.typing as npt
from flax import nnx

from jcnn.compile import jit
from jcnn.data.events import Notify, Reading
from jcnn.explore._layer import Floats
from jcnn.explore._network import Network
from jcnn.explore._stages import Stage, stages
from jcnn.graph import GraphModel
from jcnn.layers import eval_mode

MOST_CHANNELS = 16  # of a convolution
MOST_BYTES = 10_000_000  # of all images in a page

_CONVOLUTIONS = ("conv", "conv_transpose")

_SEED = 0
_NOISE = 0.05  # standard deviation of the start, around 0.5
_STEPS = 100
_STEP = 0.1
_DECAY = 0.05
_BLUR = 0.2
# Cells that a ReLU sets to zero have no gradient. So the mean of the cells before it is raised,
# too, with this weight; and while all are zero, the mean of this part of them, the largest, alone.
# (The mean of all may lead to a black image, with zeros again.)
_BEFORE = 0.01
_PART = 0.25


def maximised(
    found: Network, images: npt.NDArray[np.uint8], count: int, notify: Notify
) -> dict[str, Any]:
    """Find the images that maximise the channels of every convolution.

    A channel's score is its mean over all cells after the layers that share the convolution's
    column, such as its activation. The ascent begins with grey noise and repeats
    `x <- clip(1/2 + (1 - d) (b(x + s g / rms(g)) - 1/2), 0, 1)`: `g` is the gradient of the score
    by the pixels, `s` the step, `d` the decay towards grey, and `b` mixes the image with itself
    blurred. For the cells that a ReLU sets to zero, a hundredth of the mean before the activation
    is added to the score; while all are zero, the mean of the largest quarter before it takes its
    place. The best image of all steps is rounded to uint8, and its score computed anew. Erhan et
    al. (2009), Visualizing higher-layer features of a deep network; decay and blur are those of
    Yosinski et al. (2015), Understanding neural networks through deep visualization.

    Args:
        found: the network.
        images: `(N, H, W, C)` uint8, those of the page.
        count: of each convolution, as many channels: those with the largest numbers in `images`.
        notify: gets the progress.

    Returns:
        `stages`, for each convolution: the indices `layers` of maps that share its column, the
        index `shown` of the one whose channels are maximised, and `channels`, each a `channel`, the
        `value` of its score and `pixels` in base64, with the shape of the network's input.

    Raises:
        ValueError: the model has no convolution, or the images are too many for a page.
    """
    chosen = [one for one in stages(found) if found.layers[one.layers[0]].kind in _CONVOLUTIONS]
    _check(found, chosen, count)
    outputs = [found.outputs(image) for image in images]
    described = []
    for done, stage in enumerate(chosen):
        name = found.layers[stage.layers[0]].name
        notify(Reading(f"maximising channels of {name}", done, len(chosen)))
        channels = _most_active([of[stage.shown] for of in outputs], count)
        pixels = _ascend(found, stage, channels)
        entries = []
        for channel, image in zip(channels.tolist(), pixels, strict=True):
            score = _score(found, stage, image, channel)
            if math.isfinite(score):
                text = base64.b64encode(image.tobytes()).decode("ascii")
                value = float(f"{score:.6g}")
                entries.append({"channel": channel, "value": value, "pixels": text})
        maps = [i for i in stage.layers if len(found.layers[i].out_shape) == 3]
        described.append({"layers": maps, "shown": stage.shown, "channels": entries})
    return {"stages": described}


def _check(found: Network, chosen: Sequence[Stage], count: int) -> None:
    """Raise a `ValueError` unless a page takes the images of `count` channels of every stage."""
    if not chosen:
        raise ValueError("maximise: the model has no convolution; accepted: 0")
    sizes = [found.layers[one.shown].out_shape[-1] for one in chosen]
    each = -(-int(np.prod(found.input_shape)) // 3) * 4

    def size(channels: int) -> int:
        return each * sum(min(channels, one) for one in sizes)

    if size(count) > MOST_BYTES:
        most = max(n for n in range(count) if size(n) <= MOST_BYTES)
        raise ValueError(
            f"maximise: got {count}; the images take {size(count) / 1e6:.1f} MB in a page; "
            f"accepted: 0 to {most} ({MOST_BYTES / 1e6:.0f} MB)"
        )


def _most_active(outputs: Sequence[Floats], count: int) -> npt.NDArray[np.intp]:
    """The channels with the largest numbers in outputs `(H, W, C)`, at most `count`, in order."""
    size = np.max([np.abs(one).max((0, 1)) for one in outputs], 0)
    return np.sort(np.argsort(-size, kind="stable")[:count])


def _score(found: Network, stage: Stage, image: npt.NDArray[np.uint8], channel: int) -> float:
    return float(found.outputs(image)[stage.shown][..., channel].mean(dtype=np.float64))


def _ascend(found: Network, stage: Stage, channels: npt.NDArray[np.intp]) -> npt.NDArray[np.uint8]:
    """An image for each channel, `(K, H, W, C)`."""
    noise = np.random.default_rng(_SEED).normal(0.5, _NOISE, (*found.input_shape[:2], 1))
    start = np.broadcast_to(noise.clip(0, 1), (len(channels), *found.input_shape))
    state, program = _program(found, stage)
    best = program(state, jnp.asarray(start, jnp.float32), jnp.asarray(channels))
    return np.asarray(np.rint(np.asarray(best) * 255), np.uint8)


def _program(found: Network, stage: Stage) -> tuple[Any, Callable[..., jax.Array]]:
    """The model's state, and the compiled ascent `(state, start, channels) -> images`."""
    graphdef, state = nnx.split(eval_mode(GraphModel(found.graph, rngs=nnx.Rngs(0))))
    shown = found.layers[stage.shown]
    after = _node(found, stage.shown)
    before = _node(found, shown.inputs[0] - 1) if shown.kind == "activation" else after

    def run(state: Any, start: jax.Array, channels: jax.Array) -> jax.Array:
        module: Any = nnx.merge(graphdef, state)

        def cells(maps: jax.Array) -> jax.Array:
            """Those of each image's own channel, `(K, cells)`."""
            flat = maps.astype(jnp.float32).reshape(len(channels), -1, maps.shape[-1])
            return jnp.take_along_axis(flat, channels[:, None, None], 2)[..., 0]

        def score(x: jax.Array) -> tuple[jax.Array, jax.Array]:
            given = x if found.preprocessing is None else found.preprocessing.standardise(x)
            values = module.values(given)
            reached, raised = cells(values[after]).mean(1), cells(values[before])
            largest, _ = jax.lax.top_k(raised, max(1, int(raised.shape[1] * _PART)))
            climbed = jnp.where(reached == 0, largest.mean(1), reached + _BEFORE * raised.mean(1))
            return climbed.sum(), reached

        def step(carry: Any, _: None) -> tuple[Any, None]:
            x, best, largest = carry
            (_, reached), gradient = jax.value_and_grad(score, has_aux=True)(x)
            better = reached > largest  # False for NaN
            best = jnp.where(better[:, None, None, None], x, best)
            size = jnp.sqrt(jnp.square(gradient).mean((1, 2, 3), keepdims=True))
            x = x + _STEP * gradient / jnp.maximum(size, 1e-30)
            x = (1 - _BLUR) * x + _BLUR * _blurred(x)
            x = jnp.clip(0.5 + (1 - _DECAY) * (x - 0.5), 0, 1)
            return (x, best, jnp.where(better, reached, largest)), None

        lowest = jnp.full(len(channels), -jnp.inf)
        (_, best, _), _ = jax.lax.scan(step, (start, start, lowest), None, _STEPS)
        return best

    return state, jit(run)


def _node(found: Network, layer: int) -> str:
    return found.ends[layer] or found.layers[layer].name


def _blurred(x: jax.Array) -> jax.Array:
    """Images `(N, H, W, C)` averaged with the weights 1/4, 1/2, 1/4 along rows and columns."""
    x = jnp.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0)), mode="edge")
    x = (x[:, :-2] + 2 * x[:, 1:-1] + x[:, 2:]) / 4
    return (x[:, :, :-2] + 2 * x[:, :, 1:-1] + x[:, :, 2:]) / 4
