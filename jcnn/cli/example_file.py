"""Read the examples of a lecturer for the playground from a text file.

A line is `name: value`; a line of `---` begins another example, `#` a comment. docs/explorer.md has
the names.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from jcnn.cli.example_values import (
    MOST_CHANNELS,
    MOST_INPUTS,
    MOST_UNITS,
    Lines,
    Value,
    Values,
    fault,
)
from jcnn.suggest import did_you_mean

OPERATIONS = (
    "conv",
    "max_pool",
    "average_pool",
    "global_max_pool",
    "global_average_pool",
    "flatten",
    "dense",
    "dropout",
    "similarity",
)
_NAMES = (
    *("title", "lecture", "slide", "note", "exercise", "operation", "input", "kernel", "bias"),
    *("relu", "window", "stride", "dilation", "padding", "weights", "rate", "seed", "printed"),
)
_REPEATED = ("kernel",)
# The names that an operation takes, besides those of every example.
_OF_EVERY = ("title", "lecture", "slide", "note", "exercise", "operation", "input", "printed")
_WINDOWED = ("window", "stride", "padding")
_TAKEN = {
    "conv": ("kernel", "bias", "relu", "stride", "dilation", "padding"),
    "max_pool": _WINDOWED,
    "average_pool": _WINDOWED,
    "dense": ("weights", "bias", "relu"),
    "dropout": ("rate", "seed"),
    "similarity": ("kernel", "stride", "padding"),
}
_NEEDED = {
    "conv": ("input", "kernel"),
    "dense": ("input", "weights"),
    "similarity": ("input", "kernel"),
}
_MOST_BYTES, _MOST_EXAMPLES = 2**18, 50


def read_examples(path: Path) -> list[dict[str, Any]]:
    """The examples of a file, as `jcnn.explore.example_page` takes them.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: the file has a fault; the message names the line and what is accepted.
    """
    examples = [
        _example(path, number, start, lines)
        for number, (start, lines) in enumerate(_sections(path, _text_of(path)))
    ]
    if not examples:
        raise ValueError(f"{path}: empty; accepted: lines such as 'input: 0 1; 1 0'")
    if len(examples) > _MOST_EXAMPLES:
        raise ValueError(f"{path}: has {len(examples)} examples; accepted: up to {_MOST_EXAMPLES}")
    return examples


def _text_of(path: Path) -> str:
    if not path.exists():
        raise FileNotFoundError(f"{path}: no such file")
    if not path.is_file():
        raise ValueError(f"{path}: not a regular file; accepted: a text file")
    with path.open("rb") as stream:
        data = stream.read(_MOST_BYTES + 1)
    if len(data) > _MOST_BYTES:
        raise ValueError(f"{path}: too large; accepted: up to {_MOST_BYTES:,} bytes of text")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise ValueError(f"{path}: not text in UTF-8; accepted: a text file") from None


def _sections(path: Path, text: str) -> Iterator[tuple[int, Lines]]:
    """The lines of each example by name, and the number of its first line."""
    lines: Lines = {}
    start = 1
    for number, line in enumerate(text.splitlines(), 1):
        plain = line.strip()
        if not plain or plain.startswith("#"):
            continue
        if set(plain) == {"-"} and len(plain) >= 3:
            if lines:
                yield start, lines
            lines = {}
            continue
        start = start if lines else number
        name, colon, value = plain.partition(":")
        name = name.strip().lower()
        if not colon or name not in _NAMES:
            got = name if colon else plain[:40]
            raise fault(
                path,
                number,
                f"got {got!r}; accepted: NAME: VALUE with a name of "
                f"{', '.join(_NAMES)}{did_you_mean(got, _NAMES)}",
            )
        if name in lines and name not in _REPEATED:
            raise fault(path, number, f"{name}: got twice; accepted: once in an example")
        lines.setdefault(name, []).append(Value(value.strip(), number))
    if lines:
        yield start, lines


def _example(path: Path, number: int, start: int, lines: Lines) -> dict[str, Any]:
    read = Values(path, start, lines)
    operation = read.one_of("operation", OPERATIONS, "conv")
    for name in lines:
        taken = (*_OF_EVERY, *_TAKEN.get(operation, ()))
        if name not in taken:
            raise read.fault(name, f"is not taken by {operation}; accepted: {', '.join(taken)}")
    for name in _NEEDED.get(operation, ("input",)):
        if name not in lines:
            raise fault(path, start, f"{name}: got none; accepted: numbers such as '0 1; 1 0'")
    inputs = read.stack("input", MOST_CHANNELS, "channels")
    padding = read.padding()
    example: dict[str, Any] = {
        "id": f"own_{number}",
        "title": read.text("title") or f"{path.stem} {number + 1}",
        "operation": operation,
        "inputs": inputs,
        "stride": read.size(
            "stride", read.size("window", [2, 2]) if "pool" in operation else [1, 1]
        ),
        "dilation": read.size("dilation", [1, 1]),
        "padding": padding.lower() if isinstance(padding, str) else padding,
        "exercise": read.yes("exercise"),
    }
    for name in ("lecture", "slide", "note"):
        if text := read.text(name):
            example[name] = text
    more: dict[str, Any] = {"relu": read.yes("relu"), "bias": "bias" in lines}
    outputs = _add_operands(read, example, more)
    if "bias" in lines:
        example["bias"] = read.numbers("bias", outputs)
    if "printed" in lines:
        if outputs > 1 and operation != "dense":
            raise read.fault("printed", "got an output of several channels; accepted: one channel")
        (example["printed"],) = read.stack("printed", 1, "channels")
    return example | {"more": more}


def _add_operands(read: "Values", example: dict[str, Any], more: dict[str, Any]) -> int:
    """Add kernels, weights, window, rate and seed; returns the number of outputs' channels."""
    operation, inputs = example["operation"], example["inputs"]
    channels, (rows, columns) = len(inputs), (len(inputs[0]), len(inputs[0][0]))
    if operation in ("conv", "similarity"):
        kernels = read.filters(channels)
        example["kernels"] = kernels
        read.fits("kernel", example, [len(kernels[0][0]), len(kernels[0][0][0])])
        return len(kernels)
    if operation in ("max_pool", "average_pool"):
        window = read.size("window", [2, 2])
        example["kernels"] = [[[[0] * window[1]] * window[0]] * channels]
        read.fits("window" if "window" in read.lines else "input", example, window)
    if operation == "dense":
        (weights,) = read.stack("weights", 1, "channels")
        count = rows * columns * channels
        if len(weights) != count:
            raise read.fault(
                "weights", f"got {len(weights)} rows; accepted: {count}, one for each input"
            )
        if count > MOST_INPUTS or len(weights[0]) > MOST_UNITS:
            raise read.fault(
                "weights",
                f"got {count} inputs and {len(weights[0])} units; accepted: up to {MOST_INPUTS} "
                f"and {MOST_UNITS}",
            )
        example["weights"] = weights
        return len(weights[0])
    if operation == "dropout":
        more["rate"] = read.within("rate", 0.5, lambda rate: 0 <= rate < 1, "0 <= rate < 1")
        seed = read.within(
            "seed", 0, lambda s: s == int(s) and 0 <= s < 2**32, "an int, 0 to 4294967295"
        )
        more["seed"] = int(seed)
    return channels
