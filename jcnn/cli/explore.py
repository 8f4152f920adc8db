"""`jcnn explore`: write an HTML page with the outputs of every layer of a model."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import tyro

from jcnn.cli.run_options import BuiltBy

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    from flax import nnx

    from jcnn.data import Dataset
    from jcnn.data.request import Resize
    from jcnn.explore import Epochs
    from jcnn.runs import RunConfig

_CLASSES_SHOWN = 10
_MOST_CHANNELS = 16  # of `page`; importing it takes seconds


@dataclass(frozen=True)
class ExploreCommand(BuiltBy):
    """Write an interactive HTML page with every layer's output for some images.

    The page works offline and is self-contained. Only the model of a run is trained.
    """

    subject: Annotated[
        tyro.conf.Positional[str],
        tyro.conf.arg(
            metavar="RUN|MODEL", name="model", help_behavior_hint="(needed without --example)"
        ),
    ] = ""
    """Run folder written by jcnn train, a model of the zoo (jcnn models lists them), or
    FILE.py:NAME."""
    other: Annotated[
        tyro.conf.Positional[str],
        tyro.conf.arg(metavar="[RUN]", name="other", help_behavior_hint="(default: none)"),
    ] = ""
    """A second run folder, to compare with the first: the same images and classes."""
    image: Annotated[
        tuple[Path, ...],
        tyro.conf.arg(metavar="FILE [FILE ...]", help_behavior_hint="(default: none)"),
    ] = ()
    """Image files; they are converted to the shape of the model's input."""
    data: Annotated[
        str | None, tyro.conf.arg(metavar="SOURCE", help_behavior_hint="(default: the run's)")
    ] = None
    """Data source whose test images are shown; jcnn data lists them."""
    data_dir: Annotated[
        Path | None, tyro.conf.arg(metavar="DIR", help_behavior_hint="(default: the run's)")
    ] = None
    """Folder with the data's files, for sources that take one."""
    index: Annotated[
        tuple[int, ...],
        tyro.conf.arg(metavar="INT [INT ...]", help_behavior_hint="(default: one of each class)"),
    ] = ()
    """Indices of the test images to show, from 0."""
    top_images: Annotated[int, tyro.conf.arg(metavar="N")] = 0
    """For each channel, show which of the first N test images activate it most; 0 for none."""
    maximise: Annotated[int, tyro.conf.arg(metavar="N")] = 0
    """For the N most active channels of each convolution (16 at most), compute the image that
    maximises it, by gradient ascent; 0 for none."""
    over_epochs: bool = False
    """Show the epochs of the run's training one after the other, with its curves and confusion
    matrices. The run must have kept their weights: jcnn train --keep-checkpoints."""
    learn: Annotated[int, tyro.conf.arg(metavar="N")] = 0
    """Pack N training images, so that the model (up to 30,000 parameters) can be trained in the
    page; 0 for none."""
    half: bool = False
    """Round the parameters to float16, which halves a large page."""
    example: Annotated[
        Path | None, tyro.conf.arg(metavar="FILE", help_behavior_hint="(default: none)")
    ] = None
    """Text file with exercises of your own: the page is the playground with them, without a
    model."""
    out: Annotated[Path, tyro.conf.arg(metavar="FILE.html")] = Path("page.html")
    """Page to write; an existing file is replaced."""

    def run(self) -> None:
        """Load the model and the images, write the page, and print its path."""
        if not self.out.parent.is_dir():
            raise FileNotFoundError(f"--out: {self.out.parent}: no such folder")
        if self.out.is_dir():
            raise ValueError(f"--out: {self.out}: is a folder; accepted: a file's name")
        if self.top_images < 0:
            raise ValueError(f"--top-images: got {self.top_images}; accepted: 0 or more")
        if not 0 <= self.maximise <= _MOST_CHANNELS:
            raise ValueError(f"--maximise: got {self.maximise}; accepted: 0 to {_MOST_CHANNELS}")
        if self.over_epochs and self.other:
            raise ValueError("--over-epochs: got two runs; accepted: one run")
        if self.learn < 0:
            raise ValueError(f"--learn: got {self.learn}; accepted: 0 or more")
        if self.learn and (self.over_epochs or self.other):
            shown = "--over-epochs" if self.over_epochs else "two runs"
            raise ValueError(f"--learn: got {shown}, too; accepted: one model, without its epochs")
        if self.example is not None:
            self._write_examples(self.example)
            return
        if not self.subject:
            raise ValueError(
                "RUN|MODEL: got none; accepted: a run folder, a model of the zoo, FILE.py:NAME, or "
                "--example FILE"
            )
        import numpy as np

        from jcnn.cli.explore_compare import check_comparable
        from jcnn.cli.explore_epochs import check_kept
        from jcnn.cli.progress import Display
        from jcnn.compile import keep_memory, use_cache
        from jcnn.data import read_image
        from jcnn.explore import page

        use_cache()
        keep_memory()
        if self.over_epochs:
            check_kept(Path(self.subject))
        if self.other:
            check_comparable(Path(self.subject), Path(self.other))
        subject = self._of_run() if Path(self.subject).is_dir() else self._untrained()
        epochs = self._epochs(subject) if self.over_epochs else None
        images = [read_image(file, subject.shape, subject.resize) for file in self.image]
        names = [file.name for file in self.image]
        labels: list[int | None] = [None] * len(images)
        if subject.test is not None and self._shows_data():
            rows = self._rows(subject.test)
            images += list(subject.test.images[rows])
            names += [f"test {row}" for row in rows]
            labels += [int(label) for label in subject.test.labels[rows]]
        top = None
        if self.top_images and subject.test is not None:
            top = np.asarray(subject.test.images[: self.top_images])
        learn = None
        if self.learn and subject.train is not None:
            learn = self._learned(subject.train)
        arguments = {"title": subject.title} | self._compared(subject)
        with Display(quiet=not self.maximise) as display:
            made = page(
                subject.model,
                np.stack(images),
                subject.class_names,
                labels=labels,
                names=names,
                resize=subject.resize,
                top_images=top,
                epochs=epochs,
                learn=learn,
                half=self.half,
                maximise=self.maximise,
                notify=display,
                **arguments,
            )
        made.save(self.out)
        print(self.out)
        for sentence in made.left_out:
            print(f"left out: {sentence}")

    def _write_examples(self, file: Path) -> None:
        from jcnn.cli.example_file import read_examples
        from jcnn.explore import example_page
        from jcnn.system.files import write_text

        of_model = (self.subject, self.other, self.model, self.trust)
        shown = (self.image, self.data, self.data_dir, self.index)
        made = (self.top_images, self.maximise, self.over_epochs, self.learn, self.half)
        if any((*of_model, *shown, *made)):
            raise ValueError("--example: got a model or images too; accepted: --example alone")
        examples = read_examples(file)
        title = examples[0]["title"] if len(examples) == 1 else file.stem
        write_text(self.out, example_page(examples, title))
        print(self.out)

    def _epochs(self, subject: "_Subject") -> "Epochs":
        """The epochs that the run has kept; `subject.model` gets the weights of the last."""
        from jcnn.cli.explore_epochs import epochs_of_run

        assert subject.test is not None  # `_needs_data`
        return epochs_of_run(Path(self.subject), subject.model, subject.test)

    def _compared(self, subject: "_Subject") -> "dict[str, Any]":
        """The arguments of `page` for a second run; none without one."""
        if not self.other:
            return {}
        from jcnn.cli.explore_compare import names_of

        model, config = self.load(Path(self.other))
        first, second = names_of(Path(self.subject), Path(self.other))
        title = f"{first} ({subject.title}) and {second} ({_title(config)})"
        if subject.title == _title(config):
            title = f"{subject.title}: {first} and {second}"
        return {"name": first, "other": (second, model), "title": title}

    def _of_run(self) -> "_Subject":
        from jcnn.cli.predictions import read_test_images
        from jcnn.cli.progress import Display
        from jcnn.train import check_fit

        model, config = self.load(Path(self.subject))
        train = test = None
        if self._needs_data():
            config_of_data = config.with_data(self.data, self.data_dir)
            if self.learn:
                with Display() as display:
                    train, test = config_of_data.load_data(display)
            else:
                test = read_test_images(config_of_data)
            check_fit(model, test)
        title = _title(config)
        shape, classes = config.input_shape, config.class_names
        return _Subject(model, shape, classes, title, config.resize, train, test)

    def _untrained(self) -> "_Subject":
        from jcnn.cli.progress import Display
        from jcnn.data import load
        from jcnn.data.sources import takes_image_shape
        from jcnn.models import ZOO, build
        from jcnn.models.file import is_model_file, read_model_file
        from jcnn.suggest import did_you_mean
        from jcnn.train import check_fit

        if self.model is not None or self.trust:
            option = "--trust" if self.trust else "--model"
            raise ValueError(f"{option}: is for a run folder; {self.subject} is none")
        random = "with random parameters, not trained"
        if is_model_file(self.subject):
            file = read_model_file(self.subject)
            if self.data is None:
                raise ValueError(
                    f"--data: got none; {file.label} takes any shape of image: name it"
                )
            with Display() as display:
                learned, shown = load(self.data, self.data_dir, notify=display)
            module = file.build(shown.image_shape, len(shown.class_names))
            check_fit(module, shown)
            title = f"{file.label} {random}"
            shape, classes = shown.image_shape, shown.class_names
            return _Subject(module, shape, classes, title, "stretch", learned, shown)
        if self.subject not in ZOO:
            guess = did_you_mean(self.subject, ZOO)
            raise ValueError(
                f"model: got {self.subject!r}; accepted: a run folder, FILE.py:NAME, or "
                f"{', '.join(ZOO)}{guess}"
            )
        entry = ZOO[self.subject]
        title = f"{self.subject} {random}"
        train = test = None
        shape, classes = entry.input_shape, tuple(map(str, range(entry.classes)))
        if self._needs_data():
            data = self.data
            if data is None:
                if shape != (28, 28, 1):
                    raise ValueError(
                        f"images: {self.subject} takes {'x'.join(map(str, shape))}; name some "
                        "with --image or --data"
                    )
                data = "mnist5k"
            free = takes_image_shape(data)
            with Display() as display:
                train, test = load(
                    data, self.data_dir, image_shape=shape if free else None, notify=display
                )
            shape, classes = test.image_shape, test.class_names
        model = build(self.subject, shape, len(classes))
        return _Subject(model, shape, classes, title, "stretch", train, test)

    def _shows_data(self) -> bool:
        return bool(not self.image or self.data or self.data_dir or self.index)

    def _needs_data(self) -> bool:
        return self._shows_data() or self.top_images > 0 or self.over_epochs or self.learn > 0

    def _learned(self, train: "Dataset") -> "tuple[npt.NDArray[np.uint8], list[int]]":
        """N training images in random order, and their labels."""
        import numpy as np

        from jcnn.explore import most_learn_images

        if not train.has_classes:
            raise ValueError(
                "--learn: got data without classes; accepted: one class for each image"
            )
        most = min(len(train), most_learn_images(train.image_shape))
        if self.learn > most:
            shape = "x".join(map(str, train.image_shape))
            raise ValueError(
                f"--learn: got {self.learn:,}; accepted: {most:,} at most (of {len(train):,} "
                f"training images of {shape}; 1 MB of pixels)"
            )
        rows = np.random.default_rng(0).permutation(len(train))[: self.learn]
        return np.asarray(train.images[rows]), [int(label) for label in train.labels[rows]]

    def _rows(self, test: "Dataset") -> "npt.NDArray[np.intp]":
        """Indices of the test images to show: those of --index, or the first of each class."""
        import numpy as np

        for row in self.index:
            if not 0 <= row < len(test):
                raise ValueError(f"--index: got {row}; accepted: 0 to {len(test) - 1}")
        if self.index:
            return np.array(self.index, np.intp)
        _, first = np.unique(test.labels, return_index=True)
        return first[:_CLASSES_SHOWN]


@dataclass(frozen=True)
class _Subject:
    """A model, the shape and classes of its images, and its training and test images."""

    model: "nnx.Module"
    shape: tuple[int, int, int]
    class_names: tuple[str, ...]
    title: str
    resize: "Resize"
    train: "Dataset | None"
    test: "Dataset | None"


def _title(config: "RunConfig") -> str:
    """The title of a run's page, which may be shared: without a path."""
    from jcnn.data.sources import without_path

    return f"{config.model} on {without_path(config.data)}" if config.data else config.model
