"""The sqlite database of a local registry: made whole or not at all, and opened where this MLflow knows its tables."""

from __future__ import annotations

import os
import sqlite3
import tempfile
from contextlib import closing
from functools import cache
from pathlib import Path
from typing import Final

from edge_agent.journal_segment import sync_folder
from ground.errors import RegistryError
from ground.fleet.registry.store import asking
from ground.mlflow_client import mlflow_client

DATABASE: Final = "registry.db"
_UNREADABLE_IN_A_URI: Final = frozenset("?#%")


def database_uri(path: Path) -> str:
    """The address of a database for MLflow.

    Raises:
        RegistryError: Its path has a sign that addresses read otherwise.
    """
    absolute = str(path.resolve())
    if _UNREADABLE_IN_A_URI & set(absolute):
        raise RegistryError(f"--registry: expected a path without ? # %, got {absolute}; choose another folder")
    return f"sqlite:///{absolute}"


def make_database(path: Path) -> None:
    """Make an empty database where there is none; two at once make one.

    MLflow makes its tables in many steps, and cannot go on where it was killed between them: so it does that elsewhere,
    and the whole file takes its name in one step.

    Raises:
        RegistryError: MLflow cannot make it.
        OSError: The disk refuses.
    """
    if path.exists():
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        draft = Path(folder) / DATABASE
        with asking(str(draft)):
            mlflow_client(database_uri(draft)).search_registered_models(max_results=1)
        content = draft.read_bytes()
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as stream:
            os.fchmod(stream.fileno(), 0o644)
            stream.write(content)
            stream.flush()
            os.fsync(stream.fileno())
        os.link(name, path)
    except FileExistsError:
        pass  # another command made it meanwhile
    finally:
        Path(name).unlink(missing_ok=True)
    sync_folder(path.parent)


def check_database(path: Path) -> None:
    """Refuse what is no database of this MLflow, before MLflow changes it.

    Raises:
        RegistryError: No such file, no database, or of an older or newer MLflow.
    """
    from mlflow.version import VERSION

    found, head = _revision(path), _known()
    if found == head[0]:
        return
    if found in head:
        raise RegistryError(
            f"{path}: expected the tables of mlflow {VERSION}, got older ones ({found}); copy the folder, then "
            f"`mlflow db upgrade {database_uri(path)}`"
        )
    raise RegistryError(
        f"{path}: expected the tables of mlflow {VERSION}, got unknown ones ({found}), of a newer mlflow; update ground"
    )


def _revision(path: Path) -> str:
    # Not read-only: what a kill has left half written must be rolled back by whoever reads first.
    try:
        with closing(sqlite3.connect(f"{path.resolve().as_uri()}?mode=rw", uri=True)) as connection:
            rows = connection.execute("SELECT version_num FROM alembic_version").fetchall()
        return ",".join(str(row[0]) for row in rows)
    except sqlite3.Error as error:
        raise RegistryError(f"{path}: expected the database of a registry, got {error}; check --registry") from error


@cache
def _known() -> tuple[str, ...]:
    """Every version of the tables that this MLflow knows, the newest first."""
    import mlflow.store.db_migrations
    from alembic.script import ScriptDirectory

    scripts = ScriptDirectory(str(Path(mlflow.store.db_migrations.__file__).parent))
    return tuple(each.revision for each in scripts.walk_revisions())
