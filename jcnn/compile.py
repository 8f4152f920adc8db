"""One door to the compiler: `jit` with this backend's options, the cache on disk, kept memory.

Compiler options count on the outermost `jit` only, so they belong to whole programs (an epoch of
training, an evaluation), never to an op.
"""

import ctypes
import functools
import platform
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax

from jcnn.caches import cache_folder

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


def use_cache(directory: Path | None = None) -> Path:
    """Keep compiled programs on disk, so that the next process need not compile them again.

    It sets JAX's own configuration for the whole process, so an application calls it, not the
    library; the command line does.

    Args:
        directory: where to keep them; by default `jcnn/xla` in the user's cache folder.

    Returns:
        The directory.
    """
    if directory is None:
        directory = cache_folder() / "xla"
    jax.config.update("jax_compilation_cache_dir", str(directory))
    # The small programs, too: to load one takes 2 ms, to compile it 10 to 300.
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0)
    jax.config.update("jax_persistent_cache_min_entry_size_bytes", -1)
    return directory


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
