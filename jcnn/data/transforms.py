"""What augmentation can be asked for: a literal table, and `parse`. No JAX here."""

from dataclasses import dataclass

from jcnn.suggest import did_you_mean


@dataclass(frozen=True)
class Kind:
    """One line of the table.

    Args:
        name: as it is written in `parse`'s text.
        default: the strength where the text gives none.
        limit: the largest strength; the smallest is always 0, which changes nothing.
        unit: of the strength, for people.
        effect: one line for people; S stands for the strength.
        whole: whether the strength is a whole number.
    """

    name: str
    default: float
    limit: float
    unit: str
    effect: str
    whole: bool = False

    def accepts(self, strength: float) -> bool:
        """Whether this is a strength of this kind."""
        return 0 <= strength <= self.limit and (not self.whole or strength == int(strength))

    @property
    def accepted(self) -> str:
        """What strengths there are, for messages: "zoom=SHARE, 0 to 0.9"."""
        return f"{self.name}={self.unit}, {'whole, ' * self.whole}0 to {self.limit:g}"


# In the order in which they are applied, which does not depend on the order of the user's words.
KINDS: tuple[Kind, ...] = (
    Kind("flip", 0.5, 1, "PROBABILITY", "left and right change places with probability S"),
    Kind("flip_vertical", 0.5, 1, "PROBABILITY", "top and bottom change places, likewise"),
    Kind("zoom", 0.2, 0.9, "SHARE", "1 - S to 1 + S times as large"),
    Kind("rotate", 15, 180, "DEGREES", "turned by up to S either way"),
    Kind("shift", 0.1, 1, "SHARE", "moved by up to S of height and width, in whole pixels"),
    Kind("contrast", 0.2, 1, "SHARE", "distance from the mean times 1 - S to 1 + S"),
    Kind("brightness", 0.2, 1, "SHARE", "up to S of the full range added or taken away"),
    Kind("cutout", 8, 10_000, "PIXELS", "a square of side S filled with the mean", whole=True),
    Kind("mixup", 0.2, 100, "ALPHA", "blended with another picture; share from Beta(S, S)"),
)
_BY_NAME = {kind.name: kind for kind in KINDS}


@dataclass(frozen=True)
class Transform:
    """One change of the training images; hashable, so that a compiled program can hang on it.

    Args:
        name: of a kind in `KINDS`.
        strength: in that kind's unit; 0 changes nothing.

    Raises:
        ValueError: there is no such kind, or it has no such strength.
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
    """Read an augmentation such as "shift,flip,rotate=15": names of `KINDS`, some with strengths.

    Args:
        text: words with commas between them; "" asks for none.

    Returns:
        In the order in which they are applied, whatever the text's: "flip,shift" and
        "shift,flip" are the same augmentation.

    Raises:
        ValueError: a name is unknown or doubled, or a strength is wrong; the message says what
            is accepted.
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
    """The alpha of the mixup among these; 0 where there is none, or one that does nothing."""
    return sum(t.strength for t in transforms if t.name == "mixup")
