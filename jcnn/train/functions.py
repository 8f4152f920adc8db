"""The functions that `fit` takes from a user: loss, metrics and optimizer, checked by tracing."""

import dataclasses
from collections.abc import Callable, Hashable, Mapping, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax
from flax import nnx

from jcnn.config import TrainConfig
from jcnn.data import Dataset
from jcnn.data.transforms import mixup_alpha, parse
from jcnn.runs.history import EpochResult

# `(logits (N, K) float32, labels)` to a number for each example, `(N,)`. The labels are those of
# the data set: `(N,)` int32, or `(N, K)` float32.
PerExample = Callable[[jax.Array, jax.Array], jax.Array]

# The settings that an optimizer of the user's replaces.
REPLACED = (
    "optimizer",
    "learning_rate",
    "schedule",
    "warmup_epochs",
    "decay_rate",
    "decay_epochs",
    "weight_decay",
    "weight_decay_mask",
    "clip_value",
    "clip_norm",
    "global_clip_norm",
    "plateau_patience",
    "plateau_factor",
)


class Functions(NamedTuple):
    """What a training uses in place of its settings; a part of a compiled program's key.

    Attributes:
        loss: None is the cross-entropy.
        metrics: names and functions.
        optimizer: None is that of the settings.
    """

    loss: PerExample | None = None
    metrics: tuple[tuple[str, PerExample], ...] = ()
    optimizer: optax.GradientTransformation | None = None


NONE = Functions()


def functions_of(
    loss: PerExample | None = None,
    metrics: Mapping[str, PerExample] | None = None,
    optimizer: optax.GradientTransformation | None = None,
) -> Functions:
    """Collect the arguments of `fit`, and check what can be checked without data.

    Raises:
        ValueError: one is no function or transformation, or a metric has the name of a column.
    """
    if optimizer is not None and not isinstance(optimizer, optax.GradientTransformation):
        raise ValueError(
            f"optimizer: got {optimizer!r}; accepted: an optax.GradientTransformation, such as "
            "optax.adam(1e-3); jcnn's own have names, as in TrainConfig(optimizer='adam')"
        )
    if metrics is not None and not isinstance(metrics, Mapping):
        raise ValueError(f"metrics: got {metrics!r}; accepted: a dictionary of names and functions")
    columns = {field.name for field in dataclasses.fields(EpochResult)}
    for name, function in {"loss": loss, **(metrics or {})}.items():
        if function is not None and not (callable(function) and isinstance(function, Hashable)):
            what = "loss" if function is loss else f"metrics: {name}"
            raise ValueError(
                f"{what}: got {function!r}; accepted: a function of the logits and the labels, "
                "which is hashable"
            )
    for name in metrics or {}:
        if not str(name).isidentifier() or name in columns or name.startswith("val_"):
            raise ValueError(
                f"metrics: got the name {name!r}; accepted: letters, digits and _, without val_ at "
                f"the start, and none of {', '.join(sorted(columns))}"
            )
    return Functions(loss, tuple((metrics or {}).items()), optimizer)


def check_functions(
    functions: Functions,
    configs: Sequence[TrainConfig],
    dataset: Dataset,
    model: nnx.Module,
    *,
    saved: bool,
) -> None:
    """Check the functions against the settings, the labels and the parameters; nothing is computed.

    Args:
        functions, configs, dataset, model: of the training, with its layers frozen.
        saved: whether there is a run folder for the optimizer's state.

    Raises:
        ValueError: names the argument or the setting that does not fit.
    """
    for config in configs:
        _check_settings(functions, config, dataset)
    check_labels(functions, dataset)
    if functions.optimizer is not None:
        _check_optimizer(functions.optimizer, nnx.state(model, nnx.Param), saved)


def check_labels(functions: Functions, dataset: Dataset) -> None:
    """Check that loss and metrics give a number for each example of a data set.

    Raises:
        ValueError: one does not, or labels `(N, K)` have no loss.
    """
    if functions.loss is None and not dataset.has_classes:
        raise ValueError(
            "loss: got None for labels (N, K); accepted: a function of the logits and the labels, "
            "such as lambda logits, labels: optax.sigmoid_binary_cross_entropy(logits, "
            "labels).mean(-1)"
        )
    classes = len(dataset.class_names)
    size = classes + 2  # a mean over the wrong axis has another shape
    logits = jax.ShapeDtypeStruct((size, classes), jnp.float32)
    labels = jax.ShapeDtypeStruct((size, *dataset.labels.shape[1:]), dataset.labels.dtype)
    named = [("loss", functions.loss)] if functions.loss else []
    named += [(f"metrics: {name}", metric) for name, metric in functions.metrics]
    for name, function in named:
        found = jax.eval_shape(function, logits, labels)
        array = isinstance(found, jax.ShapeDtypeStruct)
        floating = array and jnp.issubdtype(found.dtype, jnp.floating)
        if not array or found.shape != (size,) or (name == "loss" and not floating):
            got = f"{found.shape} of {found.dtype}" if array else "no array"
            raise ValueError(
                f"{name}: gives {got} for {size} examples; expected a number for each example, "
                f"({size},){' of floats' if name == 'loss' else ''}"
            )


def _check_settings(functions: Functions, config: TrainConfig, dataset: Dataset) -> None:
    default = TrainConfig()
    if functions.optimizer is not None:
        for name in REPLACED:
            if getattr(config, name) != getattr(default, name):
                raise ValueError(
                    f"{name}: got {getattr(config, name)!r} together with fit(optimizer=...), "
                    "which replaces it; accepted: the default, and the setting in the optimizer "
                    "itself, such as optax.chain or a schedule"
                )
    if functions.loss is not None:
        for name in ("label_smoothing", "class_weights"):
            if getattr(config, name):
                raise ValueError(
                    f"{name}: got {getattr(config, name)!r} together with fit(loss=...); it is a "
                    "part of the cross-entropy; accepted: the default"
                )
        if mixup_alpha(parse(config.augment)) and dataset.has_classes:
            raise ValueError(
                "augment: got mixup together with fit(loss=...) for labels (N,); accepted: "
                "labels (N, K), which it can mix"
            )
    uses_monitor = config.patience or config.plateau_patience or config.restore_best
    if config.monitor.endswith("accuracy") and uses_monitor and not dataset.has_classes:
        raise ValueError(
            f"monitor: got {config.monitor!r} for labels (N, K), which have no accuracy; "
            "accepted: 'loss' or 'val_loss'"
        )


def _check_optimizer(optimizer: optax.GradientTransformation, params: Any, saved: bool) -> None:
    """Trace one update: a state must keep its shapes, and nothing but gradients is given."""
    try:
        state = jax.eval_shape(optimizer.init, params)
        updates, after = jax.eval_shape(optimizer.update, params, state, params)
    except TypeError as error:
        raise ValueError(
            f"optimizer: cannot be called with gradients, state and parameters alone: {error}"
        ) from error
    for what, before, new in (("state", state, after), ("updates", params, updates)):
        if _shapes(before) != _shapes(new):
            raise ValueError(
                f"optimizer: gives {what} of another structure, shape or dtype; expected those of "
                f"its {'first state' if what == 'state' else 'parameters'}"
            )
    for leaf in jax.tree.leaves(state):
        if saved and jnp.issubdtype(leaf.dtype, jax.dtypes.extended):
            raise ValueError(
                f"optimizer: its state has an array of {leaf.dtype}; accepted with a run "
                "folder: numbers, which a checkpoint can store"
            )


def _shapes(tree: Any) -> Any:
    return jax.tree.map(lambda x: (x.shape, x.dtype), tree)


def describe(functions: Functions, params: Any) -> dict[str, Any]:
    """What a resumed training must share, as JSON: the kinds of state, and the functions' names.

    A function's text cannot be compared, so that a changed one of the same name is not noticed.

    Args:
        functions: of the training.
        params: the parameters that are trained.
    """
    own = functions.optimizer
    return {
        "optimizer state": "that of the settings" if own is None else _state_text(own, params),
        "loss function": "cross-entropy" if functions.loss is None else _name(functions.loss),
        "metrics": [name for name, _ in functions.metrics],
    }


def _state_text(optimizer: optax.GradientTransformation, params: Any) -> str:
    return _type_names(jax.eval_shape(optimizer.init, params))


def _type_names(state: Any) -> str:
    """The types of the named tuples in an optimizer's state, such as "ScaleByAdamState"."""
    if not isinstance(state, tuple):
        return type(state).__name__
    inner = [_type_names(part) for part in state if isinstance(part, tuple)]
    name = type(state).__name__ if hasattr(state, "_fields") else ""
    return name + (f"({', '.join(inner)})" if inner or not name else "")


def _name(function: PerExample) -> str:
    return str(getattr(function, "__qualname__", type(function).__qualname__))
