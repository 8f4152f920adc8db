"""Text and bytes of pictures that a notebook shows as pictures."""

import base64
from typing import Any


class Svg(str):
    """The text of an SVG."""

    __slots__ = ()

    def _repr_svg_(self) -> str:
        """The picture, which a notebook shows."""
        return str(self)


class Gif(bytes):
    """The bytes of a GIF."""

    def _repr_mimebundle_(self, **_which: Any) -> dict[str, str]:
        """The picture, which a notebook shows."""
        return {"image/gif": base64.b64encode(self).decode("ascii")}
