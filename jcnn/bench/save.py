"""Save a result to a folder: JSON, a Markdown table and a plot."""

from pathlib import Path

from jcnn.bench.plot import png
from jcnn.bench.record import Result, write_json
from jcnn.bench.table import markdown
from jcnn.system.files import write_bytes, write_text


def save(result: Result, folder: Path) -> list[Path]:
    """Write NAME.json, NAME.md and, if anything was timed, NAME.png, each atomically.

    Args:
        result: the result of one question, which names the files; existing ones are replaced.
        folder: created if missing.

    Returns:
        Paths of the files.
    """
    folder.mkdir(parents=True, exist_ok=True)
    files = [folder / f"{result.name}.json", folder / f"{result.name}.md"]
    write_json(result, files[0])
    write_text(files[1], markdown(result))
    if any(row.seconds for row in result.rows):
        files.append(folder / f"{result.name}.png")
        write_bytes(files[2], [png(result)])
    return files
