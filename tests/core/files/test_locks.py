"""A lock is held by one process at a time and leaves nothing behind."""

import fcntl
from pathlib import Path

import pytest

from sertool.core.errors import SertoolError
from sertool.core.files import locks
from sertool.core.files.locks import locked

BUSY = SertoolError("somebody else is at work")


def open_files():
    return len(list(Path("/proc/self/fd").iterdir()))


def test_only_one_holds_it_and_nothing_stays(tmp_path):
    path = tmp_path / "new" / ".lock"
    with locked(path, BUSY):
        with pytest.raises(SertoolError, match="somebody else"), locked(path, BUSY):
            pass
        assert path.exists()
    assert not path.parent.exists()
    with locked(path, BUSY):
        pass


def test_a_lock_that_another_program_holds(tmp_path):
    path = tmp_path / ".lock"
    with path.open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        with pytest.raises(SertoolError, match="somebody else"), locked(path, BUSY):
            pass
    assert path.exists()  # it is the holder's to delete
    with locked(path, BUSY):
        pass


def test_a_file_that_its_holder_deletes_meanwhile_is_made_anew(tmp_path, monkeypatch):
    path, flock, deleted = tmp_path / ".lock", fcntl.flock, []

    def late(handle, operation):
        flock(handle, operation)
        if not deleted:
            deleted.append(path.unlink())

    monkeypatch.setattr(locks.fcntl, "flock", late)
    with locked(path, BUSY), pytest.raises(SertoolError, match="somebody else"), locked(path, BUSY):
        pass
    assert deleted


def test_it_ends_with_an_error_inside_and_does_not_follow_links(tmp_path):
    path = tmp_path / ".lock"
    with pytest.raises(KeyError), locked(path, BUSY):
        raise KeyError
    assert not path.exists()
    (tmp_path / "other").write_text("kept")
    path.symlink_to("other")
    with pytest.raises(SertoolError, match="cannot be written"), locked(path, BUSY):
        pass
    assert (tmp_path / "other").read_text() == "kept"


def test_a_file_that_cannot_be_locked_is_one_message(tmp_path, monkeypatch):
    def none(*_):
        raise OSError(38, "Function not implemented")

    monkeypatch.setattr(locks.fcntl, "flock", none)
    before = open_files()
    with (
        pytest.raises(SertoolError, match=r"cannot be written \(Function not implemented\)"),
        locked(tmp_path / "a", BUSY),
    ):
        pass
    assert open_files() == before
