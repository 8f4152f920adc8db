"""Writes models by the real Keras.

`python -m tests.interop.keras_written FOLDER SUFFIX [training]`
"""

import sys
from pathlib import Path
from typing import Any

import keras
import numpy as np

L: Any = keras.layers


def lecture() -> Any:
    """A chain, as in lecture D."""
    layers = [L.Input((12, 11, 1)), L.Conv2D(4, 3, padding="same", activation="relu")]
    layers += [L.MaxPooling2D(2), L.Dropout(0.5), L.Flatten(), L.Dense(10, activation="softmax")]
    return keras.Sequential(layers)


def every_layer() -> Any:
    """Branches, and every layer that the import knows."""
    given = L.Input((16, 15, 3))
    x = L.RandomFlip()(L.Rescaling(1 / 127.5, -1)(given))
    a = L.Conv2D(6, (3, 2), strides=2, padding="same", use_bias=False)(x)
    a = L.ReLU(6)(L.BatchNormalization(scale=False)(a))
    b = L.SeparableConv2D(6, 3, strides=2, padding="same", activation="swish")(x)
    x = L.Concatenate()([L.Add()([a, b]), L.Multiply()([a, b])])
    x = L.DepthwiseConv2D(3, depth_multiplier=2, padding="valid", activation="gelu")(x)
    x = L.Conv2D(8, (2, 3), dilation_rate=2, groups=2, padding="same", activation="selu")(x)
    x = L.GroupNormalization(4)(L.LayerNormalization()(x))
    x = L.ELU(0.7)(L.LeakyReLU()(x))
    x = L.Cropping2D(1)(
        L.UpSampling2D(2, interpolation="bilinear")(L.ZeroPadding2D(((1, 0), 2))(x))
    )
    x = L.Conv2DTranspose(5, 3, strides=2, padding="same", activation="hard_sigmoid")(x)
    x = L.AveragePooling2D(3, strides=2, padding="same")(x)
    x = L.SpatialDropout2D(0.3)(L.Activation("softplus")(x))
    return keras.Model(given, L.Dense(4, activation="softmax")(L.GlobalAveragePooling2D()(x)))


def nested() -> Any:
    """A model in a model, with layers of the same names in both."""
    layers = [L.Input((8, 8, 4)), L.Conv2D(4, 3, padding="same", name="conv")]
    inner = keras.Sequential([*layers, L.BatchNormalization(name="norm")], name="inner")
    given = L.Input((8, 8, 3))
    x = L.GlobalMaxPooling2D()(inner(L.Conv2D(4, 1, name="conv")(given)))
    return keras.Model(given, L.Dense(3)(x))


def even_kernels() -> Any:
    """Even kernels, strides and transposed convolutions with both paddings."""
    given = L.Input((9, 10, 2))
    x = L.Conv2D(3, 2, strides=2, padding="same")(given)
    x = L.Conv2DTranspose(4, (2, 3), strides=(3, 2), padding="valid", activation="tanh")(x)
    x = L.MaxPooling2D((2, 3), strides=(1, 2), padding="same")(x)
    x = L.Reshape((-1,))(L.Conv2D(2, 4, padding="valid", activation="mish")(x))
    return keras.Model(given, L.Dense(3, activation="softmax")(x))


def augmented() -> Any:
    """What stands before and between the layers of a model that was trained on photographs."""
    given = L.Input((20, 19, 3))
    x = L.RandomRotation(0.1)(L.RandomFlip()(given))
    x = L.Rescaling(1 / 255)(L.CenterCrop(16, 14)(x))
    x = L.RandomCrop(16, 14)(L.Normalization()(x))
    x = L.Rescaling([0.5, 2.0, 1.0], offset=0.1)(L.Conv2D(3, 3, activation="relu")(x))
    x = L.GaussianNoise(0.1)(L.GlobalAveragePooling2D(keepdims=True)(L.Add()([x, x, x])))
    return keras.Model(given, L.Dense(4)(L.Flatten()(x)))


def mobilenet() -> Any:
    """A published network inside a classifier."""
    body = keras.applications.MobileNetV2((32, 32, 3), 0.35, include_top=False, weights=None)
    layers = [L.Input((32, 32, 3)), body, L.GlobalAveragePooling2D(), L.Dense(7)]
    return keras.Sequential([*layers, L.Softmax()])


def optimizers() -> dict[str, Any]:
    """One of each that jcnn has, with some settings."""
    kinds: Any = keras.optimizers
    return {
        "adam": kinds.Adam(2e-3, clipnorm=0.5),
        "adamw": kinds.AdamW(2e-3, weight_decay=0.02),
        "sgd": kinds.SGD(0.05, global_clipnorm=0.3),
        "momentum": kinds.SGD(0.05, momentum=0.9, weight_decay=0.01),
        "nesterov": kinds.SGD(0.05, momentum=0.9, nesterov=True),
        "rmsprop": kinds.RMSprop(clipvalue=0.02),
        "nadam": kinds.Nadam(),
        "adagrad": kinds.Adagrad(0.01),
        "adadelta": kinds.Adadelta(1.0),
        "lion": kinds.Lion(1e-3),
        "muon": kinds.Muon(0.01),
    }


def in_training(kind: str) -> Any:
    """A model with a frozen layer; its trained arrays of one shape are easily mistaken."""
    given = L.Input((6, 5, 2))
    x = given
    if kind != "muon":  # Keras's trains no kernels of convolutions
        x = L.Conv2D(3, 3, padding="same", activation="tanh", name="b")(x)
        x = L.Conv2D(3, 3, padding="same", activation="tanh", name="a")(x)
        x = L.LayerNormalization(name="norm")(x)
    x = L.Dense(6, activation="tanh", name="frozen", trainable=False)(L.Flatten()(x))
    x = L.Dense(6, activation="tanh", name="square")(x)
    return keras.Model(given, L.Dense(6, name="end")(x))


def write_in_training(folder: Path, suffix: str) -> None:
    """Write a model after three updates by each optimizer, and its weights after a fourth."""
    rng = np.random.default_rng(2)
    x = rng.uniform(0, 1, (9, 6, 5, 2)).astype(np.float32)
    y = rng.integers(0, 6, 9)
    for name, optimizer in optimizers().items():
        keras.utils.set_random_seed(1)
        model = in_training(name)
        loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
        model.compile(optimizer, loss)
        for _ in range(3):
            model.train_on_batch(x, y)
        file = folder / f"{name}{suffix}"
        model.save(file)
        model.train_on_batch(x, y)
        after: dict[str, Any] = {weight.path: np.asarray(weight) for weight in model.weights}
        np.savez(file.with_suffix(".npz"), x=x, y=y, **after)


def main(folder: Path, suffix: str) -> None:
    """Write each model, and its predictions for three images."""
    rng = np.random.default_rng(1)
    for make in (lecture, every_layer, nested, even_kernels, augmented, mobilenet):
        model = make()
        for weight in model.weights:
            if "seed" in weight.path or "count" in weight.path:
                continue
            drawn = rng.normal(0, 1 / np.sqrt(max(1, np.prod(weight.shape[:-1]))), weight.shape)
            weight.assign(np.abs(drawn) + 0.5 if "variance" in weight.path else drawn)
        for layer in model.layers:
            if isinstance(layer, L.Normalization):
                layer.finalize_state()
        scaled = any(isinstance(layer, L.Rescaling) for layer in model.layers)
        pixels = rng.integers(0, 256, (3, *model.input_shape[1:])).astype(np.float32)
        x = pixels if scaled else pixels / np.float32(255)
        file = folder / f"{make.__name__}{suffix}"
        if suffix == ".weights.h5":
            model.save_weights(file)
            (folder / f"{make.__name__}.json").write_text(model.to_json(), encoding="utf-8")
        else:
            model.save(file)
        predicted = np.asarray(model(x, training=False))
        np.savez(folder / f"{make.__name__}.npz", x=x, y=predicted)


if __name__ == "__main__":
    write = write_in_training if "training" in sys.argv[3:] else main
    write(Path(sys.argv[1]), sys.argv[2])
