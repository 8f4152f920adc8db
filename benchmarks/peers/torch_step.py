"""PyTorch, as in its tutorials: eager in both layouts, and with `torch.compile`."""

from collections.abc import Callable
from contextlib import nullcontext
from typing import Any

import numpy as np
import torch
from torch import nn

from benchmarks.peers import task as tables
from benchmarks.peers.task import CHECKED, MODELS, Task, digest, on_gpu, parameters, random_images


def step(
    task: Task, *, channels_last: bool = False, compiled: bool = False
) -> tuple[Callable[[], None], list[np.ndarray]]:
    """One step on a batch on the device."""
    train, answer = prepared(task, channels_last=channels_last, compiled=compiled)
    images, labels = tensors(task, task.batch, channels_last=channels_last)

    def run() -> None:
        loss, correct = train(images, labels)
        loss.item(), correct.item()
        finish()

    return run, answer


def epoch(
    task: Task, *, channels_last: bool = False, compiled: bool = False
) -> tuple[Callable[[], None], list[np.ndarray]]:
    """The tutorials' loop over shuffled rows of tensors on the device; metrics at the end."""
    train, answer = prepared(task, channels_last=channels_last, compiled=compiled)
    images, labels = tensors(task, task.steps * task.batch, channels_last=channels_last)

    def run() -> None:
        pass_over(train, images, labels, task.batch)
        finish()

    return run, answer


Train = Callable[[Any, Any], tuple[Any, Any]]


def pass_over(train: Train, images: Any, labels: Any, batch: int) -> tuple[float, float]:
    """Train one epoch in random order; return the sums of loss and correct predictions."""
    losses, corrects = torch.zeros((), device=DEVICE), torch.zeros((), device=DEVICE)
    for rows in torch.randperm(len(images), device=DEVICE).split(batch):
        loss, correct = train(images[rows], labels[rows])
        losses += loss
        corrects += correct
    return losses.item(), corrects.item()


DEVICE = "cuda" if on_gpu() else "cpu"


def finish() -> None:
    """Wait for the device."""
    if DEVICE == "cuda":
        torch.cuda.synchronize()


def tensors(task: Task, examples: int, *, channels_last: bool) -> tuple[Any, Any]:
    """Images `(N, C, H, W)` uint8 in the given layout, and labels int64."""
    images, labels = random_images(MODELS[task.model], examples)
    return place(images, channels_last=channels_last), torch.from_numpy(labels).long().to(DEVICE)


def place(images: np.ndarray, *, channels_last: bool) -> Any:
    """Images `(N, H, W, C)` as a tensor `(N, C, H, W)` on the device, in the given layout."""
    layout = torch.channels_last if channels_last else torch.contiguous_format
    return torch.from_numpy(images).permute(0, 3, 1, 2).contiguous(memory_format=layout).to(DEVICE)


def prepared(task: Task, *, channels_last: bool, compiled: bool) -> tuple[Train, list[np.ndarray]]:
    """The training step of a model, and its digest."""
    model, train = trainer(task, channels_last=channels_last, compiled=compiled)
    return train, _answer(model, task, channels_last=channels_last)


def trainer(task: Task, *, channels_last: bool, compiled: bool) -> tuple[Any, Train]:
    """The model, and its step `train(images, labels)`, which returns loss and number correct.

    If compiled, forward pass and loss are one graph, and Adam is the fused kernel.
    """
    model = network(task, channels_last=channels_last)
    adam = torch.optim.Adam(model.parameters(), lr=1e-3, eps=1e-7, fused=compiled or None)
    half = task.compute == "bfloat16"

    def forward(images: Any, labels: Any) -> tuple[Any, Any]:
        with torch.autocast(DEVICE, torch.bfloat16) if half else nullcontext():
            logits = model(images.float() / 255)
            return nn.functional.cross_entropy(logits, labels), (logits.argmax(1) == labels).sum()

    loss_of = torch.compile(forward) if compiled else forward

    def train(images: Any, labels: Any) -> tuple[Any, Any]:
        adam.zero_grad()
        loss, correct = loss_of(images, labels)
        loss.backward()
        adam.step()
        return loss.detach(), correct

    return model, train


def network(task: Task, *, channels_last: bool) -> Any:
    """The model's layers as an `nn.Sequential` on the device, with the task's parameters."""
    drawn = iter(map(torch.from_numpy, parameters(MODELS[task.model])))
    layers: list[Any] = []
    flat: tuple[int, int, int] | None = None
    for layer, shape in tables.with_shapes(MODELS[task.model]):
        match layer:
            case tables.Conv(filters, padding):
                conv = nn.Conv2d(shape[2], filters, 3, padding=padding)
                _fill(conv, next(drawn).permute(3, 2, 0, 1), next(drawn))
                layers += [conv, nn.ReLU()]
            case tables.Pool():
                layers.append(nn.MaxPool2d(2))
            case tables.Dropout(rate):
                layers.append(nn.Dropout(rate))
            case tables.Flatten():
                layers.append(nn.Flatten())
                flat = shape
            case tables.Dense(units, relu):
                dense, kernel = nn.Linear(shape[2], units), next(drawn)
                if flat:  # jcnn flattens H, W, C; PyTorch flattens C, H, W
                    kernel = kernel.reshape(*flat, units).permute(2, 0, 1, 3).reshape(-1, units)
                _fill(dense, kernel.T, next(drawn))
                layers += [dense, nn.ReLU()] if relu else [dense]
                flat = None
    layout = torch.channels_last if channels_last else torch.contiguous_format
    return nn.Sequential(*layers).to(DEVICE, memory_format=layout)


def _fill(layer: Any, weight: Any, bias: Any) -> None:
    with torch.no_grad():
        layer.weight.copy_(weight)
        layer.bias.copy_(bias)


def _answer(model: Any, task: Task, *, channels_last: bool) -> list[np.ndarray]:
    images, labels = tensors(task, CHECKED, channels_last=channels_last)
    model.eval()
    with torch.backends.cudnn.flags(allow_tf32=False):
        loss = nn.functional.cross_entropy(model(images.float() / 255), labels)
        loss.backward()
    found = []
    flat: tuple[int, int, int] | None = None
    weighted = iter(layer for layer in model if isinstance(layer, nn.Conv2d | nn.Linear))
    for layer, shape in tables.with_shapes(MODELS[task.model]):
        if isinstance(layer, tables.Flatten):
            flat = shape
        elif isinstance(layer, tables.Conv | tables.Dense):
            ours = next(weighted)
            gradient = ours.weight.grad
            if gradient.ndim == 4:
                gradient = gradient.permute(2, 3, 1, 0)
            elif flat:
                rows, columns, channels = flat
                gradient = gradient.reshape(-1, channels, rows, columns).permute(2, 3, 1, 0)
                flat = None
            else:
                gradient = gradient.T
            found += [gradient.cpu().numpy(), ours.bias.grad.cpu().numpy()]
    model.zero_grad()
    model.train()
    return digest(loss.item(), found)
