"""What was meant by a name that does not exist."""

import difflib
import re
from collections.abc import Iterable


def did_you_mean(got: str, names: Iterable[str]) -> str:
    """The end of an error's message: "; did you mean 'NAME'?", or "" where no name is near.

    Args:
        got: what was given.
        names: what exists. A name is near by its letters, or where `got` is the first letters of
            its words: "--lr" is "--learning-rate".
    """
    known = {name.lower().replace("_", "-"): name for name in names}
    word = got.lower().replace("_", "-")
    near = [name for name in known if word.strip("-") == "".join(re.findall(r"\b\w", name))]
    near += difflib.get_close_matches(word, known, n=1, cutoff=0.6)
    return f"; did you mean {known[near[0]]!r}?" if near else ""
