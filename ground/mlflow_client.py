"""The one way to MLflow: nothing is sent to its makers, and what goes wrong is raised, not logged."""

from __future__ import annotations

import logging
import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

_SETTINGS = {
    "MLFLOW_LOGGING_LEVEL": "CRITICAL",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "2",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "30",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
}
"""Defaults of ours; MLflow's own wait minutes for a server that is not there, and print."""


def mlflow_client(uri: str) -> Any:
    """A client of a tracker and registry.

    Args:
        uri: ``sqlite:///`` with a path, or the ``http(s)://`` address of a server.

    Raises:
        MlflowException: It is of another version, or cannot be opened.
    """
    # mlflow reads these while it is imported, which takes seconds: so here and not at the top.
    os.environ["MLFLOW_DISABLE_TELEMETRY"] = "true"
    for name, value in _SETTINGS.items():
        os.environ.setdefault(name, value)
    from mlflow.tracking import MlflowClient

    logging.getLogger("mlflow").setLevel(logging.CRITICAL)
    return MlflowClient(tracking_uri=uri, registry_uri=uri)


@contextmanager
def without_noise() -> Iterator[None]:
    """Leaves out warnings that are no news."""
    with warnings.catch_warnings():
        # mlflow 3.17 on SQLAlchemy 2.1 declares a relationship with a loader that has been deprecated since.
        warnings.filterwarnings("ignore", message="The ``noload`` loader", category=DeprecationWarning)
        yield
