"""Check that the parameters of a model are finite numbers."""

from collections.abc import Iterable, Iterator

import numpy as np
import numpy.typing as npt
from flax import nnx

# The name of a layer, the name of one of its arrays, and the array.
Named = tuple[str, str, npt.ArrayLike]


def named_arrays(model: nnx.Module) -> Iterator[Named]:
    """The arrays of a model, except for those of random streams."""
    for path, module in nnx.iter_modules(model):
        for name, variable in vars(module).items():
            if isinstance(variable, nnx.Variable) and not isinstance(variable, nnx.RngState):
                yield "/".join(map(str, path)), name, variable[...]


def check_finite(arrays: Iterable[Named]) -> None:
    """Raise a ValueError that names the layer and the array, and counts NaN and infinity in it."""
    wrong = []
    for layer, name, given in arrays:
        array = np.asarray(given, np.float32)
        nan, infinite = int(np.isnan(array).sum()), int(np.isinf(array).sum())
        if nan or infinite:
            counts = [f"{nan:,} NaN"] * (nan > 0) + [f"{infinite:,} infinite"] * (infinite > 0)
            of = f"layer {layer!r}: its {name}" if layer else f"its {name}"
            wrong.append(f"{of} has {' and '.join(counts)} of {array.size:,} numbers")
    if wrong:
        more = len(wrong) - 1
        also = f" ({more} more array{'s' * (more > 1)} like it)" if more else ""
        raise ValueError(
            f"model: {wrong[0]}{also}; accepted: finite numbers, as in a model that has not "
            "diverged"
        )
