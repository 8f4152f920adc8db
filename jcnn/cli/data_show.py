"""`jcnn data show`: draw images of a data set in a contact sheet."""

import io
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro


@dataclass(frozen=True)
class DataShowCommand:
    """Draw training images of every class in one PNG, optionally with augmented versions.

    With --augment, each image is followed by augmented versions of it.
    """

    source: Annotated[tyro.conf.Positional[str], tyro.conf.arg(metavar="SOURCE")]
    """Data source; jcnn data lists them."""
    augment: Annotated[
        str, tyro.conf.arg(metavar="NAMES", help_behavior_hint="(default: none)")
    ] = ""
    """Augmentations, separated by commas, each with an optional strength, as in
    "shift=0.1,rotate": flip, flip_vertical, zoom, rotate, shift, contrast, brightness, cutout,
    mixup."""
    data_dir: Annotated[
        Path | None, tyro.conf.arg(metavar="DIR", help_behavior_hint="(default: none)")
    ] = None
    """Folder with the data's files, for sources that take one."""
    image_size: Annotated[
        tuple[int, int] | None,
        tyro.conf.arg(metavar="H W", help_behavior_hint="(default: the source's)"),
    ] = None
    """Height and width, in pixels, to which images are resized; they become RGB images."""
    out: Annotated[Path, tyro.conf.arg(metavar="FILE.png")] = Path("sheet.png")
    """PNG file to write; an existing file is replaced."""
    count: int = 8
    """Number of rows, 1 to 100."""
    seed: int = 0
    """Seed of the choice of images and of the augmentation."""

    def run(self) -> None:
        """Read the data, draw the sheet and write it."""
        self._check()
        from jcnn.data.transforms import parse

        transforms = parse(self.augment)
        from jcnn.cli.progress import Display
        from jcnn.data import load
        from jcnn.data.sheet import draw_sheet
        from jcnn.system.files import write_bytes

        shape = None if self.image_size is None else (*self.image_size, 3)
        with Display() as display:
            train, _ = load(self.source, self.data_dir, image_shape=shape, notify=display)
        sheet = draw_sheet(train, transforms, rows=self.count, seed=self.seed)
        picture = io.BytesIO()
        sheet.save(picture, format="PNG")
        try:
            # Not a view of it: one in a reference cycle crashes the garbage collector of Python
            # 3.12.1 (CPython issue 111049), and the exception below holds it in one.
            write_bytes(self.out, [picture.getvalue()])
        except OSError as error:
            raise ValueError(f"{self.out}: cannot be written ({error.strerror})") from error
        print(self.out)

    def _check(self) -> None:
        if self.out.suffix.lower() != ".png":
            raise ValueError(f"--out: got {str(self.out)!r}; accepted: a name that ends in .png")
        if not self.out.parent.is_dir():
            raise FileNotFoundError(f"--out: {self.out.parent}: no such folder")
        if not 1 <= self.count <= 100:
            raise ValueError(f"--count: got {self.count}; accepted: an int, 1 to 100")
        if not 0 <= self.seed < 2**32:
            raise ValueError(f"--seed: got {self.seed}; accepted: an int, 0 <= seed < 2**32")
