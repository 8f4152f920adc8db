"""The progress bar of a training; `test_train.py` tests the permanent lines."""

import pytest

from jcnn.cli.progress import Display
from jcnn.train import Progress


@pytest.mark.parametrize(
    ("waiting", "said"),
    [(0.04, ""), (0.06, "  waiting for images 6%"), (0.5, "  waiting for images 50%")],
)
def test_waiting_for_images_is_shown_above_a_twentieth_of_the_time(
    waiting: float, said: str
) -> None:
    display = Display()
    display(Progress(epoch=2, step=3, steps=7, loss=0.5, accuracy=0.25, waiting=waiting))
    (task,) = display._bar.tasks
    assert task.description == f"epoch 2/0  loss 0.5000  accuracy 0.2500{said}"
    assert (task.completed, task.total) == (3, 7)
