"""The optimizers that jcnn and Keras both have: names, constants and arrays of their states.

Keras keeps two numbers first, the count of updates and the learning rate. The arrays of the
parameters follow in the order of the trainable variables, for each of them in the order of
`SLOTS`. Muon has a velocity only for those that Adam updates. Nadam has one more
number at the end, the product of its momenta.
"""

from typing import Any

from jcnn.train.optimizers import BETA_1, BETA_2, EPSILON, MOMENTUM, MUON_MOMENTUM, MUON_SCALE

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

_BETAS = {"beta_1": BETA_1, "beta_2": BETA_2}
_SGD = {"momentum": 0.0, "nesterov": False}
# For each of jcnn's optimizers: Keras's class, and its settings that jcnn has as constants.
CLASSES: dict[str, tuple[str, dict[str, Any]]] = {
    "adam": ("Adam", {**_BETAS, "epsilon": EPSILON, "amsgrad": False}),
    "adamw": ("AdamW", {**_BETAS, "epsilon": EPSILON, "amsgrad": False}),
    "sgd": ("SGD", _SGD),
    "momentum": ("SGD", _SGD | {"momentum": MOMENTUM}),
    "nesterov": ("SGD", {"momentum": MOMENTUM, "nesterov": True}),
    "rmsprop": ("RMSprop", {"rho": 0.9, "momentum": 0.0, "epsilon": EPSILON, "centered": False}),
    "nadam": ("Nadam", {**_BETAS, "epsilon": EPSILON}),
    "adagrad": ("Adagrad", {"initial_accumulator_value": 0.1, "epsilon": EPSILON}),
    "adadelta": ("Adadelta", {"rho": 0.95, "epsilon": EPSILON}),
    "lion": ("Lion", {"beta_1": 0.9, "beta_2": 0.99}),
    "muon": (
        "Muon",
        {
            "adam_beta_1": BETA_1,
            "adam_beta_2": BETA_2,
            "epsilon": EPSILON,
            "momentum": MUON_MOMENTUM,
            "nesterov": True,
            "rms_rate": MUON_SCALE,
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
