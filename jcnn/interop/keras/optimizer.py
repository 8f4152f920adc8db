"""The optimizers that jcnn and Keras both have: names, constants and arrays of their states.

Keras keeps two numbers first, the count of updates and the learning rate. The arrays of the
parameters follow in the order of the trainable variables, for each of them in the order of
`SLOTS`. Muon has a velocity only for those that Adam updates. Nadam has one more
number at the end, the product of its momenta.
"""

from typing import Any

# Keras's constants, and jcnn's in jcnn.train.optimizers, which needs what imports this file.
_BETAS = {"beta_1": 0.9, "beta_2": 0.999}
_EPSILON = {"epsilon": 1e-7}
# Weight decay of the optimizers that have one by default.
WEIGHT_DECAY = {"adamw": 0.004, "muon": 0.004}

_ADAM = (("mean", "momentum"), ("square", "velocity"))
# For each of jcnn's optimizers: the role in its state, and the ending of Keras's name.
SLOTS: dict[str, tuple[tuple[str, str], ...]] = {
    "adam": _ADAM,
    "adamw": _ADAM,
    "sgd": (),
    "momentum": (("velocity", "momentum"),),
    "nesterov": (("velocity", "momentum"),),
    "rmsprop": (("nu", "velocity"),),
    "nadam": _ADAM,
    "adagrad": (("sum_of_squares", "accumulator"),),
    "adadelta": (("e_g", "accumulated_grad"), ("e_x", "accumulated_delta_var")),
    "lion": (("mu", "momentum"),),
    "muon": _ADAM,
}
# The role of Nadam's product of momenta, which belongs to no parameter: its path is "".
PRODUCT = "product"

_ADAM_SETTINGS = {**_BETAS, **_EPSILON, "amsgrad": False}
_SGD = {"momentum": 0.0, "nesterov": False}
# For each of jcnn's optimizers: Keras's class, and its settings that jcnn has as constants.
CLASSES: dict[str, tuple[str, dict[str, Any]]] = {
    "adam": ("Adam", _ADAM_SETTINGS),
    "adamw": ("AdamW", _ADAM_SETTINGS),
    "sgd": ("SGD", _SGD),
    "momentum": ("SGD", _SGD | {"momentum": 0.9}),
    "nesterov": ("SGD", {"momentum": 0.9, "nesterov": True}),
    "rmsprop": ("RMSprop", {"rho": 0.9, "momentum": 0.0, "centered": False, **_EPSILON}),
    "nadam": ("Nadam", {**_BETAS, **_EPSILON}),
    "adagrad": ("Adagrad", {"initial_accumulator_value": 0.1, **_EPSILON}),
    "adadelta": ("Adadelta", {"rho": 0.95, **_EPSILON}),
    "lion": ("Lion", {"beta_1": 0.9, "beta_2": 0.99}),
    "muon": (
        "Muon",
        {
            **{f"adam_{name}": value for name, value in _BETAS.items()},
            **_EPSILON,
            "momentum": 0.95,
            "nesterov": True,
            "rms_rate": 0.2,
            "adam_lr_ratio": 1,
            "ns_steps": 5,
        },
    ),
}
# Settings of `TrainConfig` and their names in Keras.
SETTINGS = {
    "learning_rate": "learning_rate",
    "weight_decay": "weight_decay",
    "clip_value": "clipvalue",
    "clip_norm": "clipnorm",
    "global_clip_norm": "global_clipnorm",
    "accumulate_steps": "gradient_accumulation_steps",
}
