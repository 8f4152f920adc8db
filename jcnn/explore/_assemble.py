"""Fill a template of `page/` with the styles and the joined script, under a content policy."""

import base64
import hashlib
from collections.abc import Sequence
from functools import cache
from html import escape
from importlib.resources import files
from string import Template

from jcnn.explore._scripts import joined


def assemble(
    template: str,
    main: str,
    title: str,
    *,
    sheets: Sequence[str] | None = None,
    images: bool = False,
    worker: bool = False,
    **data: str,
) -> str:
    """The HTML of a page in one file.

    Args:
        template: its file in `page/`.
        main: the script's entry file.
        title: of the page.
        sheets: its style sheets besides `trouble.css`; None means all.
        images: whether the page may show images, of its own alone.
        worker: whether the page may run its own script in a worker, whose address is a blob.
        data: texts of the template's other fields. Between script tags, "<" must be escaped, as
            `in_script` does.
    """
    sources = _sources()
    if sheets is None:
        sheets = sorted(n for n in sources if n.endswith(".css") and n != "trouble.css")
    style = "\n".join(sources[name] for name in sheets)
    script = _script(main)
    # These stand first, for a file that was cut.
    trouble, trouble_style = sources["trouble.html"], sources["trouble.css"]
    policy = (
        f"default-src 'none'; script-src '{_hash(script)}'; "
        f"style-src '{_hash(trouble_style)}' '{_hash(style)}'; "
        f"{'img-src data: blob:; ' if images else ''}{'worker-src blob:; ' if worker else ''}"
        "base-uri 'none'; form-action 'none'"
    )
    return Template(sources[template]).substitute(
        policy=policy,
        title=escape(title),
        trouble=trouble,
        trouble_style=trouble_style,
        style=style,
        script=script,
        **data,
    )


@cache
def _sources() -> dict[str, str]:
    """The files of `page/` by name."""
    folder = files("jcnn.explore").joinpath("page")
    return {f.name: f.read_text(encoding="utf-8") for f in folder.iterdir() if f.is_file()}


@cache
def _script(main: str) -> str:
    return joined({name: text for name, text in _sources().items() if name.endswith(".js")}, main)


def in_script(text: str) -> str:
    """JSON that can stand in a script element.

    "<" occurs in JSON only inside strings. Escaped, no text can end the element or begin a comment.
    """
    return text.replace("<", "\\u003c")


def _hash(text: str) -> str:
    digest = hashlib.sha256(text.encode()).digest()
    return f"sha256-{base64.b64encode(digest).decode('ascii')}"
