"""Settings of a speedrun, for each kind of images."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Settings:
    """Settings of a speedrun; learning rates and decay are those at the peak of the schedule."""

    widths: tuple[int, ...]
    epochs: float
    batch_size: int
    kernel_rate: float = 0.24
    head_rate: float = 0.02
    bias_rate: float = 50.0
    decay: float = 0.02
    peak: float = 0.1
    whitening_epochs: float = 3.0
    smoothing: float = 0.2
    pixels: int = 2


# Operations of a training, 6 for each product of a weight and an input (forward, both gradients):
# 28x28x1: 34 M products, 0.20 GFLOP an image, 8 epochs of 60,000 images 98 TFLOP.
# 32x32x3: 118 M products, 0.71 GFLOP an image, 8 epochs of 50,000 images 283 TFLOP.
# At 200 TFLOP/s in bfloat16 that is 0.5 s and 1.4 s. A step of 28x28x1, compiled for an H100, has
# about 290 kernels and moves 5.3 GB: 1.6 ms at 3.35 TB/s, 0.4 s in 240 steps. One of 32x32x3 moves
# 10.3 GB: 3.1 ms, 0.6 s in 200 steps.
FASHION_MNIST = Settings((64, 128, 128), 8, 2000)
CIFAR10 = Settings((64, 256, 256), 8, 2000)
SMALL = Settings((8, 16, 16), 1, 100)
