"""What XLA makes of jcnn for an H100, read on a machine without a GPU.

    make gpu-hlo                                  # in an environment with JAX's CUDA wheels
    python -m benchmarks.gpu.compiled [--models conv4 resnet18 ...] [--out FILE]

Compiles a convolution by every method, conv4's epoch, eight models at once and training steps of
the zoo's models for an H100, and counts what XLA calls: cuDNN's convolutions, copies, fusions,
memory. Beside each stands the same with every convolution written as `lax.conv_general_dilated`
and differentiated by JAX. Nothing runs and nothing is autotuned, so this says nothing of time.

The program is read before autotuning, which may later replace a call by another or by a fusion.
"""

import argparse
import importlib
import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from importlib import metadata
from itertools import product
from pathlib import Path
from typing import Any

import jax
import numpy as np
from jax.experimental import topologies
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from benchmarks.gpu.hlo import moves
from benchmarks.gpu.programs import (
    METHODS,
    Program,
    convolution,
    epoch_of,
    population_of,
    step_of,
)
from jcnn import ops
from jcnn.config import Compute, TrainConfig
from jcnn.models import ZOO
from jcnn.ops.conv.lowerings.pallas import assuming_hopper
from jcnn.system.files import write_text
from jcnn.train.programs import compiled_part

# As the driver of an H100 describes it.
H100 = """gpu_device_info { threads_per_block_limit: 1024 threads_per_warp: 32
 shared_memory_per_block: 49152 shared_memory_per_core: 233472 threads_per_core_limit: 2048
 core_count: 132 fpus_per_core: 128 block_dim_limit_x: 2147483647 block_dim_limit_y: 65535
 block_dim_limit_z: 65535 memory_bandwidth: 3352320000000 l2_cache_size: 52428800
 clock_rate_ghz: 1.98 device_memory_size: 84942979072 shared_memory_per_block_optin: 232448
 cuda_compute_capability { major: 9 } registers_per_core_limit: 65536
 registers_per_block_limit: 65536 }
platform_name: "CUDA" dnn_version_info { major: 9 minor: 10 patch: 0 }
device_description_str: "NVIDIA H100 80GB HBM3"
"""
# Copies and transpositions of fewer numbers do not count.
LARGE = 100_000
COMPUTES: tuple[Compute, ...] = ("float32", "bfloat16")


@dataclass(frozen=True)
class Counts:
    """What a compiled program consists of.

    Attributes:
        calls: library functions, such as "convForward", and how many of each.
        moved: bytes of large copies and transpositions.
        fusions: kernels that XLA writes.
        temporary: bytes of memory beside arguments and results.
    """

    calls: dict[str, int]
    moved: int
    fusions: int
    temporary: int


def target() -> NamedSharding:
    """An H100 that is not here, as a sharding for the arguments of a program.

    Raises:
        ModuleNotFoundError: JAX's CUDA wheels are not installed.
    """
    importlib.import_module("jax_plugins.xla_cuda13")
    jax.devices("cpu")  # registers the plugins
    described = topologies.get_topology_desc(
        platform="cuda", topology_name="one", topology="1x1x1", target_config=H100
    )
    return NamedSharding(Mesh(np.array(described.devices[:1]), ("device",)), PartitionSpec())


def compiled(function: Any, arguments: Any, where: NamedSharding) -> Any:
    """Compile a jitted function for `where`; the leaves of `arguments` have shapes and dtypes."""
    placed = jax.tree.map(
        lambda a: jax.ShapeDtypeStruct(a.shape, a.dtype, sharding=where), arguments
    )
    with assuming_hopper():  # for method "pallas"
        lowered = function.trace(*placed).lower(lowering_platforms=("cuda",))
    return lowered.compile(compiler_options={"xla_gpu_autotune_level": 0})


def counts(program: Any) -> Counts:
    """Count the calls, copies and fusions of a compiled program."""
    text = program.as_text()
    calls = Counter(
        name.removeprefix("__cudnn$").removeprefix("__cublas$")
        for name in re.findall(r'custom_call_target="([^"]+)"', text)
    )
    moved = sum(one.size for one in moves(text) if one.numbers > LARGE)
    temporary = program.memory_analysis().temp_size_in_bytes
    return Counts(dict(sorted(calls.items())), moved, text.count("kind=k"), temporary)


# --- the table ------------------------------------------------------------------------------------


def main(words: Sequence[str] | None = None) -> None:
    """Print and write the counts of convolutions, an epoch, a population and the zoo's steps."""
    assert __doc__ is not None
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--models", nargs="*", choices=ZOO, default=list(ZOO))
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--out", type=Path, help="Markdown file of the table")
    chosen = parser.parse_args(words)
    where, rows = target(), []
    for name, written, compute, program in programs(chosen.models, chosen.batch):
        rows.append((name, written, compute, counts(compiled(*program(), where))))
        print(*rows[-1], flush=True)
        if chosen.out:  # after every row, since this takes long
            write_text(chosen.out, table(rows))


def programs(
    models: Sequence[str], batch: int
) -> Iterator[tuple[str, str, Compute, Callable[[], Program]]]:
    """The name of each program, how it is written, its dtype, and a function that builds it."""
    for compute in COMPUTES:
        for method in (*METHODS, *(name for name in ops.METHODS if name not in ("auto", "lax"))):
            yield "3x3, bias, ReLU", method, compute, partial(convolution, method, batch, compute)
    for compute in COMPUTES:
        config = compiled_part(TrainConfig(batch_size=batch, compute_dtype=compute))
        of: dict[str, Callable[..., Program]]
        of = {"conv4, epoch": epoch_of, "conv4, 8 models": population_of}
        for (name, build), method in product(of.items(), METHODS):
            yield name, method, compute, partial(build, "conv4", method, batch, config)
    for model, compute, method in product(models, COMPUTES, METHODS):
        config = compiled_part(TrainConfig(batch_size=batch, compute_dtype=compute))
        yield f"{model}, step", method, compute, partial(step_of, model, method, batch, config)


def table(rows: Sequence[tuple[str, str, str, Counts]]) -> str:
    """The rows as Markdown."""
    lines = [
        "# What XLA makes of jcnn for an H100",
        "",
        f"`make gpu-hlo`, compiled without a GPU: {versions()}. Calls are before autotuning. Bytes",
        "are those of copies and transpositions of more than 100,000 numbers.",
        "",
        "| program | dtype | written with | calls | fusions | moved, MB | temporary, MB |",
        "|---|---|---|---|---|---|---|",
    ]
    for name, written, compute, found in rows:
        calls = ", ".join(f"{count} {call}" for call, count in found.calls.items())
        numbers = f"{found.fusions} | {found.moved / 1e6:.0f} | {found.temporary / 1e6:.0f}"
        lines.append(f"| {name} | {compute} | {written} | {calls} | {numbers} |")
    return "\n".join(lines) + "\n"


def versions() -> str:
    """The versions of JAX and its CUDA plugin."""
    names = ("jax", "jax-cuda13-plugin", "nvidia-cudnn-cu13")
    return ", ".join(f"{name} {metadata.version(name)}" for name in names)


if __name__ == "__main__":
    main()
