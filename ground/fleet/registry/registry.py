"""The registry: versions of detectors, decisions about them, and the bundles they are."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final

from edge_agent.archive import read_archive
from edge_agent.layout import METRICS
from ground.errors import RegistryError
from ground.fleet.registry.artefacts import BUNDLE, REPORT, Artefacts, FolderArtefacts, ServerArtefacts
from ground.fleet.registry.decision import Decision
from ground.fleet.registry.history import History, RegisteredVersion, history_of
from ground.fleet.registry.intake import SignedBundle, read_signed
from ground.fleet.registry.plan import (
    NO_REPORT,
    Moment,
    Promotion,
    check_person,
    plan_promotion,
    plan_registration,
    plan_retirement,
)
from ground.fleet.registry.states import State
from ground.fleet.registry.store import Store, asking

if TYPE_CHECKING:
    from ground.fleet.registry.comparison import Comparison

ARTEFACTS: Final = "artefacts"
_REGISTERED: Final = "registered"
_ATTEMPTS: Final = 5
_DETECTOR: Final = re.compile(r"[a-z][a-z0-9_]{0,63}")
_SERVERS: Final = ("http://", "https://")


def open_registry(location: str | Path, *, make: bool = False) -> Registry:
    """Open a registry.

    Args:
        location: A folder, or the ``http(s)://`` address of an MLflow server.
        make: Whether a folder may be made into one.

    Raises:
        RegistryError: It is not there, cannot be reached, or is of another version.
        OSError: The disk refuses.
    """
    from ground.mlflow_client import mlflow_client

    where = str(location)
    _refuse_password(where)
    if where.startswith(_SERVERS):
        with asking(where):
            client = mlflow_client(where)
        return Registry(where, Store(client), ServerArtefacts(client))
    if "://" in where:
        raise RegistryError(f"--registry: expected a folder, or a URL with http or https, got {where}; correct it")
    return _open_folder(Path(location), make=make)


def _refuse_password(address: str) -> None:
    """Errors name the address, and so does the list of processes."""
    if "@" in address.partition("://")[2].partition("/")[0]:
        raise RegistryError(
            "--registry: expected a URL without a user or password, got one with them; the environment gives them: "
            "MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD"
        )


def _open_folder(folder: Path, *, make: bool) -> Registry:
    from ground.fleet.registry.database import DATABASE, check_database, database_uri, make_database
    from ground.mlflow_client import mlflow_client

    database = folder / DATABASE
    uri = database_uri(database)
    if make:
        make_database(database)
    if not database.is_file():
        raise RegistryError(
            f"--registry: expected a folder with {DATABASE}, got {folder}, which has none; give another, or begin one "
            "with `ground registry register`"
        )
    check_database(database)
    with asking(str(folder)):
        client = mlflow_client(uri)
    return Registry(str(folder), Store(client), FolderArtefacts(folder / ARTEFACTS))


class Registry:
    """An open registry; ``open_registry`` makes one.

    Args:
        where: Names it in errors.
        store: What is kept in MLflow.
        artefacts: The bundles, and the reports behind promotions.
    """

    def __init__(self, where: str, store: Store, artefacts: Artefacts) -> None:
        self._where = where
        self._store = store
        self._artefacts = artefacts

    def detectors(self) -> tuple[str, ...]:
        """Names of the detectors that are registered.

        Raises:
            RegistryError: The registry does not answer.
        """
        with asking(self._where):
            return self._store.detectors()

    def history(self, detector: str) -> History:
        """Every decision about a detector, and what follows from them.

        Raises:
            RegistryError: There is no such detector, its decisions are damaged, or the registry does not answer.
        """
        history = self._read(detector)
        if not history.decisions:
            known = ", ".join(self.detectors()) or "none"
            raise RegistryError(
                f"{self._where}: expected a registered detector ({known}), got {detector!r}; correct it"
            )
        return history

    def versions(self, detector: str) -> tuple[RegisteredVersion, ...]:
        """The versions of a detector, in the order of registration.

        Raises:
            RegistryError: As ``history``.
        """
        return tuple(self.history(detector).versions.values())

    def version(self, name: str) -> RegisteredVersion:
        """One version.

        Args:
            name: ``<detector>/<version>``.

        Raises:
            RegistryError: It is not registered; or as ``history``.
        """
        detector, version = _split(name)
        return self.history(detector).version(version)

    def bundle(self, name: str) -> bytes:
        """The signed file of a version, its digest checked.

        Raises:
            RegistryError: It is missing or another than was registered; or as ``version``.
        """
        return self._content(self.version(name).subject.digest, BUNDLE)

    def report(self, decision: Decision) -> bytes:
        """The shadow report that a decision rests on, its digest checked.

        Raises:
            RegistryError: It is missing or another, or the decision rests on something else.
        """
        return self._content(decision.evidence, REPORT)

    def register(self, path: Path, *, keys: Iterable[Path], by: str) -> RegisteredVersion:
        """Register a bundle, in state development; again, it puts back a file that has gone missing.

        Args:
            path: A ``.bundle`` file, or ``models/<detector>/<version>`` with one.
            keys: Public keys, of which one must have signed it.
            by: Who registers.

        Raises:
            BundleError: No agent would take it.
            RegistryError: The version is registered as another bundle, or the registry does not answer.
        """
        return self.register_signed(read_signed(path, keys), by=by)

    def register_signed(self, signed: SignedBundle, *, by: str) -> RegisteredVersion:
        """The same of a bundle that was read and verified already."""
        check_person(by, _REGISTERED)
        subject = signed.subject
        with asking(self._where):
            self._artefacts.put(signed.content, BUNDLE)

        def plan(history: History) -> tuple[Decision, ...]:
            known = history.versions.get(subject.version)
            if known is not None and known.subject == subject:
                return ()
            return (plan_registration(history, subject, Moment(by, _REGISTERED, _now())),)

        return self._decide(self._read(subject.detector), plan).version(subject.version)

    def promote(self, name: str, asked: Promotion) -> RegisteredVersion:
        """Give a version the next state; where it has it already, nothing is decided.

        Args:
            name: ``<detector>/<version>``.
            asked: What, by whom, on what evidence.

        Raises:
            PromotionError: Not allowed, or the evidence does not do.
            RegistryError: It is not registered, its bundle is missing or changed, or the registry does not answer.
        """
        detector, version = _split(name)
        before = self.history(detector)
        metrics = read_archive(self._content(before.version(version).subject.digest, BUNDLE))[METRICS]

        def plan(history: History) -> tuple[Decision, ...]:
            if history.version(version).state is asked.to:
                return ()
            return (plan_promotion(history, version, asked, metrics, _now()),)

        if plan(before) and asked.report != NO_REPORT:
            with asking(self._where):
                self._artefacts.put(asked.report, REPORT)
        return self._decide(before, plan).version(version)

    def retire(self, name: str, *, approver: str, reason: str) -> RegisteredVersion:
        """Retire a version, for ever; where it is, nothing is decided.

        Raises:
            PromotionError: Nobody, or no reason.
            RegistryError: It is not registered, or the registry does not answer.
        """
        check_person(approver, reason)
        detector, version = _split(name)
        before = self.history(detector)

        def plan(history: History) -> tuple[Decision, ...]:
            if history.version(version).state is State.RETIRED:
                return ()
            return (plan_retirement(history, version, Moment(approver, reason, _now())),)

        return self._decide(before, plan).version(version)

    def compare(self, before: str, after: str) -> Comparison:
        """Two versions side by side.

        Raises:
            RegistryError: As ``bundle``.
            DataError: The metrics of one cannot be read.
        """
        from ground.fleet.registry.comparison import compare

        return compare(self.version(before), self.bundle(before), self.version(after), self.bundle(after))

    def _decide(self, history: History, plan: Callable[[History], tuple[Decision, ...]]) -> History:
        """Write what is planned, anew where another decision came first; then make MLflow show it."""
        for _ in range(_ATTEMPTS):
            decisions = plan(history)
            if not decisions:
                return self._settle(history)
            with asking(self._where):
                for decision in decisions:
                    self._store.append(decision, self._artefacts.locate(decision.subject.digest, BUNDLE))
            history = self._read(history.detector)
            if set(decisions) <= set(history.decisions):
                return self._settle(history)
        raise RegistryError(
            f"{self._where}: expected to decide within {_ATTEMPTS} attempts, got others who decided first; try again"
        )

    def _settle(self, history: History) -> History:
        while True:
            with asking(self._where):
                self._store.show(history, lambda digest: self._artefacts.locate(digest, BUNDLE))
            latest = self._read(history.detector)
            if latest.head == history.head:
                return latest
            history = latest

    def _read(self, detector: str) -> History:
        if not _DETECTOR.fullmatch(detector):
            raise RegistryError(
                f"detector: expected a name of the form {_DETECTOR.pattern}, got {detector!r}; correct it"
            )
        with asking(self._where):
            return history_of(detector, self._store.entries(detector))

    def _content(self, digest: str, suffix: str) -> bytes:
        with asking(self._where):
            return self._artefacts.get(digest, suffix)


def _split(name: str) -> tuple[str, str]:
    detector, slash, version = name.partition("/")
    if not slash or not version:
        raise RegistryError(
            f"version: expected DETECTOR/VERSION such as engine_vibration/1.0.0, got {name!r}; correct it"
        )
    return detector, version


def _now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
