"""Writes models by the real Keras: `python -m tests.interop.keras_written FOLDER SUFFIX`."""

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


def mobilenet() -> Any:
    """A published network inside a classifier."""
    body = keras.applications.MobileNetV2((32, 32, 3), 0.35, include_top=False, weights=None)
    layers = [L.Input((32, 32, 3)), body, L.GlobalAveragePooling2D(), L.Dense(7)]
    return keras.Sequential([*layers, L.Softmax()])


def main(folder: Path, suffix: str) -> None:
    """Write each model, and its predictions for three images."""
    rng = np.random.default_rng(1)
    for make in (lecture, every_layer, nested, even_kernels, mobilenet):
        model = make()
        for weight in model.weights:
            if "seed" in weight.path:
                continue
            drawn = rng.normal(0, 1 / np.sqrt(max(1, np.prod(weight.shape[:-1]))), weight.shape)
            weight.assign(np.abs(drawn) + 0.5 if "variance" in weight.path else drawn)
        scaled = any(isinstance(layer, L.Rescaling) for layer in model.layers)
        pixels = rng.integers(0, 256, (3, *model.input_shape[1:])).astype(np.float32)
        x = pixels if scaled else pixels / np.float32(255)
        file = folder / f"{make.__name__}{suffix}"
        model.save(file)
        np.savez(file.with_suffix(".npz"), x=x, y=np.asarray(model(x, training=False)))


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
