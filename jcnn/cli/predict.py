"""`jcnn predict`: what a run's model sees in picture files."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import tyro

if TYPE_CHECKING:
    import numpy.typing as npt


@dataclass(frozen=True)
class PredictCommand:
    """What a trained model sees in pictures of any size and colour mode.

    A picture that cannot be read is named, and the exit code is then 1.
    """

    run_folder: Annotated[tyro.conf.Positional[Path], tyro.conf.arg(metavar="RUN", name="run")]
    """Run folder of jcnn train."""
    images: Annotated[
        tyro.conf.Positional[tuple[Path, ...]],
        tyro.conf.arg(metavar="IMAGE [IMAGE ...]", help_behavior_hint="(at least one)"),
    ] = ()
    """Picture files, folders of them, or patterns such as "*.png"; pictures are brought to the
    size and colours of the model's input."""
    flips: bool = False
    """Take the mean over each picture and its mirror image."""
    json: bool = False
    """Print [{"file", "label", "probability", "probabilities"}]; of a picture that cannot be read
    {"file", "error"}."""

    def run(self) -> None:
        """Load the run and the pictures, and print a line or an object for each."""
        if not self.images:
            raise ValueError("images: got none; name at least one picture file or folder")
        import numpy as np

        from jcnn.cli.messages import PartError, warn
        from jcnn.compile import keep_memory, use_cache
        from jcnn.data import read_picture
        from jcnn.runs import load
        from jcnn.train import predict

        use_cache()
        keep_memory()
        model, config = load(self.run_folder, on_damage=warn)
        pictures: dict[Path, npt.NDArray[np.uint8]] = {}
        errors: dict[Path, str] = {}
        files = _files(self.images)
        for file in files:
            try:
                pictures[file] = read_picture(file, config.input_shape, config.resize)
            except (ValueError, OSError) as error:
                errors[file] = " ".join(str(error).split())
        if not pictures:
            raise ValueError("; ".join(errors.values()))
        rows = predict(model, np.stack(list(pictures.values())), flips=self.flips)
        results: dict[Path, dict[str, Any]] = {}
        for file, row in zip(pictures, rows, strict=True):
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
            raise PartError(f"{len(errors)} of {len(files)} pictures could not be read")


def _files(names: tuple[Path, ...]) -> list[Path]:
    """The files that are named: of a folder the pictures inside, of a pattern what it matches.

    Raises:
        ValueError: a folder holds no picture, or a pattern matches none.
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
                raise ValueError(f"images: {name}: no picture in this folder")
            found += inside
        elif not {"*", "?", "["}.isdisjoint(str(name)) and not name.exists():
            start = Path(name.anchor)
            matching = sorted(start.glob(str(name.relative_to(start))))
            if not matching:
                raise ValueError(f"images: {name}: no file has such a name")
            found += _files(tuple(matching))
        else:
            found.append(name)
    return list(dict.fromkeys(found))
