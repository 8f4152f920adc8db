"""The arguments of one call of `load`, as its source receives them."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from jcnn.data.events import Notify, silent

Resize = Literal["stretch", "crop", "pad"]
OnBadImage = Literal["error", "skip"]


@dataclass(frozen=True)
class Request:
    """One call of `load`; its arguments have been checked against what the source takes.

    Args:
        argument: the part of the name after the colon, such as DIR of "idx:DIR"; "" without one.
        data_dir: the folder of the source's files; None if not given.
        image_shape: `(H, W, C)` with C = 1 or 3, the shape to resize the images to; None leaves
            them unchanged, and they must all have one size.
        resize: how to resize, as in `read_image`.
        on_bad_image: "error" raises for an image that cannot be read; "skip" leaves it out.
        notify: called with the progress and with notes.
    """

    argument: str
    data_dir: Path | None = None
    image_shape: tuple[int, int, int] | None = None
    resize: Resize = "stretch"
    on_bad_image: OnBadImage = "error"
    notify: Notify = silent
