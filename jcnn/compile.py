"""One door to the compiler: `jit` with this backend's options, and the cache on disk.

Compiler options count on the outermost `jit` only, so they belong to whole programs (an epoch of
training, an evaluation), never to an op.
"""

import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax

from jcnn.caches import cache_folder

# XLA:CPU hands matrix products, convolutions and sums to YNNPACK by default. Of these the sums are
# up to seven times faster so (a bias's gradient over 64x28x28x64: 0.7 ms against 5.3), and the
# rest makes a training step of four convolutions 2 to 4 times slower than XLA's own code.
_CPU_OPTIONS = {"xla_cpu_experimental_ynn_fusion_type": "LIBRARY_FUSION_TYPE_REDUCE"}


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
