"""The parts of `python -m benchmarks.gpu`: their questions and time limits, in order."""

from typing import NamedTuple


class Part(NamedTuple):
    """A part, which runs in a process of its own.

    Attributes:
        question: what it answers, in one line.
        seconds: its time limit; None is what is left of the budget.
        default: whether it runs unless others are named.
    """

    question: str
    seconds: float | None
    default: bool = True


PARTS = {
    "device": Part("What is this device, and how fast are its matmuls and copies?", 20),
    "methods": Part("Which convolution methods are right on this device?", 30),
    "tests": Part("Which default tests of ops, layers and training pass on this device?", 50),
    "step": Part("What do a step and an epoch of conv4 cost, and what changes that?", 55),
    "networks": Part("How long is a training step of ResNets, against Flax on lax?", 110),
    "networks_torch": Part("How long is it in PyTorch?", 45),
    "rate": Part("What part of the matmul's rate do convolutions reach, by method?", 60),
    "population": Part("How long is a step of 1, 8 and 64 models trained together?", 60),
    "run": Part("How long do lecture D's 50 epochs of conv4 take?", 75),
    "run_torch": Part("How long do they take in PyTorch?", 30),
    "lecture": Part("What test accuracy do the lecture's six models reach, with 8 seeds?", 50),
    "speedrun": Part("How long does training to a test accuracy of 0.93 take?", None),
    "algorithms": Part("How fast is each convolution method on this device?", None, default=False),
    "peers": Part("How long is a step, against other libraries?", None, default=False),
}
