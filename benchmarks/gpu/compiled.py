"""What XLA makes of jcnn for an H100, read on a machine without a GPU.

    make gpu-hlo                                  # in an environment with JAX's CUDA wheels
    python -m benchmarks.gpu.compiled [--models conv4 resnet18 ...] [--out FILE]

Compiles training steps of the zoo's models for an H100 and counts what XLA calls: cuDNN's
convolutions, copies, fusions, memory. Beside each stands the same model with every convolution
written as `lax.conv_general_dilated` and differentiated by JAX. Nothing runs and nothing is
autotuned, so this says nothing of time.

The program is read before autotuning, which may later replace a call by another or by a fusion.
"""

import argparse
import importlib
import json
import math
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from jax import lax
from jax.experimental import topologies
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from jcnn.config import Compute, TrainConfig
from jcnn.layers import train_mode
from jcnn.layers.model import split_model
from jcnn.models import ZOO
from jcnn.models.zoo import trace
from jcnn.ops.conv.method import ConvMethod
from jcnn.train.metrics import zero_totals
from jcnn.train.programs import compiled_part, epoch_program
from jcnn.train.step import init_state, training_step

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
    lowered = function.trace(*placed).lower(lowering_platforms=("cuda",))
    return lowered.compile(compiler_options={"xla_gpu_autotune_level": 0})


def counts(program: Any) -> Counts:
    """Count the calls, copies and fusions of a compiled program."""
    text = program.as_text()
    calls = Counter(
        name.removeprefix("__cudnn$").removeprefix("__cublas$")
        for name in re.findall(r'custom_call_target="([^"]+)"', text)
    )
    moved = 0
    for dtype, dims in re.findall(r"= (\w+)\[([\d,]*)\]\S* (?:copy|transpose)\(", text):
        numbers = math.prod(int(n) for n in dims.split(",") if n)
        if numbers > LARGE:
            moved += numbers * (2 if dtype in ("bf16", "f16") else 4)
    temporary = program.memory_analysis().temp_size_in_bytes
    return Counts(dict(sorted(calls.items())), moved, text.count("kind=k"), temporary)


# --- programs -------------------------------------------------------------------------------------


def plain_lax(x: Any, kernel: Any, window: Any, groups: int, precision: Any) -> jax.Array:
    """A convolution method: what JAX's users write, with JAX's own derivatives."""
    return lax.conv_general_dilated(
        x,
        kernel,
        window_strides=window.stride,
        padding=window.padding,
        rhs_dilation=window.dilation,
        dimension_numbers=("NHWC", "HWIO", "NHWC"),
        feature_group_count=groups,
        precision=precision,
    )


METHODS = {"jcnn": "auto", "lax": ConvMethod(plain_lax)}


def step_of(name: str, method: str, batch: int, config: TrainConfig) -> tuple[Any, Any]:
    """A training step of a model of the zoo, and its arguments as shapes; nothing is computed."""
    graphdef, shapes = _shapes(name, method, batch, config)

    def step(carry: Any, streams: Any, *batch: Any) -> Any:
        classes = ZOO[name].classes
        return training_step(graphdef, streams, config, steps=100, classes=classes)(carry, *batch)

    return jax.jit(step, donate_argnums=(0,)), shapes


def epoch_of(name: str, method: str, batch: int, config: TrainConfig) -> tuple[Any, Any]:
    """The epoch program of `fit` for 100 steps, as `step_of`."""
    graphdef, (carry, streams, images, labels, key, count, rate) = _shapes(
        name, method, batch, config
    )
    examples = 100 * batch
    program = epoch_program(graphdef, config, examples=examples, classes=ZOO[name].classes)
    images, labels = (
        jax.ShapeDtypeStruct((examples, *one.shape[1:]), one.dtype) for one in (images, labels)
    )
    order = jax.ShapeDtypeStruct((examples,), jnp.int32)
    window = (images, labels, order, count)
    return program, (carry[0], streams, carry[1], *window, key, rate, count, count, count)


def population_of(name: str, models: int, batch: int, config: TrainConfig) -> tuple[Any, Any]:
    """The training steps of several models at once, as `step_of`."""
    graphdef, (carry, streams, *shared, key, count, rate) = _shapes(name, "jcnn", batch, config)

    def step(carry: Any, key: Any, images: Any, labels: Any, streams: Any, *now: Any) -> Any:
        classes = ZOO[name].classes
        made = training_step(graphdef, streams, config, steps=100, classes=classes)
        return jax.vmap(lambda *rows: made(*rows, *now))(carry, images, labels, key)

    images, labels = shared
    rows = jax.tree.map(
        lambda a: jax.ShapeDtypeStruct((models, *a.shape), a.dtype), (carry, key, images, labels)
    )
    return jax.jit(step, donate_argnums=(0,)), (*rows, streams, count, rate)


def _shapes(name: str, method: str, batch: int, config: TrainConfig) -> tuple[Any, Any]:
    """The structure of a model, and its step's arguments as shapes."""
    structures: list[Any] = []

    def arguments() -> Any:
        model = trace(name)
        for _, module in nnx.iter_graph(model):
            if isinstance(module, nnx.Module) and hasattr(module, "method"):
                module.method = METHODS[method]
        parts = split_model(train_mode(model))
        structures.append(parts.graphdef)
        carry = (init_state(parts.params, parts.rest, config), zero_totals())
        images = jnp.zeros((batch, *ZOO[name].input_shape), jnp.uint8)
        labels, key = jnp.zeros(batch, jnp.int32), jax.random.key(0)
        return carry, parts.streams, images, labels, key, jnp.int32(0), jnp.float32(1e-3)

    shapes = jax.eval_shape(arguments)
    return structures[0], shapes


# --- the table ------------------------------------------------------------------------------------


def main(words: Sequence[str] | None = None) -> None:
    """Print the counts of each model, and write them."""
    assert __doc__ is not None
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--models", nargs="+", choices=ZOO, default=list(ZOO))
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--out", type=Path)
    chosen = parser.parse_args(words)
    where, rows = target(), []
    for name in chosen.models:
        for compute in COMPUTES:
            config = compiled_part(TrainConfig(batch_size=chosen.batch, compute_dtype=compute))
            for method in METHODS:
                program, arguments = step_of(name, method, chosen.batch, config)
                found = counts(compiled(program, arguments, where))
                rows.append({"model": name, "dtype": compute, "written": method, **asdict(found)})
                print(json.dumps(rows[-1]), flush=True)
    if chosen.out:
        chosen.out.write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
