"""Suggestions for misspelt names in error messages."""

import difflib
import re
from collections.abc import Iterable


def did_you_mean(got: str, names: Iterable[str]) -> str:
    """The end of an error message: "; did you mean 'NAME'?", or "" if no name is similar.

    Args:
        got: the name that was given.
        names: the valid names. A name is similar if most letters match, or if `got` consists of
            the initials of its words: "--lr" suggests "--learning-rate".
    """
    known = {name.lower().replace("_", "-"): name for name in names}
    word = got.lower().replace("_", "-")
    near = [name for name in known if word.strip("-") == "".join(re.findall(r"\b\w", name))]
    near += difflib.get_close_matches(word, known, n=1, cutoff=0.6)
    return f"; did you mean {known[near[0]]!r}?" if near else ""
