"""`jcnn predict`: classify image files with a trained model."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import tyro

if TYPE_CHECKING:
    import numpy.typing as npt


@dataclass(frozen=True)
class PredictCommand:
    """Classify image files with a trained model.

    Files that cannot be read are reported, and the exit code is then 1.
    """

    run_folder: Annotated[tyro.conf.Positional[Path], tyro.conf.arg(metavar="RUN", name="run")]
    """Run folder written by jcnn train."""
    images: Annotated[
        tyro.conf.Positional[tuple[Path, ...]],
        tyro.conf.arg(metavar="IMAGE [IMAGE ...]", help_behavior_hint="(at least one)"),
    ] = ()
    """Image files, folders, or patterns such as "*.png"; images of any size and colour mode are
    converted to the shape of the model's input."""
    flips: bool = False
    """Average the predictions for each image and its mirror image."""
    json: bool = False
    """Print [{"file", "label", "probability", "probabilities"}], and {"file", "error"} for a file
    that cannot be read."""

    def run(self) -> None:
        """Load the run and the images, and print a line or an object for each image."""
        if not self.images:
            raise ValueError("images: got none; name at least one image file or folder")
        import numpy as np

        from jcnn.cli.messages import PartError, warn
        from jcnn.compile import keep_memory, use_cache
        from jcnn.data import read_image
        from jcnn.runs import load
        from jcnn.train import predict

        use_cache()
        keep_memory()
        model, config = load(self.run_folder, on_damage=warn)
        images: dict[Path, npt.NDArray[np.uint8]] = {}
        errors: dict[Path, str] = {}
        files = _files(self.images)
        for file in files:
            try:
                images[file] = read_image(file, config.input_shape, config.resize)
            except (ValueError, OSError) as error:
                errors[file] = " ".join(str(error).split())
        if not images:
            raise ValueError("; ".join(errors.values()))
        rows = predict(model, np.stack(list(images.values())), flips=self.flips)
        results: dict[Path, dict[str, Any]] = {}
        for file, row in zip(images, rows, strict=True):
            best = int(row.argmax())
            results[file] = {
                "file": str(file),
                "label": config.class_names[best],
                "probability": float(row[best]),
                "probabilities": dict(zip(config.class_names, row.tolist(), strict=True)),
            }
        for text in errors.values():
            warn(text)
        if self.json:
            wrong = {file: {"file": str(file), "error": text} for file, text in errors.items()}
            print(json.dumps([(results | wrong)[file] for file in files]))
        else:
            for result in results.values():
                print(f"{result['file']}: {result['label']} ({result['probability']:.1%})")
        if errors:
            raise PartError(f"{len(errors)} of {len(files)} images could not be read")


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
