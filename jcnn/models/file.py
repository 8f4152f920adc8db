"""A user's model: a Python file and the name of a function in it, `FILE.py:NAME`.

The file is executed, so a `ModelFile` is made only of a file that the user names. It must be
self-contained: it may import installed packages, but its folder is not added to `sys.path`.
"""

import hashlib
import inspect
import re
import sys
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from jcnn.compile import run_once
from jcnn.layers import as_model, eval_mode, set_dropout, train_mode
from jcnn.layers.streams import Streams
from jcnn.suggest import did_you_mean

ACCEPTED = "a function (input_shape, classes, *, rngs) that returns an nnx.Module or a list"


class WrongModelError(ValueError):
    """A function of a model file returned something that is no model."""


@dataclass(frozen=True)
class ModelFile:
    """The text of a Python file that builds a model, and the name of the function that does it.

    Attributes:
        file: the file's name, without folders, for messages.
        name: of the function, or of a class that takes the same arguments.
        text: of the file.
    """

    file: str
    name: str
    text: str

    @property
    def label(self) -> str:
        """The file's name and the function's, such as "net.py:small"."""
        return f"{self.file}:{self.name}"

    @property
    def sha256(self) -> str:
        """Of the file's bytes, in hexadecimal."""
        return hashlib.sha256(self.text.encode()).hexdigest()

    def function(self) -> Callable[..., Any]:
        """Execute the file, once in a process, and return its function.

        Raises:
            ValueError: the file raises an exception, or has no such function.
        """
        module = self._execute()
        found: Callable[..., Any] | None = vars(module).get(self.name)
        own = [
            name
            for name, value in vars(module).items()
            if callable(value) and getattr(value, "__module__", None) == module.__name__
        ]
        if found is None:
            listed = f"it has {', '.join(own)}" if own else "it has no function"
            raise ValueError(
                f"model: {self.file} has no {self.name!r}; {listed}{did_you_mean(self.name, own)}"
            )
        if not callable(found):
            kind = type(found).__name__
            raise ValueError(f"model: {self.label} is of type {kind}; accepted: {ACCEPTED}")
        self._check_signature(found)
        return found

    def build(
        self,
        input_shape: tuple[int, int, int],
        classes: int,
        *,
        seed: int = 0,
        dropout: float | None = None,
    ) -> nnx.Module:
        """Build the model, and trace a call in eval and in train mode.

        Args:
            input_shape: `(H, W, C)` of the images.
            classes: number of logits.
            seed: of the parameters.
            dropout: rate of every dropout layer; None means each layer's own.

        Raises:
            ValueError: the function or the model raises an exception, the result is no model, or
                `dropout` is given and there is no dropout layer. The message names the line.
        """
        function = self.function()

        def draw(seed: Any) -> nnx.Module:
            rngs = Streams(jax.random.key(seed))
            return self._as_model(function(input_shape, classes, rngs=rngs))

        try:
            model = _drawn(draw, seed)
        except WrongModelError:
            raise
        except (Exception, SystemExit) as error:
            raise self._failed(error) from error
        if dropout is not None:
            set_dropout(model, dropout)
        try:
            _trace(model, input_shape)
        except (Exception, SystemExit) as error:
            raise self._failed(error, f", called with images of {input_shape}") from error
        return model

    def _execute(self) -> ModuleType:
        # Registered, since dataclasses look their module up; once, so that the models of a
        # population have one class.
        name = f"jcnn_model_{self.sha256}"
        if name in sys.modules:
            return sys.modules[name]
        module = sys.modules[name] = ModuleType(name)
        try:
            exec(compile(self.text.encode(), self.file, "exec"), vars(module))
        except (Exception, SystemExit) as error:
            del sys.modules[name]
            raise self._failed(error) from error
        except BaseException:  # Ctrl-C
            del sys.modules[name]
            raise
        return module

    def _as_model(self, made: Any) -> nnx.Module:
        if isinstance(made, nnx.Module):
            return made
        if isinstance(made, list | tuple) and made and all(map(callable, made)):
            return as_model(made)
        raise WrongModelError(
            f"model: {self.label} returned {_kind(made)}; accepted: an nnx.Module or a list of "
            "layers"
        )

    def _check_signature(self, function: Callable[..., Any]) -> None:
        try:
            signature = inspect.signature(function)
        except ValueError:  # a builtin without one
            return
        try:
            signature.bind((1, 1, 1), 1, rngs=None)
        except TypeError as error:
            raise ValueError(
                f"model: {self.label} takes {signature}: {error}; accepted: {ACCEPTED}"
            ) from None

    def _failed(self, error: BaseException, when: str = "") -> ValueError:
        """One line that names the last line of the file at which `error` was raised."""
        line = error.lineno if isinstance(error, SyntaxError) else None
        for frame, number in traceback.walk_tb(error.__traceback__):
            if frame.f_globals.get("__name__") == f"jcnn_model_{self.sha256}":
                line = number
        place = self.file if line is None else f"{self.file}:{line}"
        said = error.msg if isinstance(error, SyntaxError) else " ".join(str(error).split())
        advice = ""
        if isinstance(error, ModuleNotFoundError):
            advice = "; the file must be self-contained: it may import installed packages only"
        return ValueError(f"model: {place}: {type(error).__name__}: {said}{when}{advice}")


def is_model_file(model: str) -> bool:
    """Whether the text is meant as `FILE.py:NAME` and not as a name of the zoo."""
    return ":" in model or "/" in model or model.endswith(".py")


def read_model_file(model: str) -> ModelFile:
    """Read the file of `FILE.py:NAME`; it is not executed.

    Raises:
        ValueError: the text is not `FILE.py:NAME`, or the file cannot be read.
    """
    place, _, name = model.rpartition(":")
    if not place.endswith(".py") or not name.isidentifier():
        file, functions = model.rpartition(":")[0] or model, ""
        if file.endswith(".py") and Path(file).is_file():
            functions = "; it has " + (", ".join(_functions(Path(file))) or "no function")
        raise ValueError(f"model: got {model!r}; accepted: FILE.py:NAME{functions}")
    path = Path(place)
    return ModelFile(path.name, name, read_text(path))


def read_text(path: Path) -> str:
    """The text of a model file.

    Raises:
        ValueError: the file cannot be read, or is no text; the message names it.
    """
    try:
        return path.read_bytes().decode()
    except FileNotFoundError:
        raise ValueError(f"model: {path}: no such file") from None
    except OSError as error:
        raise ValueError(f"model: {path}: cannot be read: {error.strerror}") from error
    except UnicodeDecodeError:
        raise ValueError(f"model: {path}: is no UTF-8 text") from None


def _functions(path: Path) -> list[str]:
    """The functions and classes at the top of a file, which is not executed."""
    return re.findall(r"^(?:def|class) +(\w+)", read_text(path), re.MULTILINE)


def _kind(value: object) -> str:
    if isinstance(value, type):
        return f"the class {value.__name__}, not an instance"
    if isinstance(value, list | tuple):
        wrong = [type(layer).__name__ for layer in value if not callable(layer)]
        return f"a list with an object of type {wrong[0]}" if wrong else "an empty list"
    return "None" if value is None else f"an object of type {type(value).__name__}"


def _drawn(draw: Callable[[Any], nnx.Module], seed: int) -> nnx.Module:
    """The model of `draw(seed)`.

    One program draws all parameters, which takes a fifth of the time of a program for each. It
    cannot be made of a function that reads the values of its arrays: that is called as it is.
    """
    try:
        model: nnx.Module = nnx.merge(
            *run_once(lambda seed: nnx.split(draw(seed)), np.uint32(seed))
        )
    except WrongModelError:
        raise
    except Exception:
        return draw(seed)
    return model


def _trace(model: nnx.Module, input_shape: tuple[int, int, int]) -> None:
    """Call the model without computing anything; what it raises in training is raised here."""
    images = jax.ShapeDtypeStruct((2, *input_shape), jnp.float32)
    for mode in (eval_mode, train_mode):
        nnx.eval_shape(lambda model, x: model(x), mode(model), images)
