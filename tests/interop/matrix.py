"""Every model in every format; `python -m tests.interop.matrix` writes the table of the page.

A number is the largest difference of a prediction from that of the model it was made of, divided by
the largest prediction if that is above 1.
"""

import importlib
import os
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import numpy as np
from flax import nnx
from jax import export

from jcnn import layers, ops
from jcnn.interop import load_model, save_model
from jcnn.interop.weights import load_weights
from jcnn.layers import eval_mode
from jcnn.models import build, zoo_entry
from tests.interop.keras_exports import SMALL, ZOO, Case, Net, drawn

onnxruntime: Any = importlib.import_module("onnxruntime")  # it has no types
PAGE = Path(__file__).parents[2] / "docs/interop.md"
START, END = "<!-- table of formats: start -->", "<!-- table of formats: end -->"
COLUMNS = {
    "keras": "Keras reads .keras",
    "h5": "Keras reads .h5",
    "weights.h5": "Keras reads .weights.h5",
    "from keras": "jcnn reads Keras's .keras",
    "from h5": "jcnn reads Keras's .h5",
    "onnx": "onnxruntime",
    "from onnx": "jcnn reads .onnx",
    "stablehlo": "jax.export",
    "safetensors": "jcnn reads .safetensors",
}
Row = dict[str, float | str]


def nested() -> nnx.Module:
    """A model in a model."""
    rngs = nnx.Rngs(0)
    inner = layers.Sequential(
        [layers.Conv2D(4, 4, 3, rngs=rngs), layers.BatchNormalization(4, rngs=rngs), ops.relu]
    )
    return Net(
        lambda self, x: self.head(ops.global_max_pool2d(self.inner(self.conv(x)))),
        conv=layers.Conv2D(3, 4, 1, rngs=rngs),
        inner=inner,
        head=layers.Dense(4, 3, rngs=rngs),
    )


def _of_zoo(name: str) -> Case:
    return lambda: build(name, seed=3), zoo_entry(name).input_shape


LECTURES = ("conv1", "conv2pool", "conv4", "mnist_cnn", "creatures", "tiny_vgg")
MODELS: dict[str, Case] = {
    **{name: _of_zoo(name) for name in LECTURES},
    **SMALL,
    "nested": (nested, (6, 7, 3)),
    **ZOO,
}


def measure(folder: Path, names: list[str]) -> dict[str, Row]:
    """The differences of each model in each format; a text where a format cannot hold it."""
    rows: dict[str, Row] = {}
    models: dict[str, Any] = {}
    answers: dict[str, np.ndarray] = {}
    for name in names:
        make, shape = MODELS[name]
        models[name] = eval_mode(drawn(make()))
        x = np.random.default_rng(5).uniform(0, 1, (3, *shape)).astype(np.float32)
        np.save(folder / f"{name}.npy", x)
        answers[name] = _predict(models[name], x)
        rows[name] = {}
        classes = [str(number) for number in range(answers[name].shape[1])]
        for suffix in ("keras", "h5", "weights.h5", "onnx", "stablehlo", "safetensors"):
            try:
                save_model(
                    models[name],
                    folder / f"{name}.{suffix}",
                    input_shape=shape,
                    class_names=classes,
                )
            except ValueError as error:
                rows[name][suffix] = str(error)
    _run_keras(folder)
    for name, row in rows.items():
        x, want = np.load(folder / f"{name}.npy"), answers[name]
        for suffix in ("keras", "h5", "weights.h5"):
            if suffix not in row:
                row[suffix] = _far(np.load(folder / f"{name}.{suffix}.y.npy"), want)
        for suffix in ("keras", "h5"):
            file = folder / "again" / f"{name}.{suffix}"
            if file.exists():
                source = np.load(folder / f"{name}.keras.y.npy")
                row[f"from {suffix}"] = _far(_predict(load_model(file)[0], x), source)
        if "onnx" not in row:
            file = folder / f"{name}.onnx"
            session = onnxruntime.InferenceSession(str(file))
            row["onnx"] = _far(session.run(None, {"input": x})[0], want)
            back, _ = load_model(file)
            _check_bits(models[name], back)
            row["from onnx"] = _far(_predict(back, x), want)
        program = export.deserialize(bytearray((folder / f"{name}.stablehlo").read_bytes()))
        row["stablehlo"] = _far(np.asarray(program.call(x)), want)
        if "safetensors" not in row:
            again: Any = eval_mode(MODELS[name][0]())
            file = folder / f"{name}.safetensors"
            load_weights(again, file, name=name, input_shape=MODELS[name][1])
            _check_bits(models[name], again)
            row["safetensors"] = _far(_predict(again, x), want)
    return rows


def _predict(model: nnx.Module, x: np.ndarray) -> np.ndarray:
    apply: Callable[..., jax.Array] = jax.jit(eval_mode(model))
    return np.asarray(apply(x))


def _far(got: np.ndarray, want: np.ndarray) -> float:
    assert got.shape == want.shape
    return float(np.abs(got - want).max() / max(1.0, float(np.abs(want).max())))


def _check_bits(model: nnx.Module, other: nnx.Module) -> None:
    """Raise unless the other model has the same arrays; constants of a file may be there, too."""
    ours, theirs = (
        Counter(
            np.asarray(one[...]).tobytes()
            for _, one in nnx.to_flat_state(nnx.state(each, (nnx.Param, nnx.BatchStat)))
        )
        for each in (model, other)
    )
    assert ours <= theirs


def _run_keras(folder: Path) -> None:
    """In a process of its own, since Keras chooses its library when it is imported."""
    command = [sys.executable, str(Path(__file__).with_name("matrix_keras.py")), str(folder)]
    environment = os.environ | {"KERAS_BACKEND": "jax"}
    subprocess.run(command, env=environment, check=True, capture_output=True)


def table(rows: dict[str, Row]) -> str:
    """The rows as Markdown."""
    lines = [f"| model | {' | '.join(COLUMNS.values())} |", "|---" * (len(COLUMNS) + 1) + "|"]
    for name, row in rows.items():
        cells = [row.get(column, "-") for column in COLUMNS]
        texts = ["-" if isinstance(cell, str) else f"{cell:.0e}" if cell else "0" for cell in cells]
        lines.append(f"| `{name}` | {' | '.join(texts)} |")
    return "\n".join(lines)


def main() -> None:
    """Measure all models and replace the table of the page."""
    with tempfile.TemporaryDirectory() as folder:
        rows = measure(Path(folder), list(MODELS))
    text = PAGE.read_text(encoding="utf-8")
    before, _, rest = text.partition(START)
    _, _, after = rest.partition(END)
    PAGE.write_text(f"{before}{START}\n{table(rows)}\n{END}{after}", encoding="utf-8")


if __name__ == "__main__":
    main()
