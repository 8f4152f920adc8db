"""Classes are matched by name: label `k` of two data sets may be two things."""

from collections.abc import Sequence

import numpy as np

from jcnn.data.dataset import Dataset

# Of very many names, a message holds the first.
_MOST_NAMED = 5


def match_classes(dataset: Dataset, class_names: Sequence[str], of: str = "data") -> Dataset:
    """The same images with their labels numbered as in `class_names`.

    Args:
        dataset: its classes have these names, in any order.
        class_names: in the order that is wanted, such as that of a model's logits.
        of: what the data set is, for the message.

    Raises:
        ValueError: the names are others.
    """
    wanted, names = tuple(class_names), dataset.class_names
    if names == wanted:
        return dataset
    missing = [name for name in wanted if name not in set(names)]
    added = [name for name in names if name not in set(wanted)]
    if missing or added or len(wanted) != len(names):
        parts = [f"has no {_listed(missing)}"] if missing else []
        parts += [f"has {_listed(added)}"] if added else []
        raise ValueError(
            f"{of}: {' but '.join(parts)}; "
            f"accepted: the model's {len(wanted)} classes, {_listed(wanted)}, in any order"
        )
    places = np.array([wanted.index(name) for name in names], np.int32)
    return Dataset(dataset.images, places[dataset.labels], wanted)


def _listed(names: Sequence[str]) -> str:
    more = len(names) - _MOST_NAMED
    shown = ", ".join(map(repr, names[:_MOST_NAMED]))
    return f"{shown} and {more} more" if more > 0 else shown
