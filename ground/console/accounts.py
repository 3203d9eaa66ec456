"""Who may look, and who is logged in: ``console.sqlite``, shared by the server and ``ground console user``."""

from __future__ import annotations

import hashlib
import re
import secrets
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from ground.console.role import Role
from ground.console.secret import hash_password, is_password, nobodys
from ground.errors import ConfigError

FILE: Final = "console.sqlite"
SCHEMA: Final = 1
LONGEST_S: Final = 12 * 3_600
"""A session ends so long after the login, s."""
IDLE_S: Final = 2 * 3_600
"""Or so long after somebody last asked for a page, s."""
_NOTED_EVERY_S = 60
_TOKEN_BYTES = 32
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.@-]{0,63}")
_PRIVATE = 0o600
_PATIENCE_S = 5.0
_TABLES = """
CREATE TABLE IF NOT EXISTS user (
    name TEXT PRIMARY KEY, role TEXT NOT NULL, password TEXT NOT NULL, added_s INTEGER NOT NULL
) STRICT;
CREATE TABLE IF NOT EXISTS session (
    token TEXT PRIMARY KEY, name TEXT NOT NULL REFERENCES user (name) ON DELETE CASCADE,
    csrf TEXT NOT NULL, begun_s INTEGER NOT NULL, seen_s INTEGER NOT NULL
) STRICT;
"""


@dataclass(frozen=True, slots=True)
class User:
    """Somebody who may log in.

    Attributes:
        name: As typed at the login.
        role: What they may do.
        added_s: When they were added, seconds since 1970.
    """

    name: str
    role: Role
    added_s: int


@dataclass(frozen=True, slots=True)
class Session:
    """Somebody who is logged in.

    Attributes:
        name: Of the user.
        role: What they may do now.
        csrf: The token that their forms carry.
        token: What their cookie holds.
    """

    name: str
    role: Role
    csrf: str
    token: str


class Accounts:
    """The users and sessions of one console.

    Args:
        folder: Of the console; it is made where it is missing.
        now_s: Wall time, s.

    Raises:
        ConfigError: The file is of another version, or none of ours.
        OSError: The disk refuses.
    """

    def __init__(self, folder: Path, *, now_s: Callable[[], float] = time.time) -> None:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._path = folder / FILE
        self._now_s = now_s
        self._lock = threading.Lock()
        self._path.touch(mode=_PRIVATE)
        try:
            self._connection = sqlite3.connect(
                self._path, timeout=_PATIENCE_S, check_same_thread=False, isolation_level=None
            )
            self._prepare()
        except sqlite3.DatabaseError as error:
            raise ConfigError(
                f"{self._path}: expected the users of a console, got {error}; move the file away and add them again"
            ) from error

    def close(self) -> None:
        """Let go of the file."""
        self._connection.close()

    def add(self, name: str, role: Role, password: bytes) -> None:
        """Add a user, or give one another role and password, which ends their sessions.

        Raises:
            ConfigError: The name is none.
        """
        check_name(name)
        kept = hash_password(password)
        with self._lock, self._at_once():
            self._connection.execute("DELETE FROM session WHERE name = ?", (name,))
            self._connection.execute(
                "INSERT INTO user VALUES (?, ?, ?, ?) "
                "ON CONFLICT (name) DO UPDATE SET role = excluded.role, password = excluded.password",
                (name, role.value, kept, int(self._now_s())),
            )

    def remove(self, name: str) -> None:
        """Remove a user and their sessions.

        Raises:
            ConfigError: There is none of that name.
        """
        with self._lock, self._at_once():
            if not self._connection.execute("DELETE FROM user WHERE name = ?", (name,)).rowcount:
                raise _unknown(name)

    def find(self, name: str) -> User:
        """The user of a name.

        Raises:
            ConfigError: There is none.
        """
        for user in self.users():
            if user.name == name:
                return user
        raise _unknown(name)

    def users(self) -> tuple[User, ...]:
        """All users, by name."""
        with self._lock:
            rows = self._connection.execute("SELECT name, role, added_s FROM user ORDER BY name").fetchall()
        return tuple(User(name, Role(role), added_s) for name, role, added_s in rows)

    def log_in(self, name: str, password: bytes) -> Session | None:
        """Begin a session; none where name or password are wrong, which takes as long, or were changed meanwhile."""
        with self._lock:
            row = self._connection.execute("SELECT password, role FROM user WHERE name = ?", (name,)).fetchone()
        kept, role = row or (nobodys(), Role.VIEWER.value)
        if not is_password(password, kept) or row is None:
            return None
        session = Session(name, Role(role), secrets.token_urlsafe(), secrets.token_urlsafe(_TOKEN_BYTES))
        now_s = int(self._now_s())
        with self._lock, self._at_once():
            self._forget_old(now_s)
            # Of the user whose password was looked at: somebody may have changed or removed it since then.
            begun = self._connection.execute(
                "INSERT INTO session SELECT ?, name, ?, ?, ? FROM user WHERE name = ? AND password = ?",
                (_kept(session.token), session.csrf, now_s, now_s, name, kept),
            ).rowcount
        return session if begun else None

    def session(self, token: str, *, is_use: bool = True) -> Session | None:
        """The session of a cookie; none where there is none, or it is over.

        Args:
            token: What the cookie holds.
            is_use: Whether somebody uses it; a page that asks by itself does not keep it from ending.
        """
        now_s = int(self._now_s())
        with self._lock:
            row = self._connection.execute(
                "SELECT user.name, role, csrf, begun_s, seen_s FROM session JOIN user USING (name) WHERE token = ?",
                (_kept(token),),
            ).fetchone()
            if row is None:
                return None
            name, role, csrf, begun_s, seen_s = row
            if _is_over(now_s, begun_s, seen_s):
                return None
            if is_use and now_s - seen_s >= _NOTED_EVERY_S:
                self._connection.execute("UPDATE session SET seen_s = ? WHERE token = ?", (now_s, _kept(token)))
        return Session(name, Role(role), csrf, token)

    def log_out(self, token: str) -> None:
        """End a session."""
        with self._lock:
            self._connection.execute("DELETE FROM session WHERE token = ?", (_kept(token),))

    @contextmanager
    def _at_once(self) -> Iterator[None]:
        """All that the block changes, or nothing of it; other processes see no part."""
        self._connection.execute("BEGIN IMMEDIATE")
        try:
            yield
            self._connection.execute("COMMIT")
        except BaseException:
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")
            raise

    def _prepare(self) -> None:
        (version,) = self._connection.execute("PRAGMA user_version").fetchone()
        if version not in (0, SCHEMA):
            raise ConfigError(
                f"{self._path}: expected users of version {SCHEMA}, got {version}; use the console that wrote it"
            )
        self._connection.execute("PRAGMA foreign_keys = ON")
        self._connection.executescript(f"{_TABLES} PRAGMA user_version = {SCHEMA};")

    def _forget_old(self, now_s: int) -> None:
        self._connection.execute(
            "DELETE FROM session WHERE begun_s <= ? OR seen_s <= ?", (now_s - LONGEST_S, now_s - IDLE_S)
        )


def check_name(name: str) -> None:
    """Say what is wrong with the name of a user.

    Raises:
        ConfigError: It is none.
    """
    if not _NAME.fullmatch(name):
        raise ConfigError(
            f"user: expected letters, digits and . _ @ -, at most 64, got {name!r:.80}; choose another name"
        )


def _unknown(name: str) -> ConfigError:
    return ConfigError(f"user: expected one of the console, got {name!r:.80}; `ground console user list` names them")


def _is_over(now_s: int, begun_s: int, seen_s: int) -> bool:
    return now_s - begun_s >= LONGEST_S or now_s - seen_s >= IDLE_S


def _kept(token: str) -> str:
    """What the file holds of a token: whoever reads the file cannot log in with it."""
    return hashlib.sha256(token.encode()).hexdigest()
