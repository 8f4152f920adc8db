"""The C++ functions of `native/source/`: compiled once on each machine, cached, and loaded.

JAX calls them from compiled programs (`jax.ffi`). Without a C++ compiler, or with
`JCNN_NATIVE=0`, every convolution is XLA's own, which takes at least 1.5 times as long on a CPU.

CACHE/native/KEY.so        the library, for one compiler, processor and version
CACHE/native/KEY.sha256    its checksum, compared before it is loaded
"""

import ctypes
import functools
import hashlib
import os
import platform
import shutil
import subprocess
import tempfile
import warnings
from importlib.metadata import version
from pathlib import Path
from typing import Any

import jax

from jcnn.system.caches import PRIVATE, CacheWarning, cache_folder, check_private, make_private
from jcnn.system.files import write_bytes

SOURCES = sorted(Path(__file__).with_name("source").iterdir())
CALLS = (
    "jcnn_winograd",
    "jcnn_winograd_kernel_gradient",
    "jcnn_depthwise",
    "jcnn_depthwise_kernel_gradient",
)

_PROCESSORS = Path("/proc/cpuinfo")
_COMPILERS = ("c++", "g++", "clang++")
_FLAGS = ("-O3", "-march=native", "-std=c++17", "-shared", "-fPIC", "-w")


@functools.cache
def unavailable() -> str | None:
    """Why the functions cannot be called on this machine; None if they can.

    The first call compiles them in a few seconds, unless an earlier process did.
    """
    if os.environ.get("JCNN_NATIVE") == "0":
        return "JCNN_NATIVE=0 switches the compiled kernels off"
    compiler = _compiler()
    if not compiler:
        return f"no C++ compiler was found ({', '.join(_COMPILERS)}, or the one that CXX names)"
    try:
        functions = _loaded(_ready(compiler))
    except PermissionError as error:
        reason = f"{error.filename}: {error.strerror}; the compiled kernels are not used"
        warnings.warn(reason, CacheWarning, stacklevel=2)
        return reason
    except (OSError, AttributeError, subprocess.CalledProcessError) as error:
        output = getattr(error, "stderr", None) or str(error)
        return f"{compiler} did not make a library: {output.strip().splitlines()[0]}"
    for name, function in functions.items():
        jax.ffi.register_ffi_target(name, jax.ffi.pycapsule(function), platform="cpu")
    return None


def key() -> str:
    """A hash of everything that the functions depend on; requires that they are available."""
    return _key(_compiler())


def call(
    name: str, shape: tuple[int, ...], x: jax.Array, other: jax.Array, **how: Any
) -> jax.Array:
    """Call one of the functions with two arrays of one dtype; returns an array of `shape`.

    Raises:
        NotImplementedError: the functions are unavailable.
    """
    reason = unavailable()
    if reason is not None:
        raise NotImplementedError(reason)
    made: jax.Array = jax.ffi.ffi_call(name, jax.ShapeDtypeStruct(shape, x.dtype))(x, other, **how)
    return made


def _compiler() -> str:
    """The path of a C++ compiler, or ""."""
    named = os.environ.get("CXX")
    return next(filter(None, map(shutil.which, (*([named] if named else []), *_COMPILERS))), "")


def _ready(compiler: str) -> Path:
    """The path of the library, compiled if it is missing, damaged or not this user's.

    Raises:
        PermissionError: another user could write into its folder.
        OSError: it cannot be written.
        subprocess.CalledProcessError: the compiler failed.
    """
    library = cache_folder() / "native" / f"{_key(compiler)}.so"
    make_private(library.parent)
    if not _is_whole(library):
        _compile(compiler, library)
    return library


def _is_whole(library: Path) -> bool:
    """Whether the library matches its checksum and is this user's: a damaged one could crash."""
    try:
        for file in (library, _checksum(library)):
            check_private(file)
        wanted = _checksum(library).read_text(encoding="ascii").strip()
        return hashlib.sha256(library.read_bytes()).hexdigest() == wanted
    except (OSError, ValueError):
        return False


def _checksum(library: Path) -> Path:
    return library.with_suffix(".sha256")


def _key(compiler: str) -> str:
    """A hash of everything that the library depends on, including the processor."""
    shown = subprocess.run([compiler, "--version"], capture_output=True, text=True, check=True)
    about = (compiler, shown.stdout, *_FLAGS, version("jaxlib"), platform.machine(), _processor())
    content = b"".join(source.read_bytes() for source in SOURCES) + "\n".join(about).encode()
    return hashlib.sha256(content).hexdigest()[:16]


def _processor() -> str:
    """The processor's instruction sets, since the compiler uses all of them."""
    if not _PROCESSORS.exists():
        return platform.processor()
    lines = _PROCESSORS.read_text(encoding="utf-8").splitlines()
    return next((line for line in lines if line.startswith(("flags", "Features"))), "")


def _compile(compiler: str, library: Path) -> None:
    """Compile the sources; the library and its checksum are each written atomically."""
    with tempfile.TemporaryDirectory() as folder:
        made = Path(folder) / library.name
        headers = ("-isystem", jax.ffi.include_dir())
        sources = [str(source) for source in SOURCES if source.suffix == ".cc"]
        subprocess.run(
            [compiler, *_FLAGS, *headers, "-o", str(made), *sources],
            capture_output=True,
            text=True,
            check=True,
        )
        content = made.read_bytes()
    # Written by a rename: a process that has loaded the older library is not affected.
    write_bytes(library, [content], mode=PRIVATE)
    digest = hashlib.sha256(content).hexdigest()
    write_bytes(_checksum(library), [digest.encode()], mode=PRIVATE)


def _loaded(library: Path) -> dict[str, Any]:
    functions = ctypes.CDLL(str(library))
    return {name: functions[name] for name in CALLS}
