"""Makes NumPy arrays of the tensors of a PyTorch checkpoint, within the bounds of its storages."""

import math
from collections import defaultdict
from collections.abc import Callable

import ml_dtypes
import numpy as np
import numpy.typing as npt

from jcnn.data import Note, Notify
from jcnn.interop.torch.pickle import Storage, Tensor

Array = npt.NDArray[np.generic]

_PLACES = ("state_dict", "model")
_PREFIX = "module."
_MAX_AXES = 64


def state_dict(content: object, where: str, notify: Notify) -> dict[str, Tensor]:
    """The tensors by name of a checkpoint's content.

    Args:
        content: a dict of tensors, or a dict that holds it as "state_dict" or "model"; what is
            next to it is ignored.
        where: the name of the file, for messages.
        notify: called with a note where the prefix "module." was removed from all names, which
            `torch.nn.DataParallel` adds.

    Raises:
        ValueError: the content is not such a dict.
    """
    tensors = _chosen(content, where)
    for name, value in tensors.items():
        if not isinstance(name, str) or not isinstance(value, Tensor):
            raise ValueError(
                f"{where}: contains {_short(name)} of type {type(value).__name__}, which is not "
                f"a tensor; accepted: a state_dict, alone or as one of {', '.join(_PLACES)}"
            )
    if not tensors:
        raise ValueError(f"{where}: got an empty dict; accepted: a state_dict")
    if all(name.startswith(_PREFIX) for name in tensors):
        notify(Note(f"{where}: the prefix {_PREFIX!r} was removed from all names"))
        return {name.removeprefix(_PREFIX): tensor for name, tensor in tensors.items()}
    return tensors


def arrays(
    tensors: dict[str, Tensor],
    load: Callable[[Storage], npt.NDArray[np.uint8]],
    where: str,
    max_copied_bytes: int,
) -> dict[str, Array]:
    """The array of every tensor; each storage is loaded once, and only if a tensor needs it.

    Contiguous tensors are views of their storage, so tied weights share memory. Others are
    copies.

    Args:
        tensors: by name.
        load: the bytes of a storage.
        where: the name of the file, for messages.
        max_copied_bytes: of all copies together; a tensor may be larger than its storage.

    Returns:
        In the order of `tensors`, read-only.

    Raises:
        ValueError: a tensor exceeds its storage, or the copies their limit.
    """
    sharing: dict[str, list[str]] = defaultdict(list)
    copied = 0
    for name, tensor in tensors.items():
        _check(tensor, f"{where}: tensor {_short(name)}")
        sharing[tensor.storage.key].append(name)
        if not _is_contiguous(tensor):
            copied += math.prod(tensor.size) * dtype_of(tensor.storage).itemsize
    if copied > max_copied_bytes:
        raise ValueError(
            f"{where}: its strided tensors have {copied} bytes; accepted: at most "
            f"{max_copied_bytes}, the size of the file"
        )
    found: dict[str, Array] = {}
    for names in sharing.values():
        storage = tensors[names[0]].storage
        raw = load(storage)
        if storage.dtype == "bool" and raw.size and raw.max() > 1:
            raise ValueError(
                f"{where}: storage {_short(storage.key)} has a bool that is not 0 or 1"
            )
        flat = raw.view(dtype_of(storage))
        flat.flags.writeable = False
        for name in names:
            found[name] = _array(tensors[name], flat)
    return {name: found[name] for name in tensors}


def dtype_of(storage: Storage) -> np.dtype[np.generic]:
    """The dtype of a storage's elements."""
    return np.dtype(ml_dtypes.bfloat16 if storage.dtype == "bfloat16" else storage.dtype)


def _chosen(content: object, where: str) -> dict[str, Tensor]:
    """The dict that should hold nothing but tensors."""
    if not isinstance(content, dict):
        raise ValueError(
            f"{where}: got a {type(content).__name__}; accepted: a state_dict, alone or in a dict "
            f"as one of {', '.join(_PLACES)}"
        )
    places = [place for place in _PLACES if isinstance(content.get(place), dict)]
    if len(places) > 1:
        raise ValueError(f"{where}: got {' and '.join(places)}; accepted: one of them")
    return content[places[0]] if places else content


def _check(tensor: Tensor, what: str) -> None:
    """Raise ValueError unless all elements lie in the storage."""
    storage, axes = tensor.storage, len(tensor.size)
    if axes > _MAX_AXES:
        raise ValueError(f"{what}: got {axes} axes; accepted: at most {_MAX_AXES}")
    # NumPy's own limit also counts the other axes of an array without elements.
    if math.prod(max(n, 1) for n in tensor.size) >= 2**48:
        raise ValueError(f"{what}: got shape {_short(tensor.size)}; accepted: smaller ones")
    end = tensor.offset
    if 0 not in tensor.size:
        end += 1 + sum((n - 1) * s for n, s in zip(tensor.size, tensor.stride, strict=True))
    if end > storage.elements:
        raise ValueError(
            f"{what}: ends at element {_short(end)} of storage {_short(storage.key)}, which has "
            f"{_short(storage.elements)}"
        )


def _is_contiguous(tensor: Tensor) -> bool:
    """Whether the elements lie side by side in row-major order."""
    expected = 1
    for size, stride in zip(reversed(tensor.size), reversed(tensor.stride), strict=True):
        if size > 1 and stride != expected:
            return 0 in tensor.size
        expected *= size
    return True


def _array(tensor: Tensor, flat: Array) -> Array:
    if _is_contiguous(tensor):
        count = math.prod(tensor.size)
        start = tensor.offset if count else 0
        return flat[start : start + count].reshape(tensor.size)
    item = flat.dtype.itemsize
    # The stride of an axis of one element has no meaning and may be any number.
    strides = [s * item if n > 1 else 0 for n, s in zip(tensor.size, tensor.stride, strict=True)]
    view = np.lib.stride_tricks.as_strided(
        flat[tensor.offset :], tensor.size, strides, writeable=False
    )
    copy = np.array(view, order="C")
    copy.flags.writeable = False
    return copy


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:80]}..."
