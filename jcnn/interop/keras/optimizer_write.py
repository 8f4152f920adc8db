"""The state of an optimizer as Keras's configuration and arrays."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from jcnn.interop.imported import SavedOptimizer
from jcnn.interop.keras.optimizer import CLASSES, PRODUCT, SETTINGS, SLOTS, WEIGHT_DECAY
from jcnn.interop.keras.written import Array, Weight, WrittenLayer, path_of


@dataclass(frozen=True)
class WrittenOptimizer:
    """An optimizer of Keras.

    Attributes:
        kind: Keras's class.
        name: as Keras gives it.
        config: its settings.
        arrays: by name, in Keras's order.
    """

    kind: str
    name: str
    config: dict[str, Any]
    arrays: tuple[tuple[str, Array], ...] = field(repr=False)


def with_trainable(layers: Sequence[WrittenLayer], saved: SavedOptimizer) -> list[WrittenLayer]:
    """The layers, not trainable where the optimizer has no arrays of a layer's parameters.

    Raises:
        ValueError: it has arrays of some parameters of a layer alone.
    """
    roles = SLOTS.get(str(saved.settings.get("optimizer")), ())
    if not roles:
        return list(layers)
    known = saved.slots.get(roles[0][0], {})
    made = []
    for layer in layers:
        has = {one.path: one.path in known for one in layer.weights if one.trained}
        if any(has.values()) and not all(has.values()):
            missing = next(path for path, found in has.items() if not found)
            raise ValueError(f"optimizer: has no {roles[0][0]!r} of {missing}")
        frozen = bool(has) and not any(has.values())
        config = {**layer.config, "trainable": False} if frozen else layer.config
        made.append(replace(layer, config=config))
    return made


def written_optimizer(
    layers: Sequence[WrittenLayer], saved: SavedOptimizer
) -> tuple[WrittenOptimizer | None, list[str]]:
    """Keras's optimizer for the trainable layers, and what is worth telling.

    Returns:
        None in place of the optimizer where Keras's would make other updates.

    Raises:
        ValueError: jcnn has no such optimizer, or an array is missing or has another shape.
    """
    own = str(saved.settings.get("optimizer"))
    if own not in SLOTS:
        raise ValueError(f"optimizer: got {own!r}; accepted: {', '.join(SLOTS)}")
    trained = [
        (path_of(layers, layer, one).replace("/", "_"), one)
        for layer in layers
        if layer.config.get("trainable")
        for one in layer.weights
        if one.trained
    ]
    kernels = [one.path for _, one in trained if one.array.ndim > 2]
    if own == "muon" and kernels:
        told = f"optimizer: left out, since Keras's Muon updates {kernels[0]} as Adam does"
        return None, [told]
    kind, constants = CLASSES[own]
    name, steps = kind.lower(), int(saved.settings.get("accumulate_steps", 1))
    settings, notes = _settings(saved, own, steps)
    arrays: list[tuple[str, Array]] = [
        (f"{name}/iteration", np.asarray(saved.updates * steps, np.int32)),
        (f"{name}/learning_rate", np.asarray(settings["learning_rate"], np.float32)),
    ]
    if steps > 1:
        arrays += [
            (f"{name}/{path}_gradient_accumulator", np.zeros_like(one.array))
            for path, one in trained
        ]
    for path, one in trained:
        for role, ending in SLOTS[own]:
            if own == "muon" and role == "square" and one.array.ndim == 2:
                continue  # Muon alone, without Adam
            slot = _slot(saved, role, one)
            arrays.append((f"{name}/{path}_{ending}", slot))
    if own == "nadam":
        product = saved.slots.get(PRODUCT, {}).get("")
        if product is None:
            raise ValueError(f"optimizer: has no {PRODUCT!r}")
        arrays.append(("variable", np.asarray(product, np.float32)))
    _check_used(saved, [one.path for _, one in trained])
    config = {"name": name, **constants, **settings}
    return WrittenOptimizer(kind, name, config, tuple(arrays)), notes


def _check_used(saved: SavedOptimizer, paths: Sequence[str]) -> None:
    for role, arrays in saved.slots.items():
        for path in arrays:
            if role != PRODUCT and path not in paths:
                raise ValueError(f"optimizer: {role!r} of {path}: is no trained parameter here")


def _slot(saved: SavedOptimizer, role: str, weight: Weight) -> Array:
    array = saved.slots.get(role, {}).get(weight.path)
    if array is None:
        raise ValueError(f"optimizer: has no {role!r} of {weight.path or weight.role}")
    if array.size != weight.array.size:
        raise ValueError(
            f"optimizer: {role!r} of {weight.path} has shape {array.shape}; expected "
            f"{weight.array.shape}"
        )
    return np.asarray(array, np.float32).reshape(weight.array.shape)


def _settings(saved: SavedOptimizer, own: str, steps: int) -> tuple[dict[str, Any], list[str]]:
    """Keras's names and values of settings of `TrainConfig`, and what Keras cannot say."""
    given: dict[str, Any] = {name: saved.settings.get(name) for name in SETTINGS}
    if given["learning_rate"] is None:
        raise ValueError("optimizer: its settings have no learning_rate")
    found = {keras: given[name] for name, keras in SETTINGS.items()}
    found["learning_rate"] = float(found["learning_rate"])
    found["gradient_accumulation_steps"] = steps if steps > 1 else None
    decay = found["weight_decay"]
    decay = WEIGHT_DECAY.get(own, 0.0) if decay is None else decay
    found["weight_decay"] = decay or None
    notes = []
    kernels = saved.settings.get("weight_decay_mask", "all") == "kernels"
    if own == "muon":
        found["adam_weight_decay"] = None if kernels else found["weight_decay"]
    elif kernels and decay:
        notes.append("weight_decay_mask: Keras's files cannot say 'kernels': all weights decay")
    return found, notes
