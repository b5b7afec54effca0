"""Dataclasses of arrays come back as they were, and a write that breaks off leaves the file that was there."""

from dataclasses import dataclass

import numpy as np
import pytest

from engines.training.stored_arrays import StoredArrays


@dataclass(frozen=True, slots=True, kw_only=True)
class _Rows(StoredArrays):
    number: np.ndarray
    flag: np.ndarray


def _rows(first: int, count: int) -> _Rows:
    return _Rows(number=np.arange(first, first + count, dtype=np.float32), flag=np.arange(count) % 2 == 0)


def test_joined_rows_come_back(tmp_path):
    path = tmp_path / "rows.npz"
    _Rows.joined([_rows(0, 3), _rows(3, 2)]).save(path)
    found = _Rows.load(path)
    np.testing.assert_array_equal(found.number, np.arange(5, dtype=np.float32))
    np.testing.assert_array_equal(found.flag, [True, False, True, True, False])
    assert found.number.dtype == np.float32 and found.flag.dtype == bool


def test_a_write_that_breaks_off_keeps_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / "rows.npz"
    _rows(0, 2).save(path)

    def breaks(file, **arrays):
        file.write(b"half")
        raise OSError("no space left on device")

    monkeypatch.setattr(np, "savez", breaks)
    with pytest.raises(OSError, match="no space"):
        _rows(7, 2).save(path)
    np.testing.assert_array_equal(_Rows.load(path).number, [0, 1])
