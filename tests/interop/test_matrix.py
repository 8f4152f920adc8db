"""The matrix of docs/interop.md: every model in every format, to 2e-5."""

import re
from pathlib import Path

import pytest

from tests.interop.matrix import END, MODELS, PAGE, START, measure


@pytest.mark.slow
def test_every_model_in_every_format(tmp_path: Path) -> None:
    rows = measure(tmp_path, list(MODELS))
    for name, row in rows.items():
        for column, value in row.items():
            if column == "safetensors" and isinstance(value, str):
                assert "flattens maps" in value or "PyTorch" in value, (name, value)
            else:
                assert isinstance(value, float), (name, column, value)
                assert value <= 2e-5, (name, column)


def test_the_page_has_the_table_of_these_models() -> None:
    _, _, rest = PAGE.read_text(encoding="utf-8").partition(START)
    found, _, _ = rest.partition(END)
    names = re.findall(r"^\| `(\w+)` \|", found, re.MULTILINE)
    assert names == list(MODELS)
    assert all(float(one) <= 2e-5 for one in re.findall(r"\de-\d+", found))
