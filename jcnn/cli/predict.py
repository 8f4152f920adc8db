"""`jcnn predict`: classify image files with a trained model."""

import csv
import io
import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import tyro

from jcnn.cli.run_options import BuiltBy, RunFolder
from jcnn.config import DeviceCount

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from jcnn.data.polarity import Border


@dataclass(frozen=True)
class PredictCommand(BuiltBy):
    """Classify image files with a trained model.

    Files that cannot be read are reported and left out, and the exit code is then 1.
    """

    run_folder: RunFolder
    """Run folder written by jcnn train."""
    images: Annotated[
        tyro.conf.Positional[tuple[Path, ...]],
        tyro.conf.arg(metavar="IMAGE [IMAGE ...]", help_behavior_hint="(at least one)"),
    ] = ()
    """Image files, folders, or patterns such as "*.png"; images of any size and colour mode are
    converted to the shape of the model's input."""
    devices: DeviceCount = 1
    """Number of devices that share each batch, or all."""
    flips: bool = False
    """Average the predictions for each image and its mirror image."""
    top: Annotated[
        int | None, tyro.conf.arg(metavar="INT", help_behavior_hint="(default: the first class)")
    ] = None
    """Show this many of the most probable classes of each image, the most probable first."""
    on_bad_image: Literal["skip", "error"] = "skip"
    """Report and skip an image that cannot be read, or stop at it with exit code 2."""
    json: bool = False
    """Print [{"file", "label", "probability", "probabilities"}], and {"file", "error"} for a file
    that cannot be read; with --top also "top": [{"label", "probability"}]."""
    csv: bool = False
    """Print a table with the columns file, class, probability; with --top file, class_1,
    probability_1, class_2, ..."""

    def run(self) -> None:
        """Load the run and the images, and print a line, an object or a row for each image."""
        if not self.images:
            raise ValueError("images: got none; name at least one image file or folder")
        if self.json and self.csv:
            raise ValueError("--csv: give either it or --json, not both")
        if self.top is not None and self.top < 1:
            raise ValueError(f"--top: got {self.top}; accepted: 1 to the number of classes")
        import numpy as np

        from jcnn.cli.messages import PartError, warn
        from jcnn.compile import keep_memory, use_cache
        from jcnn.data import read_image
        from jcnn.train import predict
        from jcnn.train.evaluate import check_probabilities

        use_cache()
        keep_memory()
        model, config = self.load(self.run_folder)
        classes = len(config.class_names)
        if self.top is not None and self.top > classes:
            raise ValueError(f"--top: got {self.top}; accepted: 1 to {classes}, the classes")
        images: dict[Path, npt.NDArray[np.uint8]] = {}
        errors: dict[Path, str] = {}
        files = _files(self.images)
        for file in files:
            try:
                images[file] = read_image(file, config.input_shape, config.resize)
            except (ValueError, OSError) as error:
                if self.on_bad_image == "error":
                    raise
                errors[file] = " ".join(str(error).split())
        if not images:
            raise ValueError("; ".join(errors.values()))
        stack = np.stack(list(images.values()))
        rows = predict(model, stack, flips=self.flips, devices=self.devices)
        check_probabilities(model, rows)
        results: dict[Path, dict[str, Any]] = {}
        ranks: dict[Path, list[tuple[str, float]]] = {}
        for file, row in zip(images, rows, strict=True):
            ranks[file] = _best(row, config.class_names, self.top or 1)
            label, probability = ranks[file][0]
            results[file] = {
                "file": str(file),
                "label": label,
                "probability": probability,
                "probabilities": dict(zip(config.class_names, row.tolist(), strict=True)),
            }
            if self.top is not None:
                named = [{"label": name, "probability": p} for name, p in ranks[file]]
                results[file]["top"] = named
        for text in errors.values():
            warn(text)
        if hint := _polarity_hint(images, config.border):
            print(hint, file=sys.stderr)
        if self.json:
            wrong = {file: {"file": str(file), "error": text} for file, text in errors.items()}
            print(json.dumps([(results | wrong)[file] for file in files]))
        elif self.csv:
            print(_table(ranks, self.top), end="")
        else:
            for file, best in ranks.items():
                print(f"{file}: {', '.join(f'{label} ({p:.1%})' for label, p in best)}")
        if errors:
            raise PartError(f"{len(errors)} of {len(files)} images could not be read")


def _polarity_hint(images: "dict[Path, npt.NDArray[np.uint8]]", border: "Border | None") -> str:
    """One line if images have the other background than the training images; else ""."""
    import numpy as np

    from jcnn.data.polarity import border_brightness, has_other_polarity

    if border is None:
        return ""
    pixels = np.stack(list(images.values()))
    odd = has_other_polarity(pixels, border)
    if not odd.any():
        return ""
    which, count = " ".join(str(list(images)[int(odd.argmax())]).split()), odd.sum()
    if count > 1:
        which = f"{count} of {len(images)} images, such as {which},"
    mean, have = border_brightness(pixels[odd]).mean(), "has" if count == 1 else "have"
    background, other = ("bright", "dark") if mean > border[0] else ("dark", "bright")
    return (
        f"hint: {which} {have} a {background} background (brightness at the border "
        f"{mean:.2f}), and the training images a {other} one ({border[0]:.2f}); the model may "
        "need them inverted"
    )


def _best(
    row: "npt.NDArray[np.floating]", class_names: Sequence[str], count: int
) -> list[tuple[str, float]]:
    """The most probable classes and their probabilities, in descending order.

    Args:
        row: `(K,)`, the probabilities of one image.
        class_names: K names.
        count: how many to return, 1 to K.
    """
    order = (-row).argsort(kind="stable")[:count]
    return [(class_names[k], float(row[k])) for k in order]


def _table(ranks: dict[Path, list[tuple[str, float]]], top: int | None) -> str:
    """The classes of each file as CSV; with `top`, a pair of columns for each rank."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    numbers = [""] if top is None else [f"_{rank}" for rank in range(1, top + 1)]
    names = (f"{column}{number}" for number in numbers for column in ("class", "probability"))
    writer.writerow(["file", *names])
    for file, best in ranks.items():
        writer.writerow([str(file), *(cell for pair in best for cell in pair)])
    return text.getvalue()


def _files(names: tuple[Path, ...]) -> list[Path]:
    """The files named, with the images of each folder and the matches of each pattern.

    Raises:
        ValueError: a folder contains no image, or a pattern matches no file.
    """
    from jcnn.data.sources.class_folders import EXTENSIONS

    found: list[Path] = []
    for name in names:
        if name.is_dir():
            inside = sorted(
                file
                for file in name.rglob("*")
                if file.name.lower().endswith(EXTENSIONS)
                and not any(part.startswith(".") for part in file.relative_to(name).parts)
            )
            if not inside:
                raise ValueError(f"images: {name}: no image in this folder")
            found += inside
        elif not {"*", "?", "["}.isdisjoint(str(name)) and not name.exists():
            start = Path(name.anchor)
            matching = sorted(start.glob(str(name.relative_to(start))))
            if not matching:
                raise ValueError(f"images: {name}: no file matches")
            found += _files(tuple(matching))
        else:
            found.append(name)
    return list(dict.fromkeys(found))
