"""Features of frozen layers, computed once for all epochs.

If the first layers of a model are frozen and no augmentation changes the images, each epoch would
compute the same features of the same images. They are computed before the first epoch, and the
training starts from them: the program calls the model on an image of zeros and gives the first
trained layer the features as its input. The compiler removes the layers before it, since nothing
depends on them any more. With augmentation and `feature_views`, the epochs take turns with the
features of a few augmented views of each image.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import numpy.typing as npt
from flax import nnx

from jcnn.compile import jit
from jcnn.config import TrainConfig
from jcnn.data import Dataset, Note, Reading
from jcnn.data.augment import augment
from jcnn.data.batches import augment_keys, normalise, step_key
from jcnn.data.memory import memory_budget
from jcnn.data.preprocessing import model_input
from jcnn.data.transforms import Transform, parse
from jcnn.layers import Frozen, eval_mode
from jcnn.layers.calls import around_calls, called_modules, modules_by_path
from jcnn.layers.model import split_model
from jcnn.train.events import Event
from jcnn.train.feature_cache import cached_features, key_of

# The images of one batch, and the batches of one call of the program.
_BATCH, _BATCHES = 32, 8
_WHAT = "computing the features of the frozen layers"


@dataclass(frozen=True)
class Start:
    """Where a training from features starts; the model's attribute `start` while it is trained.

    Attributes:
        layer: path of the layer whose input is the features.
        image_shape: `(H, W, C)` of the images.
    """

    layer: str
    image_shape: tuple[int, int, int]


@dataclass(frozen=True)
class Views:
    """How the images differ from the given ones before their features are computed.

    View v of image i depends on the seed, v and i alone: the views v = 1, 2, ... are the images
    of the epochs of a training without shuffling, in batches of `_BATCH`.

    Attributes:
        count: V, number of views of each image.
        transforms: from `parse`; none leave the images as they are.
        seed: of the training.
    """

    count: int = 1
    transforms: tuple[Transform, ...] = ()
    seed: int = 0


@dataclass(frozen=True, eq=False)
class Features(Dataset):
    """A data set whose images are features `(V * N, ...)` float32; its length is N.

    Row `v * N + i` of `images` and `labels` is of view v of image i.

    Args:
        of: `(H, W, C)` of the images.
        views: V, number of views of each image.
    """

    of: tuple[int, int, int] = (0, 0, 0)
    views: int = 1

    def __post_init__(self) -> None:
        pass

    def __len__(self) -> int:
        return len(self.images) // self.views

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """Of the images, by which a resumed run knows its data."""
        return self.of


def call(model: Any, x: jax.Array, dtype: Any = jnp.float32) -> Any:
    """Call a model on a batch.

    Args:
        model: any NNX module.
        x: `(B, H, W, C)`, images in 0..1; or features, if the model has a `start` and their
            shape is not that of its images.
        dtype: of the computation.
    """
    start: Start | None = getattr(model, "start", None)
    if start is None or x.shape[1:] == start.image_shape:
        return model(model_input(model, x).astype(dtype))
    return _from_features(model, start, x.astype(dtype))


@contextmanager
def from_features(
    models: Sequence[Any],
    dataset: Dataset,
    validation: Dataset | None,
    config: TrainConfig,
    notify: Callable[[Event], None],
) -> Iterator[tuple[Dataset, Dataset | None]]:
    """The data sets to train and validate on: features where that is possible, or as they are.

    It is possible for one model whose first layers are frozen, without augmentation or with
    `feature_views`, if the features fit in memory.

    Args:
        models: frozen already; the attribute `start` is set while the context is open.
        dataset, validation: images.
        config: the settings.
        notify: called with progress and a note.
    """
    start = None
    transforms = parse(config.augment)
    if len(models) == 1 and config.freeze and (config.feature_views or not transforms):
        start = find_start(models[0], dataset.image_shape)
    if start is None:
        yield dataset, validation
        return
    model, parts = models[0], (dataset, validation)
    width = feature_shape(model, start)
    views = Views(config.feature_views, transforms, config.seed) if transforms else Views()
    # With `feature_views`, `check_views` has been called.
    rows = sum(map(len, filter(None, parts)))
    if not transforms and rows * bytes_of(width) > memory_budget():
        yield parts
        return
    training = _features(model, start, dataset, views, notify)
    validating = validation and _features(model, start, validation, Views(), notify)
    shape, many = " x ".join(map(str, width)), "s" * (views.count > 1)
    of = f"{views.count} augmented view{many} of " if transforms else ""
    notify(Note(f"trained from {shape} features of {of}each image, the input of {start.layer}"))
    model.start = start
    try:
        yield training, validating
    finally:
        del model.start


def find_start(model: nnx.Module, image_shape: tuple[int, int, int]) -> Start | None:
    """The first layer that changes in training, if all else depends on the images through it."""
    if _changes(model):
        return None
    module, modules = eval_mode(model), modules_by_path(model)
    called = called_modules(module, image_shape)
    paths = [path for path, _ in called]
    changing = [i for i, path in enumerate(paths) if _changes(modules[path])]
    if not changing or changing[0] == 0:
        return None
    layer, shape = called[changing[0]]
    start, once = Start(layer, image_shape), paths.count(layer) == 1
    return start if once and _is_cut(module, start, shape) else None


def feature_shape(model: nnx.Module, start: Start) -> tuple[int, ...]:
    """Of the features of one image."""
    module = eval_mode(model)
    image = jax.ShapeDtypeStruct((1, *start.image_shape), jnp.float32)
    return tuple(jax.eval_shape(lambda x: _to_features(module, start, x), image).shape[1:])


def bytes_of(shape: tuple[int, ...]) -> int:
    """The memory of the features of one image."""
    return int(np.prod(shape)) * 4


def _changes(module: nnx.Module) -> bool:
    """Whether a module itself, without those in it, differs between two steps of a training."""
    own = [value for value in vars(module).values() if isinstance(value, nnx.Variable)]
    inside = [value for value in vars(module).values() if isinstance(value, nnx.RngStream)]
    if getattr(module, "frozen", False):
        return False
    return bool(inside) or any(not isinstance(variable, Frozen) for variable in own)


def _is_cut(module: nnx.Module, start: Start, shape: tuple[int, ...]) -> bool:
    """Whether the output depends on an image only through its features, of `shape (1, ...)`."""

    def output(image: jax.Array, features: jax.Array) -> Any:
        return _from_features(module, start, features, image)

    closed = jax.make_jaxpr(output)(
        jax.ShapeDtypeStruct((1, *start.image_shape), jnp.float32),
        jax.ShapeDtypeStruct(shape, jnp.float32),
    )
    needed = {id(var) for var in closed.jaxpr.outvars}
    for equation in reversed(closed.jaxpr.eqns):
        if any(id(var) in needed for var in equation.outvars):
            needed |= {id(var) for var in equation.invars}
    return id(closed.jaxpr.invars[0]) not in needed


def _from_features(
    model: nnx.Module, start: Start, features: jax.Array, image: jax.Array | None = None
) -> Any:
    """A model's output for features `(B, ...)`; `image` has no effect where `_is_cut`."""

    def around(path: str, _layer: nnx.Module, call: Any, args: Any, kwargs: Any) -> Any:
        return call(features, *args[1:], **kwargs) if path == start.layer else call(*args, **kwargs)

    if image is None:
        image = jnp.zeros((len(features), *start.image_shape), features.dtype)
    with around_calls(model, around):
        return model(image)


def _to_features(model: nnx.Module, start: Start, x: jax.Array) -> jax.Array:
    """The input of the first trained layer, for images `(B, H, W, C)` in 0..1."""
    found: list[jax.Array] = []

    def around(path: str, _layer: nnx.Module, call: Any, args: Any, kwargs: Any) -> Any:
        if path == start.layer:
            found.append(args[0])
        return call(*args, **kwargs)

    with around_calls(model, around):
        model(model_input(model, x))
    return found[0].astype(jnp.float32)


def _features(
    model: nnx.Module,
    start: Start,
    dataset: Dataset,
    views: Views,
    notify: Callable[[Event], None],
) -> Features:
    parts = split_model(eval_mode(model))
    graphdef, states = parts.graphdef, (parts.params, parts.streams, parts.rest)

    def compute(
        states: Any, images: jax.Array, first: jax.Array, seed: jax.Array, view: jax.Array
    ) -> jax.Array:
        """Of one view of images `(M, H, W, C)`, the first of which is number `first`."""
        module = nnx.merge(graphdef, *states, copy=True)
        batches = images.reshape(-1, _BATCH, *images.shape[1:])
        key = step_key(jax.random.key(seed), view)

        def of_batch(batch: jax.Array, step: jax.Array) -> jax.Array:
            x, (own, _) = normalise(batch), augment_keys(jax.random.fold_in(key, step))
            x = augment(x, own, views.transforms) if views.transforms else x
            return _to_features(module, start, x)

        steps = first // _BATCH + jnp.arange(len(batches))
        return jnp.concatenate(jax.lax.map(lambda pair: of_batch(*pair), (batches, steps)))

    program = jit(compute)
    seed, count = np.asarray(views.seed, np.int64), len(dataset)
    size = _BATCH * min(_BATCHES, -(-count // _BATCH))
    starts = range(0, count, size)

    def chunk(first: int) -> npt.NDArray[np.uint8]:
        rows = np.minimum(np.arange(first, first + size), count - 1)  # all chunks have one size
        return np.asarray(dataset.images[rows])

    def make() -> npt.NDArray[np.float32]:
        made = np.empty((views.count, count, *feature_shape(model, start)), np.float32)
        for first in starts:
            images = chunk(first)
            for v, of_view in enumerate(made):
                done = first * views.count + v * min(size, count - first)
                notify(Reading(_WHAT, done, count * views.count))
                found = program(states, images, np.int32(first), seed, np.int32(v + 1))
                of_view[first : first + size] = found[: count - first]
        notify(Reading(_WHAT, count * views.count, count * views.count))
        return made.reshape(-1, *made.shape[2:])

    text = program.lower(states, chunk(0), np.int32(0), seed, np.int32(1)).as_text()
    arrays = (np.asarray(x) for x in jax.tree.leaves((parts.params, parts.rest)))
    key = key_of(text, (*arrays, seed, np.asarray(views.count), *map(chunk, starts)))
    images: Any = cached_features(key, make, notify)
    return Features(
        images,
        np.concatenate([dataset.labels] * views.count),
        dataset.class_names,
        dataset.stratify,
        blocks=dataset.blocks,
        of=dataset.image_shape,
        views=views.count,
    )
