"""`FileNames` behaves like a tuple of str, in a tenth of its memory."""

import os
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jcnn.data.file_names import FileNames, NamesWriter, joined

ANY = st.lists(st.binary(max_size=9).map(os.fsdecode), max_size=20)


def written(names: list[str]) -> FileNames:
    writer = NamesWriter()
    writer.add(names)
    assert len(writer) == len(names)
    return writer.names()


@given(ANY, st.slices(20), st.data())
def test_it_is_a_sequence_of_these_names(
    names: list[str], part: slice, data: st.DataObject
) -> None:
    found = written(names)
    assert [*found] == names
    assert found == tuple(names)
    assert found != (*names, "x")
    assert [*found[part]] == names[part]
    rows = data.draw(st.lists(st.integers(0, len(names) - 1))) if names else []
    taken = found.take(np.array(rows, np.intp))
    assert [*taken] == [names[row] for row in rows]
    assert [*taken[part]] == [names[row] for row in rows][part]
    again = FileNames(taken.arrays()[0].tobytes(), taken.arrays()[1])
    assert [*again] == [*taken]
    assert [*joined([found, taken, found])] == [*names, *taken, *names]


def test_negative_and_wrong_places() -> None:
    found = written(["a", "", "bc"])
    assert (found[-1], found[-3], found[1]) == ("bc", "a", "")
    with pytest.raises(IndexError):
        found[3]
    with pytest.raises(IndexError):
        found[-4]


def test_printable_names() -> None:
    found = written(["a\nb", "c"])
    assert [*found.printable()] == [r"'a\nb'", "c"]
    assert [*found.printable()[:1]] == [r"'a\nb'"]


def test_the_memory_of_many() -> None:
    names = [f"class_{n % 100:03}/n{n:08}.jpg" for n in range(10_000)]
    text, ends = written(names).arrays()
    strings = sum(map(sys.getsizeof, names)) + 8 * len(names)
    assert text.nbytes + ends.nbytes < 0.4 * strings
