"""Reads the state of the optimizer of a Keras file.

An `.h5` file names every array, after the parameter and the slot, in a way of each version:

| version | first moment of `conv/kernel` |
|---|---|
| Keras 3 | `adam/conv_kernel_momentum` |
| tf.keras 2.11 to 2.15 | `Adam/m/conv/kernel:0` |
| tf.keras 2.0 to 2.10 | `Adam/conv/kernel/m:0` |
| Keras 2.3 | `training/Adam/m_0:0` |
| Keras 2.2 | `training/Adam/Variable:0` |

A `.keras` file numbers them, as the last two do. Numbered arrays are taken in the order of that
version, all shapes compared.
"""

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from jcnn.interop.imported import Array, SavedOptimizer

# Each optimizer's arrays: the role in jcnn's state, and Keras 3's name. Slots of the old names are
# the same arrays.
SLOTS: dict[str, tuple[tuple[str, str], ...]] = {
    "adam": (("mean", "momentum"), ("square", "velocity")),
    "adamw": (("mean", "momentum"), ("square", "velocity")),
    "sgd": (),
    "momentum": (("velocity", "momentum"),),
    "nesterov": (("velocity", "momentum"),),
    "rmsprop": (("nu", "velocity"),),
    "nadam": (("mean", "momentum"), ("square", "velocity")),
    "adagrad": (("sum_of_squares", "accumulator"),),
    "adadelta": (("e_g", "accumulated_grad"), ("e_x", "accumulated_delta_var")),
    "lion": (("mu", "momentum"),),
    "muon": (("mean", "momentum"), ("square", "velocity")),
}
_OLD_NAMES = {
    "m": "momentum",
    "v": "velocity",
    "rms": "velocity",
    "accum_grad": "accumulated_grad",
    "accum_var": "accumulated_delta_var",
}
# Classes of Keras and their constants, which are jcnn's, too; other values are refused.
_EPSILON = {"epsilon": 1e-7}
_ADAM = {"beta_1": 0.9, "beta_2": 0.999, **_EPSILON}
CONSTANTS: dict[str, dict[str, float]] = {
    "Adam": _ADAM,
    "AdamW": _ADAM,
    "SGD": {},
    "RMSprop": {"rho": 0.9, "momentum": 0.0, **_EPSILON},
    "Nadam": _ADAM,
    "Adagrad": _EPSILON,
    "Adadelta": {"rho": 0.95, **_EPSILON},
    "Lion": {"beta_1": 0.9, "beta_2": 0.99},
    "Muon": {
        "adam_beta_1": 0.9,
        "adam_beta_2": 0.999,
        "adam_lr_ratio": 1.0,
        "momentum": 0.95,
        "nesterov": True,
        "ns_steps": 5,
        "muon_a": 3.4445,
        "muon_b": -4.775,
        "muon_c": 2.0315,
        "rms_rate": 0.2,
        **_EPSILON,
    },
}
# Settings that must be off: jcnn has no such thing, or its state is elsewhere.
_OFF = (
    *("amsgrad", "centered", "decay", "schedule_decay", "use_ema", "loss_scale_factor"),
    *("gradient_accumulation_steps", "exclude_layers"),
)
_CLIPS = {"clipvalue": "clip_value", "clipnorm": "clip_norm", "global_clipnorm": "global_clip_norm"}


@dataclass(frozen=True)
class Stored:
    """An optimizer as it is in a file.

    Attributes:
        given: the JSON of its class and settings, or the name that `compile` was given.
        arrays: in the file's order, by name; numbers as names in a `.keras` file.
        version: of the Keras that wrote it.
    """

    given: Any
    arrays: Sequence[tuple[str, Array]] = field(repr=False)
    version: str = ""


@dataclass(frozen=True)
class Parameter:
    """A trained parameter, in Keras's order.

    Attributes:
        place: its node and role in the graph, such as "conv1/kernel".
        name: in an `.h5` file, such as "conv1/kernel"; "" if the file has none.
        shape: of its array.
    """

    place: str
    name: str
    shape: tuple[int, ...]


def saved_optimizer(
    stored: Stored, parameters: Sequence[Parameter]
) -> tuple[SavedOptimizer | None, str]:
    """The optimizer, its arrays by place of the parameter; or None and a note with the reason."""
    try:
        return _saved(stored, parameters), ""
    except (KeyError, TypeError, AttributeError) as error:  # the configuration may have any form
        reason = f"its settings are wrong: {error!r}"
    except ValueError as error:
        reason = str(error).splitlines()[0]
    return None, f"the optimizer is not read, and a training starts with a new one: {reason}"


def _saved(stored: Stored, parameters: Sequence[Parameter]) -> SavedOptimizer:
    kind, config = _kind_and_config(stored.given)
    updates, rate, arrays = _split(stored.arrays)
    settings = _settings(kind, config, stored.version) | {
        "learning_rate": _rate(kind, config, rate)
    }
    optimizer = settings["optimizer"]
    if optimizer == "muon" and any(len(one.shape) > 2 for one in parameters):
        raise ValueError("Keras's Muon trains kernels of convolutions by Adam, jcnn's does not")
    slots = _slots(optimizer, arrays, parameters, is_numbered=_is_numbered(stored.arrays))
    if updates is None:
        if optimizer in ("adam", "adamw", "nadam", "muon"):
            raise ValueError("the file has no number of updates")
        updates = 0
    if optimizer == "nadam":
        steps = np.arange(1, updates + 1, dtype=np.float64)
        product = np.prod(0.9 * (1 - 0.5 * 0.96**steps))
        slots["product"] = {"": np.asarray(product, np.float32)}
    return SavedOptimizer(settings, updates, slots)


# --- settings -------------------------------------------------------------------------------------


def _kind_and_config(given: Any) -> tuple[str, dict[str, Any]]:
    if isinstance(given, str):  # its defaults
        found = next((one for one in CONSTANTS if one.lower() == given.lower()), given)
        given = {"class_name": found, "config": {}}
    kind, config = given["class_name"], given["config"]
    module = given.get("module")
    if isinstance(module, str) and module.split(".")[0] != "keras":
        raise ValueError(f"jcnn has no {module}.{kind}")
    kind = str(kind).removeprefix("Custom>")  # tf.keras 2.11 and later
    if kind not in CONSTANTS:
        raise ValueError(f"jcnn has no {kind}")
    if not isinstance(config, dict):
        raise ValueError("its config is no JSON object")
    return kind, config


def _settings(kind: str, config: Mapping[str, Any], version: str) -> dict[str, Any]:
    for name in _OFF:
        if config.get(name):
            raise ValueError(f"{kind}: {name} is {config[name]!r}; accepted: none")
    for name, accepted in CONSTANTS[kind].items():
        value = config.get(name)
        if value is not None and not math.isclose(float(value), accepted, rel_tol=1e-6):
            raise ValueError(f"{kind}: {name} is {value}; jcnn's is {accepted:g}")
    is_old = "decay" in config or "lr" in config  # before tf.keras 2.11
    if is_old and (kind == "RMSprop" or (kind == "Adagrad" and "lr" in config)):
        raise ValueError(f"{kind} of Keras before 2.11 computes other updates than jcnn's")
    if kind == "Nadam" and version.startswith(("1.", "2.")):  # it changes with each array
        raise ValueError("Nadam of Keras 2 computes other updates than jcnn's")
    settings: dict[str, Any] = {"optimizer": kind.lower()}
    if kind == "SGD":
        settings["optimizer"] = _sgd(float(config.get("momentum") or 0), config.get("nesterov"))
    decay = config.get("weight_decay")
    if kind == "Muon" and config.get("adam_weight_decay") != decay:
        raise ValueError(
            f"Muon: adam_weight_decay is {config.get('adam_weight_decay')}, not {decay}"
        )
    if decay is not None:
        settings["weight_decay"] = float(decay)
    elif kind in ("AdamW", "Muon"):
        settings["weight_decay"] = 0.0 if config else 0.004
    clips = {new: float(config[old]) for old, new in _CLIPS.items() if config.get(old)}
    if len(clips) > 1:
        raise ValueError(f"{kind}: gradients are clipped in {len(clips)} ways; accepted: one")
    if re.match(r"[01]\.|2\.[0-3]\.\d+$", version) and "clip_norm" in clips:
        # Keras without TensorFlow's name clipped all gradients together.
        clips = {"global_clip_norm": clips["clip_norm"]}
    return settings | clips


def _sgd(momentum: float, nesterov: Any) -> str:
    if momentum == 0:
        return "sgd"
    if not math.isclose(momentum, 0.9, rel_tol=1e-6):
        raise ValueError(f"SGD: momentum is {momentum:g}; jcnn's is 0.9")
    return "nesterov" if nesterov else "momentum"


def _rate(kind: str, config: Mapping[str, Any], stored: float | None) -> float:
    given = config.get("learning_rate", config.get("lr"))
    if isinstance(given, dict):
        raise ValueError(f"{kind}: the learning rate is a {given.get('class_name')}")
    if given is None:
        given = stored if stored is not None else 0.01 if kind == "SGD" else 0.001
    rate = float(given)
    if not 0 < rate < math.inf:
        raise ValueError(f"{kind}: the learning rate is {rate}")
    return rate


# --- arrays ---------------------------------------------------------------------------------------


def _is_numbered(arrays: Sequence[tuple[str, Array]]) -> bool:
    return all(name.isdecimal() for name, _ in arrays)


def _split(
    arrays: Sequence[tuple[str, Array]],
) -> tuple[int | None, float | None, list[tuple[str, Array]]]:
    """The number of updates, the learning rate, and all arrays but these and other scalars."""
    updates: int | None = None
    rate: float | None = None
    rest = []
    for name, array in arrays:
        if array.shape != ():
            rest.append((name, array))
        elif updates is None and array.dtype.kind in "iu":
            updates = int(array)
        elif rate is None and (name.isdecimal() or "learning_rate" in name) and not rest:
            rate = float(array)
    return updates, rate, rest


def _slots(
    optimizer: str,
    arrays: list[tuple[str, Array]],
    parameters: Sequence[Parameter],
    *,
    is_numbered: bool,
) -> dict[str, dict[str, Array]]:
    """The arrays by role, then by place of the parameter."""
    names = [name for _, name in SLOTS[optimizer]]
    if not names:
        return {}
    found = None if is_numbered else _by_name(arrays, parameters)
    if found is None:
        order = _interleaved if is_numbered else _grouped
        found = order(optimizer, names, arrays, parameters)
    slots: dict[str, dict[str, Array]] = {role: {} for role, _ in SLOTS[optimizer]}
    for one in parameters:
        for role, name in SLOTS[optimizer]:
            if optimizer == "muon" and name == "velocity" and len(one.shape) == 2:
                slots[role][one.place] = np.zeros((), np.float32)  # a kernel needs none
                continue
            array = found.get((one.place, name))
            if array is None:
                raise ValueError(f"the file has no {name} of {one.place}")
            if array.shape != one.shape:
                raise ValueError(
                    f"{name} of {one.place} has shape {array.shape}; expected {one.shape}"
                )
            slots[role][one.place] = array
    return slots


Found = dict[tuple[str, str], Array]


def _by_name(arrays: Sequence[tuple[str, Array]], parameters: Sequence[Parameter]) -> Found | None:
    """The arrays by place and slot; None if no name is that of a parameter.

    Raises:
        ValueError: the names of some only are, or two are alike.
    """
    names = {name for slots in SLOTS.values() for _, name in slots}
    wanted: dict[str, tuple[str, str]] = {}
    for one in parameters:
        for slot in (*names, *_OLD_NAMES):
            key = one.place, _OLD_NAMES.get(slot, slot)
            new = f"{one.name.replace('/', '_')}_{slot}"
            for name in (new, f"{slot}/{one.name}", f"{one.name}/{slot}"):
                if wanted.setdefault(name, key) != key:
                    raise ValueError(f"two parameters have an array {name!r}")
    found: Found = {}
    unknown: list[str] = []
    for name, array in arrays:
        whose = wanted.get(name.split(":")[0].removeprefix("training/").partition("/")[2])
        if whose is None:
            unknown.append(name)
        elif whose in found:
            raise ValueError(f"two arrays are {whose[1]} of {whose[0]}")
        else:
            found[whose] = array
    if not found:
        return None
    if unknown:
        raise ValueError(f"{unknown[0]!r} belongs to no trained parameter")
    return found


def _interleaved(
    optimizer: str,
    names: list[str],
    arrays: list[tuple[str, Array]],
    parameters: Sequence[Parameter],
) -> Found:
    """The numbered arrays of a `.keras` file: all slots of the first parameter, then the next."""
    keys = [(one.place, name) for one in parameters for name in names]
    if optimizer == "muon":
        kernels = {one.place for one in parameters if len(one.shape) == 2}
        keys = [key for key in keys if key[1] == "momentum" or key[0] not in kernels]
    return _in_order(keys, arrays)


def _grouped(
    optimizer: str,
    names: list[str],
    arrays: list[tuple[str, Array]],
    parameters: Sequence[Parameter],
) -> Found:
    """The arrays of Keras 2.2 and 2.3: the first slot of all parameters, then the second, ..."""
    keys = [(one.place, name) for name in names for one in parameters]
    # Adam has a third array of one number for each parameter, unless amsgrad is on.
    extra = arrays[len(keys) :]
    if len(extra) == len(parameters) and all(array.shape == (1,) for _, array in extra):
        arrays = arrays[: len(keys)]
    return _in_order(keys, arrays)


def _in_order(keys: list[tuple[str, str]], arrays: list[tuple[str, Array]]) -> Found:
    if not arrays:
        raise ValueError("the file has no state of it")
    if len(arrays) != len(keys):
        raise ValueError(f"it has {len(arrays)} arrays; expected {len(keys)}")
    return {key: array for key, (_, array) in zip(keys, arrays, strict=True)}
