"""The audit log and the accounts: what is on disk, and what damage does to it."""

from __future__ import annotations

import multiprocessing
import sqlite3
import stat
from pathlib import Path

import pytest

from ground.console import secret
from ground.console.accounts import FILE as ACCOUNTS
from ground.console.accounts import Accounts
from ground.console.audit import FILE, AuditLog
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


def test_a_torn_line_is_cut_off(log, tmp_path):
    """A power cut in the middle of a line costs that line alone."""
    content = b"".join(lines(tmp_path))
    (tmp_path / FILE).write_bytes(content[:-20])
    log.note(user="after", address="local", action="looked")
    assert [deed.user for deed in log.deeds()] == ["user 0", "user 1", "after"]


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
