"""Training with `fit` and `fit_population`; `evaluate` and `predict` for trained models."""

from jcnn.config import TrainConfig
from jcnn.train.evaluate import (
    Evaluation,
    Model,
    check_fit,
    evaluate,
    model_output_shape,
    predict,
    predict_logits,
)
from jcnn.train.events import Compiling, DivergedError, Event, Progress
from jcnn.train.find_lr import LearningRateTest, find_learning_rate
from jcnn.train.fit import check_settings, fit, fit_population
from jcnn.train.setup import Callback

__all__ = [
    "Callback",
    "Compiling",
    "DivergedError",
    "Evaluation",
    "Event",
    "LearningRateTest",
    "Model",
    "Progress",
    "TrainConfig",
    "check_fit",
    "check_settings",
    "evaluate",
    "find_learning_rate",
    "fit",
    "fit_population",
    "model_output_shape",
    "predict",
    "predict_logits",
]
