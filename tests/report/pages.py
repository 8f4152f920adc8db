"""Read the page of a report with the HTML parser of Python: texts, tables and images."""

import base64
import io
from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image

_EMPTY = ("img", "meta", "br", "link", "input", "hr")


@dataclass
class Element:
    """A tag with its attributes, its text and its children."""

    tag: str
    attributes: dict[str, str]
    children: list["Element"] = field(default_factory=list)
    parts: list["str | Element"] = field(default_factory=list)

    @property
    def text(self) -> str:
        """All text inside, with whitespace collapsed."""
        texts = (part if isinstance(part, str) else f" {part.text} " for part in self.parts)
        return " ".join("".join(texts).split())

    def all(self, tag: str) -> list["Element"]:
        """Every element of this tag below, in the order of the page."""
        found = []
        for child in self.children:
            found += [child] if child.tag == tag else []
            found += child.all(tag)
        return found

    def everything(self) -> list["Element"]:
        """Every element below."""
        return [x for child in self.children for x in (child, *child.everything())]

    def rows(self) -> list[list[str]]:
        """The texts of a table's cells."""
        return [[c.text for c in r.children if c.tag in ("th", "td")] for r in self.all("tr")]

    def facts(self) -> dict[str, str]:
        """The values of a definition list by name."""
        names, values = self.all("dt"), self.all("dd")
        return {k.text: v.text for k, v in zip(names, values, strict=True)}


class _Parser(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.root = Element("page", {})
        self.open = [self.root]

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        element = Element(tag, {name: value or "" for name, value in attrs})
        self.open[-1].children.append(element)
        self.open[-1].parts.append(element)
        if tag not in _EMPTY:
            self.open.append(element)

    def handle_endtag(self, tag: str) -> None:
        assert self.open[-1].tag == tag, f"<{self.open[-1].tag}> ends as </{tag}>"
        self.open.pop()

    def handle_data(self, data: str) -> None:
        self.open[-1].parts.append(data)


@dataclass(frozen=True)
class Page:
    """A file of HTML, read."""

    file: Path
    html: str
    root: Element

    def section(self, name: str) -> Element:
        """The section with this address."""
        (found,) = [s for s in self.root.all("section") if s.attributes["id"] == name]
        return found


def read_page(file: Path) -> Page:
    """Parse a file; an unclosed or wrongly nested tag is an error."""
    parser, html = _Parser(), file.read_text(encoding="utf-8")
    parser.feed(html)
    parser.close()
    assert parser.open == [parser.root]
    return Page(file, html, parser.root)


def pixels(source: str | bytes | Path) -> npt.NDArray[np.uint8]:
    """A PNG as `(H, W, 3)`: its bytes, its file, or a data URI that holds it."""
    if isinstance(source, Path):
        source = source.read_bytes()
    elif isinstance(source, str):
        head, _, content = source.partition(",")
        assert head == "data:image/png;base64"
        source = base64.b64decode(content, validate=True)
    opened = Image.open(io.BytesIO(source))
    assert opened.format == "PNG"
    return np.asarray(opened.convert("RGB"))
