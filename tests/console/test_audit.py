"""The audit log and the accounts: what is on disk, and what damage does to it."""

from __future__ import annotations

import math
import multiprocessing
import sqlite3
import stat
from pathlib import Path

import pytest

from ground.console import accounts as accounts_module
from ground.console import secret
from ground.console.accounts import FILE as ACCOUNTS
from ground.console.accounts import Accounts
from ground.console.audit import FILE, HEAD_FILE, AuditLog
from ground.console.role import Role
from ground.console.secret import hash_password, is_password
from ground.errors import ConfigError, DataError

COST_OF_USERS = secret.COST


@pytest.fixture
def log(tmp_path: Path) -> AuditLog:
    """A log of three lines."""
    made = AuditLog(tmp_path)
    for number in range(3):
        made.note(user=f"user {number}", address="127.0.0.1", action="looked", detail=f"at {number}")
    return made


def lines(folder: Path) -> list[bytes]:
    """The lines of a log."""
    return (folder / FILE).read_bytes().splitlines(keepends=True)


def test_lines_follow_each_other(log, tmp_path):
    """They say who did what, and only the owner reads them."""
    deeds = list(log.deeds())
    assert [(deed.seq, deed.user, deed.detail) for deed in deeds] == [(n, f"user {n}", f"at {n}") for n in range(3)]
    assert stat.S_IMODE((tmp_path / FILE).stat().st_mode) == 0o600
    assert list(AuditLog(tmp_path / "none").deeds()) == []


@pytest.mark.parametrize("how", ["changed", "taken out", "first taken out", "swapped", "repeated"])
def test_what_somebody_has_changed_shows(log, tmp_path, how):
    """Each line holds the hash of the one before."""
    first, second, third = lines(tmp_path)
    kept = {
        "changed": [first, second.replace(b"user 1", b"user X"), third],
        "taken out": [first, third],
        "first taken out": [second, third],
        "swapped": [second, first, third],
        "repeated": [first, second, second, third],
    }[how]
    (tmp_path / FILE).write_bytes(b"".join(kept))
    with pytest.raises(DataError, match="expected it to follow the one before"):
        list(log.deeds())


@pytest.mark.parametrize("kept", [0, 2])
def test_a_log_that_was_cut_off_shows(log, tmp_path, kept):
    """Its last line is noted beside it; what is asked for is then neither noted nor done."""
    (tmp_path / FILE).write_bytes(b"".join(lines(tmp_path)[:kept]))
    with pytest.raises(DataError, match=r"expected line 3 as it is noted in audit\.head"):
        list(log.deeds())
    with pytest.raises(DataError, match="move both files away"):
        log.note(user="after", address="local", action="looked")
    (tmp_path / FILE).unlink()
    with pytest.raises(DataError, match="expected line 3"):
        list(log.deeds())


def test_a_log_that_was_made_anew_shows(log, tmp_path):
    """Its lines follow each other, and are others."""
    (tmp_path / "other").mkdir()
    other = AuditLog(tmp_path / "other")
    for number in range(4):
        other.note(user=f"other {number}", address="127.0.0.1", action="looked")
    (tmp_path / FILE).write_bytes((tmp_path / "other" / FILE).read_bytes())
    with pytest.raises(DataError, match="expected line 3 as it is noted"):
        list(log.deeds())


def test_a_note_of_the_last_line_that_is_none_is_told_of(log, tmp_path):
    """Like a damaged line."""
    (tmp_path / HEAD_FILE).write_text("3:abc")
    with pytest.raises(DataError, match="expected SEQ:HASH"):
        log.note(user="after", address="local", action="looked")


def test_what_fails_is_noted_too(log):
    """Beside what was asked for; what cannot be noted is not begun."""
    with pytest.raises(ZeroDivisionError), log.noting(user="a", address="local", action="divide", subject="one"):
        _ = 1 / 0
    assert [(deed.action, deed.detail) for deed in log.deeds()][-2:] == [
        ("divide", "one"),
        ("divide refused", "one: division by zero"),
    ]


def test_a_torn_line_is_cut_off(log, tmp_path):
    """A power cut in the middle of a line costs that line alone."""
    head = (tmp_path / HEAD_FILE).read_bytes()
    log.note(user="torn", address="local", action="looked")
    # The last line is noted once it is whole on disk.
    (tmp_path / HEAD_FILE).write_bytes(head)
    (tmp_path / FILE).write_bytes(b"".join(lines(tmp_path))[:-20])
    log.note(user="after", address="local", action="looked")
    assert [deed.user for deed in log.deeds()] == ["user 0", "user 1", "user 2", "after"]


@pytest.mark.parametrize("text", ["\x1b[2J", "\ud800", "x" * 10_000, "\n{}", "\u202e"])
def test_nothing_that_commands_a_terminal_is_noted(log, text):
    """Whoever shows the log sees it as it is."""
    log.note(user=text, address=text, action=text, detail=text)
    deed = list(log.deeds())[-1]
    assert all(part.isprintable() and len(part) <= 500 for part in (deed.user, deed.action, deed.detail))


def _note_some(folder: Path) -> None:
    for number in range(20):
        AuditLog(folder).note(user="many", address="local", action=f"deed {number}")


def test_several_processes_add_to_it(tmp_path):
    """The server and ``ground console user``: no line is lost or torn."""
    context = multiprocessing.get_context("fork")
    processes = [context.Process(target=_note_some, args=(tmp_path,)) for _ in range(3)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    assert len(list(AuditLog(tmp_path).deeds())) == 60


def test_passwords_are_dear_and_are_not_there(tmp_path):
    """Nobody who reads the file can log in: neither with a password nor with a session."""
    accounts = Accounts(tmp_path)
    accounts.add("alice", Role.APPROVER, b"correct horse")
    session = accounts.log_in("alice", b"correct horse")
    content = b"".join(path.read_bytes() for path in tmp_path.iterdir())
    assert b"correct horse" not in content
    assert session.token.encode() not in content
    assert stat.S_IMODE((tmp_path / ACCOUNTS).stat().st_mode) == 0o600
    accounts.close()
    # RFC 7914: 128 * N * r bytes of memory.
    n, r, p = COST_OF_USERS
    assert 128 * n * r >= 32 * 1024**2
    assert p >= 3


def test_the_same_password_is_kept_in_two_ways():
    """Each has a salt of its own."""
    first, second = hash_password(b"secret"), hash_password(b"secret")
    assert first != second
    assert is_password(b"secret", first)
    assert is_password(b"secret", second)
    assert not is_password(b"Secret", first)


def test_scrypt_is_that_of_the_rfc():
    """RFC 7914, section 12, third vector, whose key begins so."""
    kept = (
        "scrypt$16384$8$1$536f6469756d43686c6f72696465$7023bdcb3afd7348461c06cd81fd38ebfda8fbba904f8e3ea9b543f6545da1f2"
    )
    assert is_password(b"pleaseletmein", kept)


@pytest.mark.parametrize("name", ["", "a b", "../x", "<b>", "\u00fc", "x" * 65, "-x", "a\n"])
def test_names_of_users_are_plain(tmp_path, name):
    """They stand in logs and verdicts."""
    accounts = Accounts(tmp_path)
    with pytest.raises(ConfigError, match="choose another name"):
        accounts.add(name, Role.VIEWER, b"correct horse")
    accounts.close()


def test_other_files_are_refused(tmp_path):
    """With what to do; nothing is overwritten."""
    (tmp_path / ACCOUNTS).write_text("something else" * 100)
    with pytest.raises(ConfigError, match="move the file away"):
        Accounts(tmp_path)
    (tmp_path / ACCOUNTS).unlink()
    with sqlite3.connect(tmp_path / ACCOUNTS) as later:
        later.execute("PRAGMA user_version = 7")
    later.close()
    with pytest.raises(ConfigError, match="expected users of version 1, got 7"):
        Accounts(tmp_path)


def test_removing_nobody_says_so(tmp_path):
    """A typing error does not look like success."""
    accounts = Accounts(tmp_path)
    with pytest.raises(ConfigError, match="user list"):
        accounts.remove("bob")
    accounts.close()


@pytest.mark.parametrize("how", ["changed", "removed"])
def test_a_login_under_way_does_not_outlive_its_password(tmp_path, monkeypatch, how):
    """Somebody logs in with a password that leaked while an administrator takes it back."""
    accounts = Accounts(tmp_path)
    accounts.add("alice", Role.APPROVER, b"leaked password")

    def meanwhile(password, kept):
        if how == "changed":
            accounts.add("alice", Role.APPROVER, b"another password")
        else:
            accounts.remove("alice")
        return is_password(password, kept)

    monkeypatch.setattr(accounts_module, "is_password", meanwhile)
    assert accounts.log_in("alice", b"leaked password") is None
    accounts.close()


def test_a_change_of_a_user_is_one_step(tmp_path):
    """One that fails half way leaves rights and sessions as they were."""
    clock = iter((1_790_000_000.0, 1_790_000_000.0, math.nan, 1_790_000_000.0))
    accounts = Accounts(tmp_path, now_s=lambda: next(clock))
    accounts.add("alice", Role.VIEWER, b"correct horse")
    session = accounts.log_in("alice", b"correct horse")
    with pytest.raises(ValueError, match="NaN"):
        accounts.add("alice", Role.APPROVER, b"another horse")
    assert accounts.session(session.token) == session
    accounts.close()
