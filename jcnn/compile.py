"""One door to the compiler: `jit` with this backend's options, the cache on disk, kept memory.

Compiler options count on the outermost `jit` only, so they belong to whole programs (an epoch of
training, an evaluation), never to an op.
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

# XLA:CPU hands matrix products, convolutions and sums to YNNPACK by default. Of these the sums are
# up to seven times faster so (a bias's gradient over 64x28x28x64: 0.7 ms against 5.3), and the
# rest makes a training step of four convolutions 2 to 4 times slower than XLA's own code.
_CPU_OPTIONS = {"xla_cpu_experimental_ynn_fusion_type": "LIBRARY_FUSION_TYPE_REDUCE"}

# Of glibc's malloc.h: how many blocks may come from the kernel one by one, and how many bytes may
# lie free at the end of the heap.
_M_MMAP_MAX, _M_TRIM_THRESHOLD = -4, -1


def jit(function: Callable[..., Any], *, donate_argnums: tuple[int, ...] = ()) -> Any:
    """`jax.jit` with the compiler options that this backend is fastest with.

    Args:
        function: as for `jax.jit`.
        donate_argnums: arguments whose buffers the result may take over.

    Returns:
        What `jax.jit` returns.
    """
    return jax.jit(
        function,
        donate_argnums=donate_argnums,
        compiler_options=compiler_options(jax.default_backend()),
    )


def run_once(function: Callable[..., Any], *arguments: Any) -> Any:
    """Compile a function with little effort, and call it.

    For what runs once, as drawing a model's parameters does: compiling that in full takes
    seconds, five times as long, to save milliseconds of running.
    """
    return jax.jit(function, compiler_options={"xla_backend_optimization_level": 0})(*arguments)


@functools.cache
def compiler_options(backend: str) -> dict[str, str]:
    """Options for programs on `backend`; empty where this version of XLA does not know them."""
    if backend != "cpu":
        return {}
    try:
        jax.jit(lambda: 0, compiler_options=_CPU_OPTIONS).lower().compile()
    except jax.errors.JaxRuntimeError:
        return {}
    return _CPU_OPTIONS


def use_cache(directory: Path | None = None) -> Path | None:
    """Keep compiled programs on disk, so that the next process need not compile them again.

    It sets JAX's own configuration for the whole process, so an application calls it, not the
    library; the command line does. JAX executes what lies there, so a folder into which another
    user could write is not used, and such a file in it is removed. Where programs cannot be read
    or kept, one `CacheWarning` says so, in place of JAX's warning for each program; damaged ones
    are removed.

    Args:
        directory: where to keep them; by default `jcnn/xla` in the user's cache folder.

    Returns:
        The directory; None where it cannot be used.
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
    # The small programs, too: to load one takes 2 ms, to compile it 10 to 300.
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
    """In place of `warnings.showwarning`: one warning for all that JAX gives about its cache."""

    def __init__(self, shown: Callable[..., None], directory: Path) -> None:
        self.directory = directory
        self._shown = shown
        self._told: set[str] = set()

    def __call__(self, message: Warning | str, category: Any, *where: Any, **more: Any) -> None:
        found = re.match(r"Error (reading|writing) persistent compilation cache", str(message))
        if not found:
            self._shown(message, category, *where, **more)
            return
        if found[1] == "reading":  # else JAX keeps a damaged entry for ever
            _remove_damaged(self.directory)
        if found[1] not in self._told:
            self._told.add(found[1])
            reason = " ".join(str(message).partition(": ")[2].split())
            done = "damaged programs are compiled anew"
            if found[1] == "writing":
                done = "new programs are compiled at every start"
            told = CacheWarning(f"{self.directory}: {done} ({reason})")
            self._shown(told, CacheWarning, *where, **more)


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
    """Keep what a program on the CPU frees for the next one, instead of giving it back.

    XLA:CPU takes a program's memory from `malloc` at each call, and glibc gets large blocks from
    the kernel, which fills every page with zeros when it is first touched: 41,000 pages and half
    of the time for a step of conv1 with 512 pictures. Here glibc takes them from its heap, which
    it keeps up to 2 GiB, and programs run in the thread that calls them: of the heap of another
    thread glibc gives no large blocks. The process's peak does not grow.

    It sets `malloc` and JAX for the whole process, before JAX first computes, so an application
    calls it, not the library; the command line does. Without glibc it does nothing.

    Reference: mallopt(3).
    """
    if platform.libc_ver()[0] != "glibc":
        return
    mallopt = ctypes.CDLL(None).mallopt
    mallopt(_M_MMAP_MAX, 0)
    mallopt(_M_TRIM_THRESHOLD, 2**31 - 1)
    jax.config.update("jax_cpu_enable_async_dispatch", False)
