"""Training settings. This file imports no JAX, so that the command line's help stays fast."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any, Literal, get_args

from jcnn.suggest import did_you_mean

Optimizer = Literal[
    "adam",
    "adamw",
    "sgd",
    "momentum",
    "nesterov",
    "rmsprop",
    "nadam",
    "adagrad",
    "adadelta",
    "lion",
    "muon",
]
Schedule = Literal["constant", "cosine", "one_cycle", "exponential", "piecewise"]
Monitor = Literal["val_loss", "val_accuracy", "loss", "accuracy"]
DecayMask = Literal["all", "kernels"]
Compute = Literal["float32", "bfloat16"]
DeviceCount = int | Literal["all"]


@dataclass(frozen=True)
class TrainConfig:
    """The settings of a training.

    Numbers may be NumPy or JAX scalars, and sequences may be lists or arrays: they are converted
    to Python numbers and tuples.

    Attributes:
        epochs: passes over the training images.
        batch_size: images per step; the last batch of an epoch may be smaller.
        validation_split: share of the training images to validate on: the last ones, or for
            folders and rows sorted by class the same share of every class, drawn with the seed.
        seed: of the parameters, the shuffling, the augmentation and the dropout.
        shuffle: whether the images are shuffled in every epoch.
        augment: random changes of each training image, such as "shift,flip"; see jcnn data show.
        feature_views: V: with frozen layers, V augmented views of each image are drawn and their
            features computed once; epoch e trains on view e, and after V on the first again. 0
            augments the images anew in every epoch.
        optimizer: name; constants are those of Keras for the optimizers that Keras has.
        learning_rate: the maximum of the schedule.
        schedule: of the learning rate: cosine falls to 0; one_cycle rises for the first 30 % of
            the steps, then falls; for exponential and piecewise see decay_rate.
        warmup_epochs: epochs of a linear rise of the learning rate from 0, before the schedule
            starts. one_cycle allows none, since it starts with a rise.
        decay_rate: factor of the learning rate: over every decay_epochs of the exponential
            schedule, or at each of the decay_epochs of the piecewise one.
        decay_epochs: one number for the exponential schedule, rising numbers for the piecewise
            one; counted from the end of the warm-up.
        weight_decay: share of a weight that an update with learning rate 1 subtracts; None means
            0.004 for adamw and muon and 0 for the others, as in Keras.
        weight_decay_mask: which weights decay: all, or kernels without biases and scales.
        clip_value: largest absolute value of a gradient element. Set at most one of the clips.
        clip_norm: largest norm of one gradient array.
        global_clip_norm: largest norm of all gradients together.
        accumulate_steps: number of steps whose mean gradient makes one update.
        label_smoothing: share of the target that is spread over all classes; in training, not
            in validation.
        class_weights: factors of the loss: one for each class, or by name for some classes, with
            1 for the others; or "balanced": N / (K N_k) for the N training images, of which N_k
            are of this class, and K classes with images.
        ema: decay of the exponential moving average of the weights, such as 0.999; validation and
            the trained model then use the average. 0 turns it off.
        freeze: layers that are not trained: paths such as "conv2d" or "layer1/0", or "backbone",
            all but the last layer with parameters. Their batch statistics stay, too.
        unfreeze_at: epochs after which frozen layers are trained, too, with a new state of the
            optimizer; None never unfreezes.
        unfreeze_from: path of the first layer that is then trained, with all that are called after
            it; without unfreeze_at, from the first epoch. None means all.
        backbone_lr_factor: factor of the learning rate of all layers but the last one with
            parameters.
        compute_dtype: dtype of the layers' arithmetic; the parameters stay float32.
        monitor: the column of the history that the next five settings use.
        min_delta: a smaller improvement does not count as a gain.
        patience: epochs without a gain after which training stops; None never stops.
        restore_best: return the weights of the best epoch.
        plateau_patience: epochs without a gain after which the learning rate is lowered.
        plateau_factor: factor by which it is then lowered.
        steps_per_call: steps between two reports of progress; None means about one second.
        time_limit: minutes after which training stops and can be resumed: after the epoch, or
            within one that would take another minute.
        devices: number of devices that share each batch, or all; batch_size must be a multiple of
            it. The results are those of one device up to rounding.
        model_parallel: number of devices over which each large array of the model and its
            optimizer is split, where the device's memory is short; divides devices.
        keep_checkpoints: epochs whose weights stay in the run folder: all, or N >= 2 of them spread
            evenly, with the start before training (epoch 0) and the last. None keeps none.
    """

    epochs: int = 5
    batch_size: int = 64
    validation_split: float = 0.0
    seed: int = 0
    shuffle: bool = True
    augment: str = ""
    feature_views: int = 0
    optimizer: Optimizer = "adam"
    learning_rate: float = 1e-3
    schedule: Schedule = "constant"
    warmup_epochs: float = 0.0
    decay_rate: float = 0.1
    decay_epochs: Sequence[float] = ()
    weight_decay: float | None = None
    weight_decay_mask: DecayMask = "all"
    clip_value: float | None = None
    clip_norm: float | None = None
    global_clip_norm: float | None = None
    accumulate_steps: int = 1
    label_smoothing: float = 0.0
    class_weights: Sequence[float] | Mapping[str, float] | Literal["balanced"] | None = None
    ema: float = 0.0
    freeze: Sequence[str] = ()
    unfreeze_at: int | None = None
    unfreeze_from: str | None = None
    backbone_lr_factor: float = 1.0
    compute_dtype: Compute = "float32"
    monitor: Monitor = "val_loss"
    min_delta: float = 0.0
    patience: int | None = None
    restore_best: bool = False
    plateau_patience: int | None = None
    plateau_factor: float = 0.1
    steps_per_call: int | None = None
    time_limit: float | None = None
    devices: DeviceCount = 1
    model_parallel: int = 1
    keep_checkpoints: int | Literal["all"] | None = None

    def __post_init__(self) -> None:
        _make_plain(self)
        for name in ("epochs", "batch_size", "accumulate_steps"):
            self._check_int(name, 1)
        check_devices(self.devices)
        self._check_int("model_parallel", 1)
        self._check_int("feature_views", 0)
        for name in ("patience", "plateau_patience", "steps_per_call", "unfreeze_at"):
            if getattr(self, name) is not None:
                self._check_int(name, 1)
        self._check_keep_checkpoints()
        whole = isinstance(self.seed, int) and not isinstance(self.seed, bool)
        self._expect(whole and 0 <= self.seed < 2**32, "seed", "an int, 0 <= seed < 2**32")
        for name in ("shuffle", "restore_best"):
            self._expect(isinstance(getattr(self, name), bool), name, "True or False")
        self._expect(isinstance(self.augment, str), "augment", "text such as 'shift,flip'")
        for name in ("learning_rate", "decay_rate", "backbone_lr_factor"):
            self._expect(_number(getattr(self, name)) > 0, name, "a number > 0")
        for name in ("clip_value", "clip_norm", "global_clip_norm", "time_limit"):
            value = getattr(self, name)
            fine = value is None or _number(value) > 0
            self._expect(fine, name, "None, or a number > 0")
        for name in ("warmup_epochs", "min_delta"):
            self._expect(_number(getattr(self, name)) >= 0, name, "a number >= 0")
        decay = self.weight_decay
        fine = decay is None or _number(decay) >= 0
        self._expect(fine, "weight_decay", "None, or a number >= 0")
        for name in ("validation_split", "label_smoothing", "ema"):
            self._expect(0 <= _number(getattr(self, name)) < 1, name, f"0 <= {name} < 1")
        factor = _number(self.plateau_factor)
        self._expect(0 < factor < 1, "plateau_factor", "0 < plateau_factor < 1")
        named = isinstance(self.freeze, tuple) and all(isinstance(x, str) for x in self.freeze)
        self._expect(named, "freeze", "a sequence of names of layers")
        self._check_class_weights()
        for name, choices in (
            ("optimizer", Optimizer),
            ("schedule", Schedule),
            ("weight_decay_mask", DecayMask),
            ("compute_dtype", Compute),
            ("monitor", Monitor),
        ):
            value, accepted = getattr(self, name), get_args(choices)
            guess = did_you_mean(str(value), accepted)
            self._expect(value in accepted, name, ", ".join(accepted) + guess)
        self._check_decay_epochs()
        self._check_warmup_epochs()
        self._check_one_clip()
        for name in ("unfreeze_at", "unfreeze_from"):
            if getattr(self, name) is not None:
                self._expect(bool(self.freeze), name, "None without freeze")
        if self.feature_views:
            self._expect(bool(self.freeze), "feature_views", "0 without freeze")
            self._expect(bool(self.augment.strip()), "feature_views", "0 without augment")

    @property
    def has_separate_result(self) -> bool:
        """Whether the weights that training returns differ from those that it continues from."""
        return bool(self.ema) or self.restore_best

    def _check_class_weights(self) -> None:
        given = self.class_weights
        if given is None or given == "balanced":
            return
        accepted = (
            "numbers >= 0, one above 0; one for each class, or by the names of some classes; or "
            "balanced"
        )
        fine = isinstance(given, tuple) and len(given) > 0
        self._expect(fine, "class_weights", accepted)
        names, weights = _names_and_weights(given)
        if names is not None:
            fine = all(isinstance(name, str) for name in names)
            self._expect(fine and len(set(names)) == len(names), "class_weights", accepted)
        fine = all(_number(weight) >= 0 for weight in weights)
        # A class without a name in the mapping has weight 1.
        self._expect(fine and (names is not None or any(weights)), "class_weights", accepted)

    def with_class_weights_of(
        self, class_names: Sequence[str], counts: Sequence[int]
    ) -> "TrainConfig":
        """The settings with one class weight for each class, if they were by name or "balanced".

        Args:
            class_names: of the data.
            counts: number of training images of each class; only "balanced" reads them.

        Raises:
            ValueError: the number of weights or a name does not match the classes.
        """
        if self.class_weights is None or (self.class_weights == "balanced" and not any(counts)):
            return self
        if self.class_weights == "balanced":  # as scikit-learn's `compute_class_weight`
            share = sum(counts) / sum(count > 0 for count in counts)
            # A class without images has no loss to weigh.
            weights = [share / count if count else 1.0 for count in counts]
            return replace(self, class_weights=tuple(weights))
        names, weights = _names_and_weights(self.class_weights)
        if names is None:
            if len(weights) != len(class_names):
                raise ValueError(
                    f"class_weights: got {len(weights)}; accepted: one for each of the "
                    f"{len(class_names)} classes"
                )
            return self
        for name in names:
            if name not in class_names:
                raise ValueError(
                    f"class_weights: got {name!r}; accepted: names of {', '.join(class_names)}"
                    f"{did_you_mean(name, class_names)}"
                )
        by_name = dict(zip(names, weights, strict=True))
        return replace(self, class_weights=tuple(by_name.get(name, 1.0) for name in class_names))

    def _check_decay_epochs(self) -> None:
        epochs = self.decay_epochs
        self._expect(isinstance(epochs, tuple), "decay_epochs", "a sequence of numbers > 0")
        rising = all(_number(epoch) > 0 for epoch in epochs) and all(
            a < b for a, b in zip((0.0, *epochs), epochs, strict=False)
        )
        accepted = {
            "exponential": (len(epochs) == 1, "one number > 0 for the exponential schedule"),
            "piecewise": (len(epochs) >= 1, "rising numbers > 0 for the piecewise schedule"),
        }
        fits, text = accepted.get(self.schedule, (not epochs, f"none with {self.schedule}"))
        self._expect(fits and rising, "decay_epochs", text)

    def _check_warmup_epochs(self) -> None:
        if self.schedule == "one_cycle":
            self._expect(not self.warmup_epochs, "warmup_epochs", "0 with one_cycle, which rises")
        self._expect(
            self.warmup_epochs < self.epochs, "warmup_epochs", f"below {self.epochs} epochs"
        )

    def _check_keep_checkpoints(self) -> None:
        given = self.keep_checkpoints
        many = isinstance(given, int) and not isinstance(given, bool) and given >= 2
        fine = given is None or given == "all" or many
        self._expect(fine, "keep_checkpoints", "None, all, or an int >= 2")

    def _check_one_clip(self) -> None:
        names = ("clip_value", "clip_norm", "global_clip_norm")
        given = [name for name in names if getattr(self, name) is not None]
        if len(given) > 1:
            self._expect(False, given[1], f"None together with {given[0]}; at most one clip")

    def _check_int(self, name: str, least: int) -> None:
        value = getattr(self, name)
        whole = isinstance(value, int) and not isinstance(value, bool) and value >= least
        self._expect(whole, name, f"an int >= {least}")

    def _expect(self, fine: bool, name: str, accepted: str) -> None:
        if not fine:
            raise ValueError(f"{name}: got {getattr(self, name)!r}; accepted: {accepted}")


@dataclass(frozen=True)
class Population:
    """Several models to train together: one for each combination of these values.

    Attributes:
        seeds: number of consecutive seeds, starting with that of the settings.
        learning_rates: learning rates that replace that of the settings.
        dropouts: rates of every dropout layer that replace those of the model.
    """

    seeds: int = 1
    learning_rates: Sequence[float] = ()
    dropouts: Sequence[float] = ()

    def __post_init__(self) -> None:
        _make_plain(self)
        if not isinstance(self.seeds, int) or isinstance(self.seeds, bool) or self.seeds < 1:
            raise ValueError(f"seeds: got {self.seeds!r}; accepted: an int >= 1")
        for name in ("learning_rates", "dropouts"):
            if not isinstance(getattr(self, name), tuple):
                got = getattr(self, name)
                raise ValueError(f"{name}: got {got!r}; accepted: a sequence of numbers")
        for rate in self.dropouts:
            check_dropout("dropouts", rate)

    def members(
        self, config: TrainConfig, dropout: float | None
    ) -> list[tuple[TrainConfig, float | None]]:
        """The settings and the dropout rate of each model."""
        return [
            (replace(config, seed=config.seed + i, learning_rate=rate), drop)
            for rate in self.learning_rates or (config.learning_rate,)
            for drop in self.dropouts or (dropout,)
            for i in range(self.seeds)
        ]


def check_devices(devices: Any) -> None:
    """Raise a `ValueError` for what is no number of devices."""
    whole = isinstance(devices, int) and not isinstance(devices, bool) and devices >= 1
    if not whole and devices != "all":
        raise ValueError(f"devices: got {devices!r}; accepted: all, or an int >= 1")


def check_dropout(name: str, rate: float | None) -> None:
    """Raise a `ValueError` for an invalid dropout rate; `name` is that of the argument."""
    if rate is not None and not 0 <= _number(rate) < 1:
        raise ValueError(f"{name}: got {rate}; accepted: 0 <= rate < 1")


def _make_plain(settings: Any) -> None:
    """Convert the fields of a frozen dataclass to Python numbers and tuples, in place."""
    for field in fields(settings):
        object.__setattr__(settings, field.name, _plain(getattr(settings, field.name)))


def _plain(value: Any) -> Any:
    """Convert a NumPy or JAX scalar to a Python number; a sequence, array or mapping to a tuple."""
    if hasattr(value, "shape") and hasattr(value, "tolist"):
        value = value.tolist()
    if isinstance(value, Mapping):
        return tuple((str(name), _plain(number)) for name, number in value.items())
    if isinstance(value, list | tuple):
        return tuple(map(_plain, value))
    return value


def _names_and_weights(given: Any) -> tuple[list[Any] | None, list[Any]]:
    """The names, or None, and the values of class weights that `_plain` has converted."""
    if all(isinstance(pair, tuple) and len(pair) == 2 for pair in given):
        return [name for name, _ in given], [weight for _, weight in given]
    return None, list(given)


def _number(value: Any) -> float:
    """The value if it is a finite number, else NaN, for which every comparison is false."""
    fine = isinstance(value, int | float) and not isinstance(value, bool)
    return value if fine and abs(value) < math.inf else math.nan
