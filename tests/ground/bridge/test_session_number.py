"""bdSeq: from 0, one more each time, on over restarts."""

from __future__ import annotations

from ground.bridge.session_number import SessionNumber


def test_it_begins_at_zero_and_goes_round():
    """tck-id-topics-nbirth-bdseq-increment."""
    number = SessionNumber()
    assert [number.next() for _ in range(258)] == [*range(256), 0, 1]


def test_it_goes_on_after_a_restart(tmp_path):
    """Also of a bridge that was killed: it is kept before it is used."""
    path = tmp_path / "session"
    assert [SessionNumber(path).next() for _ in range(3)] == [0, 1, 2]
    path.write_text("255\n")
    assert SessionNumber(path).next() == 0


def test_a_file_that_is_none_is_told_and_costs_nothing(tmp_path):
    """It begins at 0, and is kept again."""
    path = tmp_path / "session"
    path.write_text("many")
    said = []
    assert SessionNumber(path, said.append).next() == 0
    assert f"session_file: {path}: expected a number" in said[0]
    assert path.read_text() == "0\n"


def test_a_folder_that_is_not_there_is_told_once(tmp_path):
    """Numbers go on."""
    said = []
    number = SessionNumber(tmp_path / "gone" / "session", said.append)
    assert [number.next(), number.next()] == [0, 1]
    assert len(said) == 1
    assert "expected a file that can be written" in said[0]
