"""The console on which progress is shown: a terminal with a moving bar, or lines."""

import os
import sys

from rich.console import Console


def progress_console() -> Console:
    """A console on stderr; `is_terminal` says whether a bar may move on it.

    A notebook runs `!jcnn` in a pseudo terminal and sets FORCE_COLOR, but cannot move its cursor:
    there, and where stderr is a pipe or a file, only lines are written, without control codes.
    """
    # jupyter_client sets the variable for a kernel; a terminal of JupyterLab has none.
    moves = sys.stderr.isatty() and not os.environ.get("JPY_PARENT_PID")
    return Console(
        stderr=True, highlight=False, soft_wrap=True, force_terminal=None if moves else False
    )
