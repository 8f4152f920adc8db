"""The functions of `native/`: compiled by this machine's C++ compiler once, kept, and loaded.

JAX calls them from inside compiled programs (`jax.ffi`). Where there is no compiler, or
`JCNN_NATIVE=0` is set, every convolution is XLA's own, slower by half or more on a CPU.
"""

import ctypes
import functools
import hashlib
import os
import platform
import shutil
import subprocess
import tempfile
from importlib.metadata import version
from pathlib import Path
from typing import Any

import jax

from jcnn.caches import cache_folder

SOURCES = sorted(Path(__file__).with_name("native").iterdir())
CALLS = (
    "jcnn_winograd",
    "jcnn_winograd_kernel_gradient",
    "jcnn_depthwise",
    "jcnn_depthwise_kernel_gradient",
)

_COMPILERS = ("c++", "g++", "clang++")
_FLAGS = ("-O3", "-march=native", "-std=c++17", "-shared", "-fPIC", "-w")


@functools.cache
def unavailable() -> str | None:
    """Why the functions cannot be called on this machine; None where they can.

    The first call compiles them, some seconds, unless an earlier process did.
    """
    if os.environ.get("JCNN_NATIVE") == "0":
        return "JCNN_NATIVE=0 switches the compiled kernels off"
    named = os.environ.get("CXX")
    compiler = next(filter(None, map(shutil.which, (*([named] if named else []), *_COMPILERS))), "")
    if not compiler:
        return f"no C++ compiler was found ({', '.join(_COMPILERS)}, or the one that CXX names)"
    try:
        library = _library(compiler)
        try:
            functions = _loaded(library)
        except (OSError, AttributeError):  # not there yet, or damaged
            _compile(compiler, library)
            functions = _loaded(library)
    except (OSError, AttributeError, subprocess.CalledProcessError) as error:
        told = getattr(error, "stderr", None) or str(error)
        return f"{compiler} did not make a library: {told.strip().splitlines()[0]}"
    for name, function in functions.items():
        jax.ffi.register_ffi_target(name, jax.ffi.pycapsule(function), platform="cpu")
    return None


def call(
    name: str, shape: tuple[int, ...], x: jax.Array, other: jax.Array, **how: Any
) -> jax.Array:
    """Call one of the functions: two arrays of one dtype to an array of `shape`."""
    reason = unavailable()
    if reason is not None:
        raise NotImplementedError(reason)
    made: jax.Array = jax.ffi.ffi_call(name, jax.ShapeDtypeStruct(shape, x.dtype))(x, other, **how)
    return made


def _library(compiler: str) -> Path:
    """Where the library lies: under a key of all that it depends on, the processor included."""
    told = subprocess.run([compiler, "--version"], capture_output=True, text=True, check=True)
    about = (compiler, told.stdout, *_FLAGS, version("jaxlib"), platform.machine(), _processor())
    content = b"".join(source.read_bytes() for source in SOURCES) + "\n".join(about).encode()
    key = hashlib.sha256(content).hexdigest()[:16]
    return cache_folder() / "native" / f"{key}.so"


def _processor() -> str:
    """What the processor can do, since the compiler uses all of it."""
    info = Path("/proc/cpuinfo")
    if not info.exists():
        return platform.processor()
    lines = info.read_text(encoding="utf-8").splitlines()
    return next((line for line in lines if line.startswith(("flags", "Features"))), "")


def _compile(compiler: str, library: Path) -> None:
    """Compile `native/`; the library appears whole or not at all."""
    library.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=library.parent) as folder:
        made = Path(folder) / library.name
        headers = ("-isystem", jax.ffi.include_dir())
        sources = [str(source) for source in SOURCES if source.suffix == ".cc"]
        subprocess.run(
            [compiler, *_FLAGS, *headers, "-o", str(made), *sources],
            capture_output=True,
            text=True,
            check=True,
        )
        made.replace(library)


def _loaded(library: Path) -> dict[str, Any]:
    functions = ctypes.CDLL(str(library))
    return {name: functions[name] for name in CALLS}
