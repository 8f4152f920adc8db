"""How fast are transposed and depthwise convolutions with gradients, compared with PyTorch?

    python -m benchmarks.transposed_depthwise [--rounds 8]

Times value and both gradients in float32, each library in a separate process, in alternation.
PyTorch (`pip install torch==2.13.0`) runs eagerly in both of its layouts. Before timing, the norms
of value and gradients must agree to 1e-3. "jcnn, lax" is XLA's convolution with jcnn's gradients;
method "auto" must not be slower.
"""

import argparse
from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import numpy as np

from jcnn.bench.processes import Setup, machine, time_in_turn


class Case(NamedTuple):
    """Shapes in NHWC and HWIO; `padding` and `extra` are PyTorch's if transposed."""

    x: tuple[int, int, int, int]
    kernel: tuple[int, int, int, int]
    stride: int = 1
    padding: int = 1
    extra: int = 0
    transposed: bool = False


CASES = {
    "depthwise 3x3, 32x56x56x64": Case((32, 56, 56, 64), (3, 3, 1, 64)),
    "depthwise 3x3, 64x28x28x32": Case((64, 28, 28, 32), (3, 3, 1, 32)),
    "depthwise 3x3 stride 2, 32x56x56x64": Case((32, 56, 56, 64), (3, 3, 1, 64), stride=2),
    "depthwise 5x5, 64x28x28x32": Case((64, 28, 28, 32), (5, 5, 1, 32), padding=2),
    "transposed 4x4 stride 2": Case((32, 14, 14, 128), (4, 4, 128, 64), 2, transposed=True),
    "transposed 3x3 stride 2": Case(
        (32, 14, 14, 128), (3, 3, 128, 64), 2, extra=1, transposed=True
    ),
    "3x3 stride 2, 32x28x28x64": Case((32, 28, 28, 64), (3, 3, 64, 128), stride=2),
    "7x7 stride 2, 8x224x224x3": Case((8, 224, 224, 3), (7, 7, 3, 64), stride=2, padding=3),
}


def operands(case: Case) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Input, kernel, and cotangent of the output."""
    rng = np.random.default_rng(0)
    n, h, w, _ = case.x
    sizes = []
    for size, cells in ((h, case.kernel[0]), (w, case.kernel[1])):
        if case.transposed:
            sizes.append((size - 1) * case.stride - 2 * case.padding + cells + case.extra)
        else:
            sizes.append((size + 2 * case.padding - cells) // case.stride + 1)
    shapes = (case.x, case.kernel, (n, *sizes, case.kernel[3]))
    x, kernel, g = (rng.standard_normal(shape).astype(np.float32) for shape in shapes)
    return x, kernel, g


def jcnn_pass(case: Case, method: str) -> tuple[Callable[[], None], Any]:
    """jcnn: value and gradients in one program."""
    import jax
    import jax.numpy as jnp

    from jcnn.compile import jit
    from jcnn.ops import conv2d
    from jcnn.ops.conv.primitive import conv

    def run(x: jax.Array, kernel: jax.Array) -> jax.Array:
        if case.transposed:
            (before,) = {cells - 1 - case.padding for cells in case.kernel[:2]}
            pads = (before, before + case.extra)
            return conv(
                *(x, kernel),
                lowering=method,
                stride=(1, 1),
                padding=(pads, pads),
                in_dilation=(case.stride, case.stride),
                dilation=(1, 1),
                groups=1,
                precision=None,
            )
        groups = case.x[3] // case.kernel[2]
        how: dict[str, Any] = {"stride": case.stride, "padding": case.padding}
        return conv2d(x, kernel, groups=groups, method=method, **how)

    def value_and_gradients(x: jax.Array, kernel: jax.Array, g: jax.Array) -> Any:
        y, pull_back = jax.vjp(run, x, kernel)
        return y, *pull_back(g)

    arrays = [jnp.asarray(array) for array in operands(case)]
    program = jit(value_and_gradients)
    answer = [float(jnp.linalg.norm(array)) for array in program(*arrays)]

    def timed() -> None:
        jax.block_until_ready(program(*arrays))

    return timed, answer


def torch_pass(case: Case, *, channels_last: bool) -> tuple[Callable[[], None], Any]:
    """PyTorch: value and gradients, eager."""
    import torch
    from torch.nn import functional

    layout = torch.channels_last if channels_last else torch.contiguous_format
    x, kernel, g = (torch.from_numpy(array) for array in operands(case))
    x, g = (t.permute(0, 3, 1, 2).contiguous(memory_format=layout) for t in (x, g))
    if case.transposed:
        # PyTorch scatters with the kernel and jcnn gathers, so the kernel is flipped in space.
        kernel = kernel.flip(0, 1).permute(2, 3, 0, 1)
    else:
        kernel = kernel.permute(3, 2, 0, 1)
    kernel = kernel.contiguous(memory_format=layout)
    x.requires_grad_()
    kernel.requires_grad_()

    def run() -> Any:
        if case.transposed:
            return functional.conv_transpose2d(
                x, kernel, stride=case.stride, padding=case.padding, output_padding=case.extra
            )
        groups = case.x[3] // case.kernel[2]
        return functional.conv2d(x, kernel, stride=case.stride, padding=case.padding, groups=groups)

    def timed() -> None:
        x.grad = kernel.grad = None
        run().backward(g)

    timed()
    answer = [float(t.norm()) for t in (run().detach(), x.grad, kernel.grad)]
    return timed, answer


def main() -> None:
    """Time the contestants of each case and print medians and ratios."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=8)
    parser.add_argument(
        "--cases", type=int, default=len(CASES), help="number of cases, from the first"
    )
    options = parser.parse_args()
    print(machine("jax", "torch"))
    for name, case in list(CASES.items())[: options.cases]:
        contestants: dict[str, Setup] = {
            "jcnn, auto": partial(jcnn_pass, case, "auto"),
            "jcnn, lax": partial(jcnn_pass, case, "lax"),
            "PyTorch, NCHW": partial(torch_pass, case, channels_last=False),
            "PyTorch, channels_last": partial(torch_pass, case, channels_last=True),
        }
        timings = time_in_turn(contestants, rounds=options.rounds, runs=5)
        ours = timings["jcnn, auto"]
        print(name)
        for contestant, timing in timings.items():
            np.testing.assert_allclose(timing.answer, ours.answer, rtol=1e-3, err_msg=contestant)
            print(timing.line(f"  {contestant}"), f" auto / it: {ours.median / timing.median:.2f}")


if __name__ == "__main__":
    main()
