"""The values of one example of a lecturer's file; an error names the line."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jcnn.cli.values import parse_padding
from jcnn.suggest import did_you_mean

if TYPE_CHECKING:
    from jcnn.ops import Padding

# Limits of the page, as in playground_window.js.
MOST_CELLS, MOST_CHANNELS, MOST_UNITS, MOST_INPUTS = 16, 6, 10, 64


@dataclass(frozen=True)
class Value:
    """The text of one line, and where it stands."""

    text: str
    line: int


Lines = dict[str, list[Value]]


@dataclass(frozen=True)
class Values:
    """The values of one example; an error names the line."""

    path: Path
    start: int
    lines: Lines

    def fault(self, name: str, reason: str, at: int = 0) -> ValueError:
        """The error about a value."""
        line = self.lines[name][at].line if name in self.lines else self.start
        return fault(self.path, line, f"{name}: {reason}")

    def text(self, name: str) -> str:
        """A line of text, or ""."""
        return self.lines[name][0].text if name in self.lines else ""

    def one_of(self, name: str, accepted: tuple[str, ...], usual: str) -> str:
        """One of the accepted words."""
        word = self.text(name) if name in self.lines else usual
        if word not in accepted:
            guess = did_you_mean(word, accepted)
            raise self.fault(name, f"got {word!r}; accepted: {', '.join(accepted)}{guess}")
        return word

    def yes(self, name: str) -> bool:
        """Whether a line says yes."""
        return self.one_of(name, ("yes", "no"), "no") == "yes"

    def stack(self, name: str, most: int, what: str, at: int = 0) -> list[list[list[float]]]:
        """Grids of numbers, one for each channel."""
        from jcnn.trace import parse_stack

        try:
            stack = parse_stack(self.lines[name][at].text)
        except ValueError as error:
            raise self.fault(name, str(error), at) from None
        if len(stack) > most:
            raise self.fault(name, f"got {len(stack)} {what}; accepted: up to {most}", at)
        grids = [[[_plain(x) for x in row] for row in grid] for grid in stack]
        tall = MOST_INPUTS if name == "weights" else MOST_CELLS
        if len(grids[0]) > tall or len(grids[0][0]) > MOST_CELLS:
            size = f"{len(grids[0])}x{len(grids[0][0])}"
            raise self.fault(name, f"got {size}; accepted: up to {tall}x{MOST_CELLS} cells", at)
        return grids

    def filters(self, channels: int) -> list[list[list[list[float]]]]:
        """The kernels: a line for each filter, a grid for each input channel."""
        count = len(self.lines["kernel"])
        if count > MOST_CHANNELS:
            raise self.fault("kernel", f"got {count} filters; accepted: up to {MOST_CHANNELS}")
        filters = [self.stack("kernel", MOST_CHANNELS, "channels", at) for at in range(count)]
        size = (len(filters[0][0]), len(filters[0][0][0]))
        for at, kernel in enumerate(filters):
            if len(kernel) != channels:
                reason = f"got {len(kernel)} channels; accepted: {channels}, as the input has"
                raise self.fault("kernel", reason, at)
            if (len(kernel[0]), len(kernel[0][0])) != size:
                got = f"{len(kernel[0])}x{len(kernel[0][0])}"
                reason = f"got {got}; accepted: {size[0]}x{size[1]}, as the first filter"
                raise self.fault("kernel", reason, at)
        return filters

    def numbers(self, name: str, count: int) -> list[float]:
        """A row of numbers."""
        ((*rows,),) = self.stack(name, 1, "channels")
        if len(rows) != 1 or len(rows[0]) != count:
            got = sum(map(len, rows))
            raise self.fault(name, f"got {got} numbers; accepted: {count}, one for each output")
        return list(rows[0])

    def size(self, name: str, usual: list[int]) -> list[int]:
        """Rows and columns; one number stands for both."""
        if name not in self.lines:
            return usual
        words = self.text(name).split()
        if len(words) not in (1, 2) or not all(w.isascii() and w.isdigit() for w in words):
            raise self.fault(name, f"got {self.text(name)!r}; accepted: one or two ints >= 1")
        sizes = [int(words[0][:9]), int(words[-1][:9])]
        if not 1 <= min(sizes) <= max(sizes) <= MOST_CELLS:
            reason = f"got {self.text(name)!r}; accepted: one or two ints, 1 to {MOST_CELLS}"
            raise self.fault(name, reason)
        return sizes

    def padding(self) -> "Padding":
        """VALID, SAME, or a number of cells."""
        if "padding" not in self.lines:
            return "VALID"
        try:
            return parse_padding("padding", self.text("padding"))
        except ValueError as error:
            raise fault(self.path, self.lines["padding"][0].line, str(error)) from None

    def within(
        self, name: str, usual: float, fits: Callable[[float], bool], accepted: str
    ) -> float:
        """A number in a range."""
        if name not in self.lines:
            return usual
        ((*rows,),) = self.stack(name, 1, "channels")
        if len(rows) != 1 or len(rows[0]) != 1 or not fits(rows[0][0]):
            raise self.fault(name, f"got {self.text(name)!r}; accepted: {accepted}")
        return float(rows[0][0])

    def fits(self, name: str, example: dict[str, Any], kernel: list[int]) -> None:
        """Raise an error if the window does not fit the input."""
        from jcnn.ops import resolve_window

        grid, padding = example["inputs"][0], self.padding()
        try:
            window = resolve_window(
                (len(grid), len(grid[0])),
                (kernel[0], kernel[1]),
                stride=tuple(example["stride"]),
                padding=padding,
                dilation=tuple(example["dilation"]),
            )
        except ValueError as error:
            reason = str(error).partition(": ")[2]
            raise self.fault(name, f"{reason}; accepted: a window inside the input") from None
        pads = max(max(pair) for pair in window.padding)
        if example["operation"].endswith("_pool") and pads >= min(kernel):
            raise self.fault("padding", f"got {padding}; accepted: less than the window")
        if pads * 2 + max(window.in_size) > 2 * MOST_CELLS:
            raise self.fault("padding", f"got {padding}; accepted: up to 32 cells with the input")


def _plain(number: Any) -> float:
    return number if isinstance(number, int) else float(number)


def fault(path: Path, line: int, reason: str) -> ValueError:
    """The error about a line."""
    return ValueError(f"{path}, line {line}: {reason}")
