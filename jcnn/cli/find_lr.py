"""`jcnn train --find-lr`: a learning rate range test, as one line and a picture."""

import shlex
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from flax import nnx

    from jcnn.cli.progress import Display
    from jcnn.data import Dataset
    from jcnn.runs import RunConfig


def find_lr(
    models: "list[nnx.Module]",
    config: "RunConfig",
    train: "Dataset",
    run: Path,
    display: "Display",
) -> str:
    """Test learning rates, and draw the losses to RUN-learning-rates.png; return one line.

    Args:
        models: the model that would be trained.
        config: of the run that would be trained.
        train: the training images.
        run: its folder, which is not made.
        display: shows the progress.

    Raises:
        ValueError: the settings are those of several models, or do not fit the data.
    """
    from jcnn.data import Reading
    from jcnn.train import Event, Progress, find_learning_rate

    if len(models) > 1:
        raise ValueError(
            "--find-lr: tests one model; give no --seeds, --learning-rates, --dropouts"
        )

    def show(event: Event) -> None:
        if isinstance(event, Progress):
            display(Reading("testing learning rates", event.step, event.steps))
        else:
            display(event)

    found = find_learning_rate(models[0], train, config.train, on_event=show)
    from jcnn.report.learning_rates import draw_learning_rates  # with Matplotlib
    from jcnn.system.files import write_bytes

    picture = run.with_name(f"{run.name}-learning-rates.png")
    picture.parent.mkdir(parents=True, exist_ok=True)
    write_bytes(picture, [draw_learning_rates(found).png])
    curve = f"curve {shlex.quote(str(picture))}"
    if found.suggestion is None:
        return f"no learning rate is suggested: the loss did not fall; {curve}"
    return (
        f"suggested: --learning-rate {found.suggestion:.1g} (a tenth of {found.lowest:.1g}, where "
        f"the loss is lowest); {curve}"
    )
