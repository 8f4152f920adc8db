"""`jit` with this backend's compiler options, the compilation cache, and memory reuse on a CPU.

Compiler options take effect on the outermost `jit` only, so they belong to whole programs (an epoch
of training, an evaluation), never to an op.
"""

import contextlib
import ctypes
import functools
import math
import os
import platform
import re
import stat
import warnings
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax

from jcnn.system.caches import CacheWarning, cache_folder, make_private

# By default XLA:CPU uses YNNPACK for matrix products, convolutions and sums. Its sums are up to
# seven times faster (a bias's gradient over 64x28x28x64: 0.7 ms against 5.3), but the rest makes a
# training step of four convolutions 2 to 4 times slower than XLA's own code.
_CPU_OPTIONS = {"xla_cpu_experimental_ynn_fusion_type": "LIBRARY_FUSION_TYPE_REDUCE"}

# From glibc's malloc.h: the maximum number of blocks allocated by mmap, and the free bytes at the
# end of the heap above which it shrinks.
_M_MMAP_MAX, _M_TRIM_THRESHOLD = -4, -1


def jit(function: Callable[..., Any], *, donate_argnums: tuple[int, ...] = ()) -> Any:
    """`jax.jit` with the fastest compiler options for this backend.

    Args:
        function: as for `jax.jit`.
        donate_argnums: as for `jax.jit`.

    Returns:
        What `jax.jit` returns.
    """
    return jax.jit(
        function,
        donate_argnums=donate_argnums,
        compiler_options=compiler_options(jax.default_backend()),
    )


def run_once(function: Callable[..., Any], *arguments: Any) -> Any:
    """Compile a function for the CPU with little optimisation, call it, and move its result.

    For functions that run once, such as the initialisation of a model: full optimisation takes
    seconds, five times as long, and saves milliseconds at run time. A GPU's compiler takes more
    than ten seconds for ResNet-50. The result is on JAX's default device.
    """
    program = jax.jit(function, compiler_options={"xla_backend_optimization_level": 0})
    if jax.default_backend() == "cpu":
        return program(*arguments)
    with jax.default_device(jax.local_devices(backend="cpu")[0]):
        made = program(*arguments)
    return jax.device_put(made, jax.local_devices()[0])


@functools.cache
def compiler_options(backend: str) -> dict[str, str]:
    """Compiler options for `backend`; empty if this version of XLA does not know them."""
    if backend != "cpu":
        return {}
    try:
        jax.jit(lambda: 0, compiler_options=_CPU_OPTIONS).lower().compile()
    except jax.errors.JaxRuntimeError:
        return {}
    return _CPU_OPTIONS


def use_cache(directory: Path | None = None) -> Path | None:
    """Cache compiled programs on disk, so that the next process need not compile them again.

    This sets JAX's configuration for the whole process, so applications call it, such as the
    command line, but not the library. JAX executes the files of the cache, so a folder that another
    user can write to is not used, and a file that another user can write to is removed. If programs
    cannot be read or written, one `CacheWarning` replaces JAX's warnings for each program; damaged
    programs are removed.

    Args:
        directory: folder of the cache; by default `jcnn/xla` in the user's cache folder.

    Returns:
        The directory; None if it cannot be used.
    """
    if directory is None:
        directory = cache_folder() / "xla"
    try:
        make_private(directory)
        _remove_foreign(directory)
    except OSError as error:
        _warn(f"{error.filename}: {error.strerror}; compiled programs are not kept")
        jax.config.update("jax_compilation_cache_dir", None)
        return None
    # Cache small programs, too: loading one takes 2 ms, compiling it 10 to 300.
    least = 0.0
    if not os.access(directory, os.W_OK):
        _warn(f"{directory}: cannot be written; new programs are compiled at every start")
        least = math.inf
    jax.config.update("jax_compilation_cache_dir", str(directory))
    jax.config.update("jax_persistent_cache_min_compile_time_secs", least)
    jax.config.update("jax_persistent_cache_min_entry_size_bytes", -1)
    if not isinstance(warnings.showwarning, _CacheTrouble):
        warnings.showwarning = _CacheTrouble(warnings.showwarning, directory)
    warnings.showwarning.directory = directory
    return directory


class _CacheTrouble:
    """Replaces `warnings.showwarning`: one warning for all of JAX's warnings about its cache."""

    def __init__(self, shown: Callable[..., None], directory: Path) -> None:
        self.directory = directory
        self._shown = shown
        self._warned: set[str] = set()

    def __call__(self, message: Warning | str, category: Any, *where: Any, **more: Any) -> None:
        found = re.match(r"Error (reading|writing) persistent compilation cache", str(message))
        if not found:
            self._shown(message, category, *where, **more)
            return
        if found[1] == "reading":  # JAX never replaces a damaged entry
            _remove_damaged(self.directory)
        if found[1] not in self._warned:
            self._warned.add(found[1])
            reason = " ".join(str(message).partition(": ")[2].split())
            done = "damaged programs are compiled anew"
            if found[1] == "writing":
                done = "new programs are compiled at every start"
            warning = CacheWarning(f"{self.directory}: {done} ({reason})")
            self._shown(warning, CacheWarning, *where, **more)


def _warn(message: str) -> None:
    warnings.warn(message, CacheWarning, stacklevel=3)


def _remove_foreign(directory: Path) -> None:
    """Remove programs that another user could have written."""
    for entry in os.scandir(directory):
        state = entry.stat(follow_symlinks=False)
        others = state.st_mode & (stat.S_IWGRP | stat.S_IWOTH) and not entry.is_symlink()
        if others or state.st_uid not in (0, os.geteuid()):
            Path(entry).unlink()


def _remove_damaged(directory: Path) -> None:
    """Remove programs that JAX cannot decompress, such as one whose writer was killed."""
    for path in directory.glob("*-cache"):
        with contextlib.suppress(OSError):
            try:
                zlib.decompress(path.read_bytes())
            except zlib.error:
                path.unlink()


def keep_memory() -> None:
    """Reuse the memory of programs on the CPU, instead of returning it to the operating system.

    XLA:CPU allocates a program's memory by `malloc` at each call, and glibc gets large blocks from
    the kernel, which fills every page with zeros at first access: 41,000 pages and half of the time
    for a step of conv1 with 512 images. With this, glibc takes them from its heap, which keeps up
    to 2 GiB. Programs run in the thread that calls them, because glibc takes large blocks only from
    the heap of the main thread. The peak memory of the process does not grow.

    This configures `malloc` and JAX for the whole process and must run before JAX first computes,
    so applications call it, such as the command line, but not the library. Without glibc it does
    nothing.

    Reference: mallopt(3).
    """
    if platform.libc_ver()[0] != "glibc":
        return
    mallopt = ctypes.CDLL(None).mallopt
    mallopt(_M_MMAP_MAX, 0)
    mallopt(_M_TRIM_THRESHOLD, 2**31 - 1)
    jax.config.update("jax_cpu_enable_async_dispatch", False)
