"""`save_model`: programs that need no jcnn, and parameters with PyTorch's names."""

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from jax import export
from safetensors.numpy import load_file

from jcnn.data.preprocessing import Preprocessing, set_preprocessing
from jcnn.interop import load_weights, save_model
from jcnn.interop.torch.names import load_torch_state
from jcnn.layers import (
    BatchNormalization,
    Conv2D,
    Dense,
    DepthwiseConv2D,
    Dropout,
    Flatten,
    GlobalAveragePooling2D,
    Sequential,
    eval_mode,
)
from jcnn.layers.freezing import trained_layers
from jcnn.train import predict

ROOT = Path(__file__).parents[2]
SHAPE, NAMES = (9, 8, 3), ("a", "b", "ü")
HOW: dict[str, Any] = {"input_shape": SHAPE, "class_names": NAMES}


def model(seed: int = 0, *, flatten: bool = False) -> nnx.Module:
    rngs = nnx.Rngs(seed)
    made = Sequential(
        [
            Conv2D(3, 4, (3, 2), stride=2, rngs=rngs),
            BatchNormalization(4, rngs=rngs),
            DepthwiseConv2D(4, 3, depth_multiplier=2, rngs=rngs),
            Dropout(0.5, rngs=rngs),
            *([Flatten()] if flatten else [GlobalAveragePooling2D()]),
            Dense(160 if flatten else 8, 3, rngs=rngs),
        ]
    )
    normalization: Any = list(made)[1]
    normalization.mean[...] = jnp.array([0.5, -1.0, 2.0, 0.0])
    normalization.var[...] = jnp.array([0.5, 1.5, 2.0, 0.25])
    return made


def images(count: int) -> np.ndarray:
    return np.random.default_rng(count).integers(0, 256, (count, *SHAPE), np.uint8)


@pytest.mark.parametrize("name", ["net.onnx", "net.weights.h5", "net.safetensors"])
def test_numbers_that_are_not_finite_are_told_of(name: str, tmp_path: Path) -> None:
    made: Any = model()
    about = json.loads(save_model(made, tmp_path / name, **HOW)[1].read_text(encoding="utf-8"))
    assert not any("NaN" in note for note in about.get("notes", ()))
    normalization: Any = list(made)[1]
    normalization.mean[...] = normalization.mean[...].at[1].set(jnp.inf)
    dense: Any = list(made)[-1]
    dense.kernel[...] = dense.kernel[...].at[2, 1].set(jnp.nan)
    about = json.loads(save_model(made, tmp_path / name, **HOW)[1].read_text(encoding="utf-8"))
    assert about["notes"][-1].endswith("/mean and 1 more arrays holds NaN or infinity")


# --- StableHLO ------------------------------------------------------------------------------------


def test_a_program_gives_the_models_logits_for_any_number_of_images(tmp_path: Path) -> None:
    made = model(flatten=True)
    files = save_model(made, tmp_path / "net.stablehlo", **HOW)
    program = export.deserialize(bytearray(files[0].read_bytes()))
    assert set(program.platforms) == {"cpu", "cuda", "tpu"}
    called = set(re.findall(r"custom_call @(\w+)", program.mlir_module()))
    assert called <= {"shape_assertion"}  # no function of the native library
    for private in (str(ROOT), str(Path.home()), "site-packages"):
        assert private.encode() not in files[0].read_bytes()
    for count in (1, 5):
        x = images(count).astype(np.float32) / 255
        want = np.asarray(eval_mode(made)(jnp.asarray(x)))
        np.testing.assert_allclose(program.call(x), want, rtol=0, atol=2e-5)
    about = json.loads(files[1].read_text(encoding="utf-8"))
    assert about["class_names"] == list(NAMES)
    assert about["input"] == "(N, 9, 8, 3) float32"
    assert about["output"] == "logits"
    assert str(tmp_path) not in files[1].read_text(encoding="utf-8")


def test_a_program_with_preprocessing_gives_the_probabilities_of_predict(tmp_path: Path) -> None:
    made = model()
    own = Preprocessing((9, 8), "stretch", "bgr", (0.1, 0.4, 0.6), (0.5, 0.25, 2.0))
    set_preprocessing(made, own)
    files = save_model(made, tmp_path / "net.stablehlo", with_preprocessing=True, **HOW)
    program = export.deserialize(bytearray(files[0].read_bytes()))
    np.testing.assert_allclose(program.call(images(4)), predict(made, images(4)), rtol=0, atol=2e-5)
    about = json.loads(files[1].read_text(encoding="utf-8"))
    assert Preprocessing.from_json(about["preprocessing"]) == own
    assert about["output"] == "probabilities"


def test_a_model_for_one_number_of_images_is_refused_in_one_line(tmp_path: Path) -> None:
    class Net(nnx.Module):
        def __call__(self, x: jax.Array) -> jax.Array:
            return x.reshape(len(x), -1)

    file = tmp_path / "net.stablehlo"
    with pytest.raises(ValueError, match=r"accepted: x\.shape\[0\] in place of len\(x\)") as caught:
        save_model(Net(), file, input_shape=(1, 3, 1), class_names=["a", "b", "c"])
    assert len(str(caught.value).splitlines()) == 1
    assert not file.exists()


@pytest.mark.slow
def test_a_process_without_jcnn_runs_a_program(tmp_path: Path) -> None:
    made = model()
    files = save_model(made, tmp_path / "net.stablehlo", **HOW)
    np.save(tmp_path / "x.npy", images(3).astype(np.float32) / 255)
    code = (
        "import sys; sys.modules['jcnn'] = None\n"
        "import jax, numpy\n"
        f"program = jax.export.deserialize(bytearray(open({str(files[0])!r}, 'rb').read()))\n"
        f"y = program.call(numpy.load({str(tmp_path / 'x.npy')!r}))\n"
        f"numpy.save({str(tmp_path / 'y.npy')!r}, y)\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
    want = np.asarray(eval_mode(made)(jnp.asarray(np.load(tmp_path / "x.npy"))))
    np.testing.assert_allclose(np.load(tmp_path / "y.npy"), want, rtol=0, atol=2e-5)


# --- safetensors ----------------------------------------------------------------------------------


def test_parameters_have_pytorchs_names_and_axes(tmp_path: Path) -> None:
    made: Any = model()
    file, _ = save_model(made, tmp_path / "net.safetensors", **HOW)
    found = load_file(file)
    kernel = np.asarray(made.conv2d.kernel[...])
    np.testing.assert_array_equal(found["conv2d.weight"], np.einsum("hwio->oihw", kernel))
    depthwise = np.asarray(made.depthwise_conv2d.kernel[...])
    for channel, multiple in ((0, 1), (3, 0)):
        np.testing.assert_array_equal(
            found["depthwise_conv2d.weight"][2 * channel + multiple, 0],
            depthwise[:, :, channel, multiple],
        )
    np.testing.assert_array_equal(found["dense.weight"], np.asarray(made.dense.kernel[...]).T)
    np.testing.assert_array_equal(found["batch_normalization.running_var"], [0.5, 1.5, 2.0, 0.25])
    assert found["batch_normalization.num_batches_tracked"] == 0


def test_a_round_trip_is_the_same_file(tmp_path: Path) -> None:
    first, second = model(0), model(1)
    one, _ = save_model(first, tmp_path / "one.safetensors", **HOW)
    load_torch_state(second, load_file(one), order=trained_layers(second, SHAPE))
    two, _ = save_model(second, tmp_path / "two.safetensors", **HOW)
    assert one.read_bytes() == two.read_bytes()
    third = model(2)
    load_weights(third, one, name="net", input_shape=SHAPE)
    three, _ = save_model(third, tmp_path / "three.safetensors", **HOW)
    assert one.read_bytes() == three.read_bytes()


# --- refusals -------------------------------------------------------------------------------------


def test_what_cannot_be_saved_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ValueError, match=r"'net\.onx'; accepted: .* \.stablehlo, \.safetensors"):
        save_model(model(), tmp_path / "net.onx", **HOW)
    with pytest.raises(ValueError, match=r"did you mean .\.safetensors"):
        save_model(model(), tmp_path / "net.safetensor", **HOW)
    with pytest.raises(ValueError, match="'flatten' flattens maps of"):
        save_model(model(flatten=True), tmp_path / "net.safetensors", **HOW)
    with pytest.raises(ValueError, match=r"with_preprocessing: net\.safetensors holds parameters"):
        save_model(model(), tmp_path / "net.safetensors", with_preprocessing=True, **HOW)
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(ValueError, match=r"needs flatbuffers: pip install 'jcnn\[stablehlo\]'"):
        save_model(model(), tmp_path / "net.stablehlo", **HOW)
    assert list(tmp_path.iterdir()) == []
