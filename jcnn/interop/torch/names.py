"""Copies PyTorch's weights into a model whose layers have PyTorch's names, and back.

The variable "layer1/0/conv1/kernel" is the tensor "layer1.0.conv1.weight":

| layer | variable | tensor |
|---|---|---|
| convolution | kernel `(KH, KW, C // groups, O)` | weight `(O, C // groups, KH, KW)` |
| depthwise convolution | kernel `(KH, KW, C, M)` | weight `(C * M, 1, KH, KW)` |
| transposed convolution | kernel `(KH, KW, O // groups, C)` | weight `(C, O // groups, KH, KW)` |
| dense | kernel `(D, U)` | weight `(U, D)` |
| normalisation | scale, bias, mean, var `(C,)` | weight, bias, running_mean, running_var `(C,)` |
| any | another name | the same name and shape |

Axes of size 1 at the end of a shape may be absent: a dense layer's weight fits a 1x1 convolution.

A dense layer after `Flatten` of maps larger than 1x1 is refused: PyTorch's order of its inputs is
`(C, H, W)`, jcnn's `(H, W, C)`, and H and W are in no shape.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import jax.numpy as jnp
import numpy as np
import numpy.typing as npt
from flax import nnx

from jcnn.data import Note, Notify
from jcnn.data.events import silent
from jcnn.interop.loaded import Loaded, variables_of
from jcnn.interop.torch.state import Array
from jcnn.layers import DepthwiseConv2D
from jcnn.suggest import did_you_mean

_NAMES = {"kernel": "weight", "scale": "weight", "mean": "running_mean", "var": "running_var"}
_IGNORED = "num_batches_tracked"


@dataclass(frozen=True)
class _Pair:
    """A variable of a model, and the shape of its tensor."""

    variable: Any
    shape: tuple[int, ...]
    is_depthwise: bool

    def fits(self, tensor: Array) -> bool:
        return _without_ones(tensor.shape) == _without_ones(self.shape)

    def fits_but_for_classes(self, tensor: Array) -> bool:
        return _without_ones(tensor.shape[1:]) == _without_ones(self.shape[1:])

    def array(self, tensor: Array) -> npt.NDArray[Any]:
        """The variable's new value, in jcnn's order of axes."""
        shape = self.variable.shape
        tensor = tensor.reshape(self.shape)
        if len(shape) == 4 and self.is_depthwise:
            by_channel = tensor.reshape(shape[2], shape[3], *shape[:2])
            return np.ascontiguousarray(by_channel.transpose(2, 3, 0, 1))
        if len(shape) == 4:
            return np.ascontiguousarray(tensor.transpose(2, 3, 1, 0))
        if len(shape) == 2:
            return np.ascontiguousarray(tensor.T)
        return np.ascontiguousarray(tensor)

    def tensor(self) -> Array:
        """The variable's value, in PyTorch's order of axes."""
        array = np.asarray(self.variable[...])
        if array.ndim == 4:
            array = (
                array.transpose(2, 3, 0, 1) if self.is_depthwise else array.transpose(3, 2, 0, 1)
            )
        elif array.ndim == 2:
            array = array.T
        return np.ascontiguousarray(array.reshape(self.shape))


def torch_name(path: str) -> str:
    """PyTorch's name of a variable: "a.0.weight" of "a/0/kernel"."""
    *layer, last = path.split("/")
    return ".".join([*layer, _NAMES.get(last, last)])


def load_torch_state(
    model: nnx.Module,
    state: Mapping[str, Array],
    *,
    order: Sequence[str] | None = None,
    notify: Notify = silent,
) -> Loaded:
    """Copy the tensors of a PyTorch model into a model of the same layers with the same names.

    All names and shapes are compared before anything is written. The head, which is the last layer,
    may have another number of classes; it then keeps its values. BatchNorm's `num_batches_tracked`
    is ignored.

    Args:
        model: its variables are replaced.
        state: tensors by name, as `read_torch` returns them.
        order: paths of the layers in the order in which the model calls them; None means that of
            `state`, which is right for a PyTorch checkpoint, but not where names are sorted.
        notify: called with one note that says what was loaded and what was not.

    Raises:
        ValueError: a variable has no tensor or one of another shape, a tensor holds no
            floating-point numbers, or a dense layer takes flattened maps.
    """
    pairs = dict(_pairs(model))
    given = {name: value for name, value in state.items() if name.split(".")[-1] != _IGNORED}
    missing = [name for name in pairs if name not in given]
    if missing:
        guess = did_you_mean(missing[0], given)
        raise ValueError(
            f"state: has no {missing[0]!r}, and {len(missing)} of {len(pairs)} tensors of the "
            f"model are missing{guess}"
        )
    shared = [name for name in given if name in pairs]
    if order is not None:
        rank = {path.replace("/", "."): number for number, path in enumerate(order)}
        shared.sort(key=lambda name: rank.get(name.rpartition(".")[0], -1))
    for name in shared:
        if not jnp.issubdtype(given[name].dtype, jnp.floating):
            raise ValueError(
                f"state: {name!r} has dtype {given[name].dtype}; accepted: floating-point numbers"
            )
    head = shared[-1].rpartition(".")[0] if shared else ""
    of_head = [name for name in shared if name.rpartition(".")[0] == head]
    is_new = _has_other_classes({name: (pairs[name], given[name]) for name in of_head})
    new = tuple(of_head) if is_new else ()
    loaded = tuple(name for name in shared if name not in new)
    for name in loaded:
        if not pairs[name].fits(given[name]):
            raise ValueError(
                f"state: {name!r} has shape {given[name].shape}; expected {pairs[name].shape}"
            )
    _check_flattened(loaded, pairs, given)
    for name in loaded:
        variable = pairs[name].variable
        variable.set_value(jnp.asarray(pairs[name].array(given[name]), variable.dtype))
    done = Loaded(loaded, new, tuple(name for name in given if name not in pairs))
    notify(Note(f"weights: {done.describe()}"))
    return done


def torch_state(model: nnx.Module) -> dict[str, Array]:
    """The tensors of a PyTorch model of the same layers with the same names, by name.

    The inverse of `load_torch_state`. BatchNorm's `num_batches_tracked` is there, as 0.
    """
    state = {name: pair.tensor() for name, pair in _pairs(model)}
    for name in list(state):
        layer, _, last = name.rpartition(".")
        if last == "running_mean":
            state[f"{layer}.{_IGNORED}"] = np.zeros((), np.int64)
    return state


def _pairs(model: nnx.Module) -> Iterator[tuple[str, _Pair]]:
    """Every variable of a model but the random streams, by PyTorch's name."""
    for path, module, variable in variables_of(model):
        is_depthwise = isinstance(module, DepthwiseConv2D) and path.split("/")[-1] == "kernel"
        shape = _shape(tuple(variable.shape), is_depthwise)
        yield torch_name(path), _Pair(variable, shape, is_depthwise)


def _shape(shape: tuple[int, ...], is_depthwise: bool) -> tuple[int, ...]:
    """The shape of the tensor of a variable of `shape`."""
    if is_depthwise:
        return (shape[2] * shape[3], 1, *shape[:2])
    if len(shape) == 4:
        return (shape[3], shape[2], *shape[:2])
    return shape[::-1] if len(shape) == 2 else shape


def _check_flattened(
    names: tuple[str, ...], pairs: dict[str, _Pair], given: Mapping[str, Array]
) -> None:
    """Raise ValueError where a dense layer has several inputs for each output before it."""
    before = 0
    for name in names:
        shape = given[name].shape
        if len(pairs[name].variable.shape) == 2 and len(shape) == 2 and before > 1:
            cells, rest = divmod(shape[1], before)
            if cells > 1 and not rest:
                raise ValueError(
                    f"state: {name!r} takes {cells} cells of {before} maps, which PyTorch flattens "
                    "in another order; accepted: a dense layer after a global pooling"
                )
        before = shape[0] if shape else 0


def _without_ones(shape: tuple[int, ...]) -> tuple[int, ...]:
    """A shape without the axes of size 1 at its end."""
    while shape and shape[-1] == 1:
        shape = shape[:-1]
    return shape


def _has_other_classes(head: dict[str, tuple[_Pair, Array]]) -> bool:
    """Whether the tensors of the head fit but for one other size of their first axis."""
    sizes = {(pair.shape[0], tensor.shape[0]) for pair, tensor in head.values() if tensor.shape}
    kernels = [pair for pair, _ in head.values() if len(pair.shape) in (2, 4)]
    fitting = all(pair.fits_but_for_classes(tensor) for pair, tensor in head.values())
    return len(kernels) == 1 and fitting and len(sizes) == 1 and all(a != b for a, b in sizes)
