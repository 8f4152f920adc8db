"""Matches classes by name: the same label of two data sets may be two different classes."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from jcnn.data.dataset import Dataset

# A message lists at most so many names.
_MOST_NAMED = 5


def match_classes(dataset: Dataset, class_names: Sequence[str], of: str = "data") -> Dataset:
    """The same images with labels that index `class_names`.

    Args:
        dataset: its classes have these names, in any order.
        class_names: in the order of the new labels, such as that of a model's logits.
        of: names the data set in the error message.

    Raises:
        ValueError: the data set has other class names.
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
    own = dataset.validation
    labels = dataset.labels
    return replace(
        dataset,
        labels=places[labels] if dataset.has_classes else labels[:, np.argsort(places)],
        class_names=wanted,
        validation=None if own is None else match_classes(own, wanted, of),
    )


def _listed(names: Sequence[str]) -> str:
    more = len(names) - _MOST_NAMED
    shown = ", ".join(map(repr, names[:_MOST_NAMED]))
    return f"{shown} and {more} more" if more > 0 else shown
