"""Settings with which no weight would change are rejected before training."""

import re
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from jcnn.config import TrainConfig
from jcnn.data import Dataset
from jcnn.layers import Flatten, Layer
from jcnn.train import check_settings, fit, fit_population
from jcnn.train.programs import compiled_part
from tests.train import small

DATA = small.dataset(50)  # of 3 classes
CONFIG = TrainConfig(epochs=2, batch_size=16)  # 4 steps an epoch


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        (
            {"accumulate_steps": 9},
            "accumulate_steps: got 9; accepted: at most 8, the steps of 2 epochs;",
        ),
        ({"class_weights": {"class 0": 0, "class 1": 0, "class 2": 0}}, "class_weights: got (0, 0"),
        ({"learning_rate": 1e-50}, "learning_rate: got 1e-50; accepted: at least 1.2e-38;"),
        ({"clip_norm": 1e-50}, "clip_norm: got 1e-50; accepted: at least 1.2e-38;"),
        ({"ema": 1 - 1e-12}, "ema: got 0.999999999999; accepted: at most 0.9999999;"),
        ({"accumulate_steps": 8, "warmup_epochs": 1.5}, "warmup_epochs: got 1.5; accepted: 0"),
    ],
)
def test_settings_that_train_nothing(settings: dict[str, Any], named: str) -> None:
    with pytest.raises(ValueError, match=f"^{re.escape(named)}"):
        check_settings([replace(CONFIG, **settings)], DATA)


def test_the_limits_train() -> None:
    for settings in (
        {"accumulate_steps": 8},
        {"class_weights": (0.0, 0.0, 1.0)},
        {"ema": 0.9999999},
        {"learning_rate": 2e-38},
    ):
        check_settings([replace(CONFIG, **settings)], DATA)


def test_weights_of_classes_without_a_picture() -> None:
    data = Dataset(DATA.images, np.ones_like(DATA.labels), DATA.class_names)
    with pytest.raises(ValueError, match=r"^class_weights: got \(1.0, 0.0, 1.0\), which is 0 for"):
        check_settings([replace(CONFIG, class_weights=(1.0, 0.0, 1.0))], data)


@pytest.mark.parametrize("names", [("cat",), ("ant", "bee", "cat")])
def test_images_of_one_class(names: tuple[str, ...]) -> None:
    data = Dataset(DATA.images, np.full_like(DATA.labels, len(names) - 1), names)
    message = "dataset: got training images of class 'cat' only; accepted: two or more classes"
    for share in (0.0, 0.5):
        config = replace(CONFIG, validation_split=share)
        with pytest.raises(ValueError, match=f"^{message}$"):
            fit(small.model(classes=len(names)), data, config)
    models = [small.model(seed, len(names)) for seed in (0, 1)]
    with pytest.raises(ValueError, match=f"^{message}$"):
        fit_population(models, data, [CONFIG, replace(CONFIG, seed=1)])


def test_a_model_without_parameters() -> None:
    data = Dataset(np.zeros((4, 1, 3, 1), np.uint8), np.zeros(4, np.int32), ("a", "b", "c"))
    layers: list[Layer] = [Flatten()]
    with pytest.raises(ValueError, match=r"^model: has no parameters"):
        fit(layers, data, CONFIG)


@pytest.mark.parametrize(
    "settings",
    [
        {"plateau_patience": 2},
        {"plateau_factor": 0.5},
        {"patience": 3},
        {"min_delta": 0.1},
        {"monitor": "loss"},
        {"restore_best": True},
        {"steps_per_call": 3},
        {"seed": 5},
        {"learning_rate": 0.5},
        {"epochs": 9},
        {"shuffle": False},
        {"validation_split": 0.5},
    ],
)
def test_no_program_depends_on_it(settings: dict[str, Any]) -> None:
    assert compiled_part(replace(CONFIG, **settings)) == compiled_part(CONFIG)
