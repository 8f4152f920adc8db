"""What a training run is asked to do. No JAX here: the command line reads this for its help."""

from dataclasses import dataclass


@dataclass(frozen=True)
class TrainConfig:
    """How to train.

    Attributes:
        epochs: passes over the training pictures.
        batch_size: pictures a step; the last batch of an epoch may be smaller.
        learning_rate: Adam's.
        validation_split: share of the training pictures, cut from the end, to validate on.
        seed: of the parameters, the shuffling and the dropout.
    """

    epochs: int = 5
    batch_size: int = 64
    learning_rate: float = 1e-3
    validation_split: float = 0.0
    seed: int = 0

    def __post_init__(self) -> None:
        for name in ("epochs", "batch_size"):
            value = getattr(self, name)
            if not isinstance(value, int) or value < 1:
                raise ValueError(f"{name}: got {value!r}; accepted: an int >= 1")
        if not 0 < self.learning_rate < float("inf"):
            raise ValueError(f"learning_rate: got {self.learning_rate}; accepted: a number > 0")
        if not 0 <= self.validation_split < 1:
            raise ValueError(
                f"validation_split: got {self.validation_split}; accepted: 0 <= share < 1"
            )
        if not isinstance(self.seed, int) or not 0 <= self.seed < 2**32:
            raise ValueError(f"seed: got {self.seed!r}; accepted: an int, 0 <= seed < 2**32")
