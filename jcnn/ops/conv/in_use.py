"""Which kernels and which table method "auto" uses in this process.

Without the compiled kernels, or with another table, the same seed gives different last bits.
"""

import hashlib

import jax

from jcnn.ops.conv.native import library
from jcnn.ops.conv.table.file import tables, tuned_file


def convolution_in_use() -> dict[str, str | None]:
    """The kernels and the table of method "auto", as strings to print and compare.

    The first call compiles the kernels if they are missing, as a convolution would.

    Returns:
        `kernels`: "native" or "plain"; `reason`: why plain, else None; `library`: a hash of the
        native kernels' source, compiler and processor, else None; `tuned_table`: the SHA-256 of
        the user's table, None where there is none or it cannot be used.
    """
    reason = library.unavailable() if jax.default_backend() == "cpu" else "they are for a CPU"
    tuned = next((table.file for table in tables() if table.file == tuned_file()), None)
    return {
        "kernels": "plain" if reason else "native",
        "reason": reason,
        "library": None if reason else library.key(),
        "tuned_table": hashlib.sha256(tuned.read_bytes()).hexdigest() if tuned else None,
    }
