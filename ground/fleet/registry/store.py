"""MLflow's model registry as the registry uses it: a chain of decisions, and what people see beside it.

The decisions of detector ``d`` are the versions of the model ``d.decisions``, which MLflow numbers without gaps, each
written at once with its tags. The versions of the model ``d``, their tag ``enginear.state`` and the aliases
``active-FLEET`` and ``shadow-FLEET`` are for people and other tools; nothing is read from them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final

from ground.errors import RegistryError
from ground.fleet.registry.artefacts import Stored
from ground.fleet.registry.decision import NOBODY, Decision
from ground.fleet.registry.history import Entry, History, RegisteredVersion
from ground.fleet.registry.states import PLACES
from ground.mlflow_client import without_noise

SCHEMA: Final = "1"
_SUFFIX: Final = ".decisions"
_KIND, _SCHEMA = "enginear.kind", "enginear.schema"
_DECISION, _STATE, _DIGEST = "enginear.decision", "enginear.state", "enginear.digest"
_DETECTOR, _DECISIONS = "detector", "decisions"
_PAGE: Final = 1000
_EXISTS: Final = "RESOURCE_ALREADY_EXISTS"
_MISSING: Final = "RESOURCE_DOES_NOT_EXIST"
_LONGEST_ERROR: Final = 300

Locate = Callable[[str], Stored]


class Store:
    """What is kept in MLflow.

    Args:
        client: An ``MlflowClient``.
    """

    def __init__(self, client: Any) -> None:
        self._client = client

    def detectors(self) -> tuple[str, ...]:
        """Names of the detectors that have decisions."""
        models = _pages(lambda token: self._client.search_registered_models(max_results=_PAGE, page_token=token))
        return tuple(sorted(each.name.removesuffix(_SUFFIX) for each in models if each.tags.get(_KIND) == _DECISIONS))

    def entries(self, detector: str) -> list[Entry]:
        """The decisions of a detector as they were written; none where there is no such detector."""
        return [
            Entry(int(each.version), each.tags.get(_DECISION, "").encode())
            for each in self._versions(detector + _SUFFIX)
        ]

    def append(self, decision: Decision, bundle: Stored) -> None:
        """Write a decision, in one step.

        Args:
            decision: The decision.
            bundle: Where the bundle that it is about lies.
        """
        subject = decision.subject
        name = subject.detector + _SUFFIX
        # Who cannot show it has not decided it: a model of that name may be somebody else's.
        self._model(subject.detector, _DETECTOR)
        if decision.follows == NOBODY:
            self._model(name, _DECISIONS)
        self._client.create_model_version(
            name,
            bundle.uri,
            run_id=bundle.run or None,
            tags={_DECISION: decision.to_json().decode()},
            description=f"{subject.name}: {decision.state.value}, by {decision.by}: {decision.reason}",
            await_creation_for=0,
        )

    def show(self, history: History, locate: Locate) -> None:
        """Make what people see in MLflow follow from a history.

        Args:
            history: Of one detector.
            locate: Where the bundle of a digest lies.
        """
        model = self._model(history.detector, _DETECTOR)
        shown = self._shown(history.detector)
        for each in history.versions.values():
            if each.subject.digest not in shown:
                shown[each.subject.digest] = self._create(each, locate(each.subject.digest))
            elif shown[each.subject.digest].tags.get(_STATE) != each.state.value:
                number = shown[each.subject.digest].version
                self._client.set_model_version_tag(history.detector, number, _STATE, each.state.value)
        self._point(history, model, {digest: str(each.version) for digest, each in shown.items()})

    def _shown(self, detector: str) -> dict[str, Any]:
        """Model versions by digest of their bundle; one that two commands have made at once goes again."""
        shown: dict[str, Any] = {}
        for each in self._versions(detector):
            digest = each.tags.get(_DIGEST, "")
            if digest and digest in shown:
                self._client.delete_model_version(detector, each.version)
            elif digest:
                shown[digest] = each
        return shown

    def _create(self, version: RegisteredVersion, bundle: Stored) -> Any:
        subject = version.subject
        facts = {"version": subject.version, "fleet": subject.fleet, "class": subject.release_class}
        tags = {_DIGEST: subject.digest, _STATE: version.state.value}
        return self._client.create_model_version(
            subject.detector,
            bundle.uri,
            run_id=bundle.run or None,
            tags={**tags, **{f"enginear.{name}": value for name, value in facts.items()}},
            description=f"{subject.name} for fleet {subject.fleet}",
            await_creation_for=0,
        )

    def _point(self, history: History, model: Any, numbers: dict[str, str]) -> None:
        wanted = {
            f"{each.state.value}-{each.subject.fleet}": numbers[each.subject.digest]
            for each in history.versions.values()
            if each.state in PLACES
        }
        found = {
            alias: str(number)
            for alias, number in model.aliases.items()
            if alias.startswith(tuple(f"{state.value}-" for state in PLACES))
        }
        for alias in sorted(found.keys() - wanted.keys()):
            self._client.delete_registered_model_alias(history.detector, alias)
        for alias, number in sorted(wanted.items()):
            if found.get(alias) != number:
                self._client.set_registered_model_alias(history.detector, alias, number)

    def _versions(self, name: str) -> list[Any]:
        found = _pages(
            lambda token: self._client.search_model_versions(f"name = '{name}'", max_results=_PAGE, page_token=token)
        )
        return sorted(found, key=lambda each: int(each.version))

    def _model(self, name: str, kind: str) -> Any:
        """The registered model of a name, made where it is missing."""
        from mlflow.exceptions import MlflowException

        try:
            model = self._client.get_registered_model(name)
        except MlflowException as error:
            if error.error_code != _MISSING:
                raise
            model = self._made(name, kind)
        if (model.tags.get(_KIND), model.tags.get(_SCHEMA)) != (kind, SCHEMA):
            raise RegistryError(
                f"{name}: expected a model of {kind} of schema {SCHEMA} in MLflow, got one of "
                f"{model.tags.get(_KIND, 'somebody else')} of schema {model.tags.get(_SCHEMA, 'none')}; update "
                "ground, or choose another registry"
            )
        return model

    def _made(self, name: str, kind: str) -> Any:
        from mlflow.exceptions import MlflowException

        try:
            return self._client.create_registered_model(name, tags={_KIND: kind, _SCHEMA: SCHEMA})
        except MlflowException as error:
            if error.error_code != _EXISTS:
                raise
            return self._client.get_registered_model(name)


@contextmanager
def asking(where: str) -> Iterator[None]:
    """Errors of MLflow and its database as ours.

    Raises:
        RegistryError: Whatever they raised, and what to do.
    """
    from mlflow.exceptions import MlflowException
    from sqlalchemy.exc import SQLAlchemyError

    try:
        with without_noise():
            yield
    except (MlflowException, SQLAlchemyError) as error:
        text = " ".join(str(error).split())
        raise RegistryError(
            f"{where}: expected a registry that answers, got {text[:_LONGEST_ERROR]}; check --registry, and that the "
            "server or disk is there"
        ) from error


def _pages(ask: Callable[[str | None], Any]) -> list[Any]:
    found: list[Any] = []
    token: str | None = None
    while True:
        page = ask(token)
        found += list(page)
        token = page.token
        if not token:
            return found
