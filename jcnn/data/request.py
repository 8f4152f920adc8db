"""What a source is asked for: the user's words and every choice that `load` takes."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from jcnn.data.events import Notify, silent

Resize = Literal["stretch", "crop", "pad"]
OnBadImage = Literal["error", "skip"]


@dataclass(frozen=True)
class Request:
    """One call of `load`, its arguments already held against what the source takes.

    Args:
        argument: what follows the colon of the name, such as DIR of "idx:DIR"; "" without a colon.
        data_dir: the folder with the source's files; None where none was given.
        image_shape: `(H, W, C)` with C = 1 or 3 that the images are brought to; None leaves
            them as they are, which asks that they are all of one size.
        resize: how they are brought to it, as `read_image` does.
        on_bad_image: whether an image that cannot be read ends the reading or is left out.
        notify: is told how far the reading is.
    """

    argument: str
    data_dir: Path | None = None
    image_shape: tuple[int, int, int] | None = None
    resize: Resize = "stretch"
    on_bad_image: OnBadImage = "error"
    notify: Notify = silent
