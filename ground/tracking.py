"""Runs in the experiment tracker: MLflow on an sqlite file, nothing sent anywhere."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ground.mlflow_client import mlflow_client, without_noise

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

DATABASE = "mlflow.db"
ARTEFACTS = "artifacts"

_METRICS_A_CALL = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class TrackedRun:
    """One run as the tracker shows it.

    Attributes:
        name: Name of the run.
        params: What went in.
        metrics: Single numbers that came out.
        curves: Numbers by epoch, from 1.
        tags: What it belongs to.
        files: Files kept with it.
    """

    name: str
    params: Mapping[str, str]
    metrics: Mapping[str, float]
    curves: Mapping[str, Sequence[float]]
    tags: Mapping[str, str]
    files: tuple[Path, ...]


def track(folder: Path, experiment: str, run: TrackedRun) -> str:
    """Record a run.

    Args:
        folder: Folder of the tracker's database and artefacts; made when it is missing.
        experiment: Name that groups runs.
        run: The run.

    Returns:
        The tracker's id of the run.

    Raises:
        Exception: Whatever the tracker and its database raise; their classes share no base.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with without_noise():
        client = mlflow_client(f"sqlite:///{(folder / DATABASE).resolve()}")
        run_id = _start(client, folder, experiment, run)
    for path in run.files:
        client.log_artifact(run_id, str(path))
    client.set_terminated(run_id)
    return run_id


def _start(client: Any, folder: Path, experiment: str, run: TrackedRun) -> str:
    from mlflow.entities import Metric, Param

    found = client.get_experiment_by_name(experiment)
    location = (folder / ARTEFACTS).resolve().as_uri()
    experiment_id = found.experiment_id if found else client.create_experiment(experiment, artifact_location=location)
    started = client.create_run(experiment_id, run_name=run.name, tags=dict(run.tags))
    run_id = str(started.info.run_id)
    metrics = [Metric(name, value, started.info.start_time, 0) for name, value in run.metrics.items()]
    metrics += [
        Metric(name, value, started.info.start_time, epoch)
        for name, values in run.curves.items()
        for epoch, value in enumerate(values, start=1)
    ]
    client.log_batch(run_id, params=[Param(name, value) for name, value in run.params.items()])
    for start in range(0, len(metrics), _METRICS_A_CALL):
        client.log_batch(run_id, metrics=metrics[start : start + _METRICS_A_CALL])
    return run_id
