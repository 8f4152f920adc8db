"""`jcnn train --distributed`: join the other processes, and end with them."""

import os
import sys
import traceback
from dataclasses import replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from jcnn.cli.train import TrainCommand


def run_distributed(command: "TrainCommand") -> None:
    """Run a command in this and the other processes; the whole process ends with it.

    Raises:
        ValueError: the processes do not find each other.
    """
    from jcnn.cli import fail
    from jcnn.train.processes import is_first, join, leave

    assert command.distributed is not None
    text = join(command.distributed)
    words = command.words
    if "--devices" not in {word.partition("=")[0] for word in words}:
        words = (*words, "--devices=all")
        command = replace(command, settings=replace(command.settings, devices="all"))
    if is_first() or not command.quiet:
        print(text, file=sys.stderr, flush=True)
    code: int | None = 0
    try:
        replace(command, distributed=None, words=words).run()
    except (Exception, KeyboardInterrupt) as error:
        code = fail(error)
        if code is None:
            traceback.print_exc()
            code = 1
    sys.stdout.flush()
    sys.stderr.flush()
    if code:
        # JAX would wait at the end for the processes that are gone.
        os._exit(code)
    leave()
