"""`jcnn evaluate`: loss and accuracy of a run on test pictures."""

import dataclasses
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro


@dataclass(frozen=True)
class EvaluateCommand:
    """Loss and accuracy of a trained model on test pictures."""

    run_folder: Annotated[tyro.conf.Positional[Path], tyro.conf.arg(metavar="RUN", name="run")]
    """Run folder of jcnn train."""
    data: Annotated[
        str | None, tyro.conf.arg(metavar="SOURCE", help_behavior_hint="(default: the run's)")
    ] = None
    """One of: jcnn data; its test pictures count."""
    data_dir: Annotated[
        Path | None, tyro.conf.arg(metavar="DIR", help_behavior_hint="(default: the run's)")
    ] = None
    """Folder of the data's files, for sources that need one."""
    json: bool = False
    """Print {"loss", "accuracy", "n"}."""

    def run(self) -> None:
        """Load the run and the data, and print the scores."""
        from jcnn import data
        from jcnn.cli.warn import warn
        from jcnn.compile import use_cache
        from jcnn.run import load
        from jcnn.train import evaluate

        use_cache()
        model, config = load(self.run_folder, on_damage=warn)
        source, place = self.data or config.data, self.data_dir
        if place is None and source == config.data:
            place = None if config.data_dir is None else Path(config.data_dir)
        _, test = data.load(source, place)
        scores = evaluate(model, test, batch_size=config.train.batch_size)
        if self.json:
            print(json.dumps(dataclasses.asdict(scores)))
        else:
            print(f"accuracy {scores.accuracy:.4f}, loss {scores.loss:.4f} ({scores.n} pictures)")
