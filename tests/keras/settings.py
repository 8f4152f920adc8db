"""The Keras optimizer and schedule of a `TrainConfig`."""

from typing import Any

from jcnn.config import TrainConfig

CLASSES: dict[str, tuple[str, dict[str, Any]]] = {
    "adam": ("Adam", {}),
    "adamw": ("AdamW", {}),
    "sgd": ("SGD", {}),
    "momentum": ("SGD", {"momentum": 0.9}),
    "nesterov": ("SGD", {"momentum": 0.9, "nesterov": True}),
    "rmsprop": ("RMSprop", {}),
    "nadam": ("Nadam", {}),
    "adagrad": ("Adagrad", {}),
    "adadelta": ("Adadelta", {}),
    "lion": ("Lion", {}),
    "muon": ("Muon", {}),
}


def keras_optimizer(keras: Any, config: TrainConfig, steps_per_epoch: int = 1) -> Any:
    """The optimizer with the changed settings, and Keras's defaults otherwise."""
    name, settings = CLASSES[config.optimizer]
    if config.weight_decay is not None:
        settings = {**settings, "weight_decay": config.weight_decay}
        if config.optimizer == "muon":
            settings["adam_weight_decay"] = config.weight_decay
    if config.accumulate_steps > 1:
        settings = {**settings, "gradient_accumulation_steps": config.accumulate_steps}
    if config.ema:
        settings = {**settings, "use_ema": True, "ema_momentum": config.ema}
    return getattr(keras.optimizers, name)(
        learning_rate=keras_schedule(keras, config, steps_per_epoch),
        clipvalue=config.clip_value,
        clipnorm=config.clip_norm,
        global_clipnorm=config.global_clip_norm,
        **settings,
    )


def keras_schedule(keras: Any, config: TrainConfig, steps_per_epoch: int) -> Any:
    """The learning rate, or its Keras schedule."""
    rate, schedules = config.learning_rate, keras.optimizers.schedules
    steps = [round(epochs * steps_per_epoch) for epochs in config.decay_epochs]
    warmup = round(config.warmup_epochs * steps_per_epoch)
    if config.schedule == "exponential":
        return schedules.ExponentialDecay(rate, steps[0], config.decay_rate)
    if config.schedule == "piecewise":
        rates = [rate * config.decay_rate**k for k in range(len(steps) + 1)]
        return schedules.PiecewiseConstantDecay(steps, rates)
    if config.schedule == "cosine" and warmup:
        length = config.epochs * steps_per_epoch - warmup
        return schedules.CosineDecay(0.0, length, warmup_target=rate, warmup_steps=warmup)
    if config.schedule == "cosine":
        return schedules.CosineDecay(rate, config.epochs * steps_per_epoch)
    assert config.schedule == "constant"
    return rate
