"""The table of augmentations, and `parse` for their text form. Imports no JAX."""

from dataclasses import dataclass

from jcnn.suggest import did_you_mean


@dataclass(frozen=True)
class Kind:
    """One row of the table.

    Args:
        name: as in the text that `parse` takes.
        default: the strength if the text gives none.
        limit: the largest strength; the smallest is always 0, which changes nothing.
        unit: the unit of the strength, for messages.
        effect: a description of one line; S stands for the strength.
        whole: whether the strength must be a whole number.
    """

    name: str
    default: float
    limit: float
    unit: str
    effect: str
    whole: bool = False

    def accepts(self, strength: float) -> bool:
        """Whether `strength` is valid."""
        return 0 <= strength <= self.limit and (not self.whole or strength == int(strength))

    @property
    def accepted(self) -> str:
        """The valid strengths, for messages: "zoom=SHARE, 0 to 0.9"."""
        return f"{self.name}={self.unit}, {'whole, ' * self.whole}0 to {self.limit:g}"


# In the order of application, whatever the order in the user's text.
KINDS: tuple[Kind, ...] = (
    Kind("flip", 0.5, 1, "PROBABILITY", "flipped horizontally with probability S"),
    Kind("flip_vertical", 0.5, 1, "PROBABILITY", "flipped vertically with probability S"),
    Kind("zoom", 0.2, 0.9, "SHARE", "scaled by 1 - S to 1 + S"),
    Kind("rotate", 15, 180, "DEGREES", "rotated by -S to S"),
    Kind("shift", 0.1, 1, "SHARE", "shifted by up to S of height and width, in whole pixels"),
    Kind("contrast", 0.2, 1, "SHARE", "difference from the mean multiplied by 1 - S to 1 + S"),
    Kind("brightness", 0.2, 1, "SHARE", "-S to S of the full range added"),
    Kind("cutout", 8, 10_000, "PIXELS", "a square of side S set to the mean", whole=True),
    Kind("mixup", 0.2, 100, "ALPHA", "blended with another image; share from Beta(S, S)"),
)
_BY_NAME = {kind.name: kind for kind in KINDS}


@dataclass(frozen=True)
class Transform:
    """One augmentation with its strength; hashable, as a static argument of compiled programs.

    Args:
        name: the name of a row of `KINDS`.
        strength: in the unit of that row; 0 changes nothing.

    Raises:
        ValueError: the name is unknown, or the strength is not valid.
    """

    name: str
    strength: float

    def __post_init__(self) -> None:
        kind = _BY_NAME.get(self.name)
        if kind is None:
            raise _unknown(self.name)
        if not kind.accepts(self.strength):
            got = f"{self.name}={self.strength:g}"
            raise ValueError(f"augment: got {got!r}; accepted: {kind.accepted}")


def parse(text: str) -> tuple[Transform, ...]:
    """Parse augmentations such as "shift,flip,rotate=15": names of `KINDS`, some with strengths.

    Args:
        text: separated by commas; "" for none.

    Returns:
        In the order of application, whatever the order of the text: "flip,shift" and
        "shift,flip" are the same.

    Raises:
        ValueError: a name is unknown or repeated, or a strength is not valid.
    """
    if not text.strip():
        return ()
    found: dict[str, Transform] = {}
    for word in text.split(","):
        name, equals, number = (part.strip() for part in word.partition("="))
        kind = _BY_NAME.get(name)
        if kind is None:
            raise _unknown(name)
        if name in found:
            raise ValueError(f"augment: got {name!r} twice; accepted: each name once")
        try:
            strength = float(number) if equals else kind.default
        except ValueError:
            got = word.strip()
            raise ValueError(f"augment: got {got!r}; accepted: {kind.accepted}") from None
        found[name] = Transform(name, strength)
    return tuple(found[kind.name] for kind in KINDS if kind.name in found)


def _unknown(name: str) -> ValueError:
    guess = did_you_mean(name, _BY_NAME)
    return ValueError(f"augment: got {name!r}; accepted: {', '.join(_BY_NAME)}{guess}")


def mixup_alpha(transforms: tuple[Transform, ...]) -> float:
    """The alpha of mixup; 0 without mixup."""
    return sum(t.strength for t in transforms if t.name == "mixup")
