"""The second run of `jcnn explore A B`."""

from pathlib import Path

from jcnn.runs import RunConfig, read_config


def check_comparable(first: Path, second: Path) -> RunConfig:
    """The configuration of the second run, if both take the same images and have the same classes.

    Raises:
        ValueError: one is no run folder, or they differ.
    """
    for run in (first, second):
        if not run.is_dir():
            raise ValueError(f"RUN: got {run}, which is no run folder; accepted: two run folders")
    one, other = read_config(first), read_config(second)
    if one.input_shape != other.input_shape:
        raise ValueError(
            f"{second}: takes images of {_shape(other)}, {first} of {_shape(one)}; accepted: two "
            "runs for the same images"
        )
    if one.class_names != other.class_names:
        differing = [
            f"{_at(other.class_names, i)} where {first} has {_at(one.class_names, i)}"
            for i in range(max(len(one.class_names), len(other.class_names)))
            if one.class_names[i : i + 1] != other.class_names[i : i + 1]
        ]
        raise ValueError(f"{second}: has class {differing[0]}; accepted: two runs of equal classes")
    if one.resize != other.resize:
        raise ValueError(
            f"{second}: was trained with resize {other.resize!r}, {first} with {one.resize!r}; "
            "accepted: two runs for the same images"
        )
    return other


def names_of(first: Path, second: Path) -> tuple[str, str]:
    """Short names of two run folders; with the folder before them where they are equal."""
    for parts in (1, 2):
        a, b = ("/".join(run.resolve().parts[-parts:]) for run in (first, second))
        if a != b:
            return a, b
    return "A", "B"


def _shape(config: RunConfig) -> str:
    return "x".join(map(str, config.input_shape))


def _at(names: tuple[str, ...], place: int) -> str:
    return repr(names[place]) if place < len(names) else "none"
