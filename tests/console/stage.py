"""A workspace and a dataset to look at: a detector made of a simulated fleet, and flights that it assessed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from importlib.resources import as_file, files
from pathlib import Path
from typing import Self

import yaml

from edge_agent.detector import LoadedModel
from edge_agent.frame import NS_PER_S
from ground.batch import ModelSource, load_signed
from ground.config import Config, load_config
from ground.keys import PUBLIC_KEY, load_private_key, new_key_pair
from ground.password import NO_FILE, PasswordSource
from ground.pipeline import run_pipeline
from ground.progress import silent
from ground.recording_index import read_index
from ground.recordings import load_recording
from ground.simulate import FleetConfig, simulate_fleet
from ground.workspace import Workspace
from tests.console.flown import Flown, fly

BEGIN_NS = 1_794_960_000 * NS_PER_S
"""2026-11-18."""
VERSIONS = ("1.0.0", "1.1.0")
AIRCRAFT = ("OO-ABC", "OO-DEF", "OO-XYZ")
FLIGHTS = 8
HALF_A_DAY_NS = 43_200 * NS_PER_S
GATES = {
    "auc_min": 0.6, "precision_min": 0.15, "recall_min": 0.3, "false_alarm_rate_max": 0.4, "confidence": 0.6,
    "latency_p99_max_ms": 5_000.0,
}  # fmt: skip
DECISION = {"false_alarm_rate": 0.2, "confidence": 0.6}
"""Low enough for a fleet that is simulated in seconds: the pages show what passes and how a promotion goes."""


@dataclass(frozen=True)
class Stage:
    """What there is to look at."""

    workspace: Workspace
    dataset: Path
    key: Path
    active: Path
    shadow: Path

    @classmethod
    def at(cls, folder: Path) -> Self:
        """The stage that lies in a folder, made or to be made."""
        workspace = Workspace(folder / "workspace")
        name = "engine_vibration_detector"
        bundles = (workspace.release(name, version) / f"{name}-{version}.bundle" for version in VERSIONS)
        return cls(workspace, folder / "fleet", workspace.root / "keys" / PUBLIC_KEY, *bundles)

    def config_file(self, folder: Path) -> Path:
        """The config of the last evaluation, in a folder."""
        path = folder / "config.yaml"
        path.write_text(yaml.safe_dump(_config(1).model_dump(mode="json", by_alias=True)))
        return path


def make_stage(folder: Path) -> Stage:
    """Make it; a minute or two."""
    made = Stage.at(folder)
    workspace = made.workspace
    made.dataset.mkdir(parents=True)
    simulate_fleet(
        FleetConfig(seed=2025, n_healthy=24, n_faulty=8, n_sensor_faulty=1, flight_s=30.0, severity_floor=0.5),
        workspace.raw,
        progress=_unwatched,
    )
    keys = new_key_pair(workspace.root / "keys")
    key = load_private_key(keys.private, PasswordSource(NO_FILE).ask)
    for number, version in enumerate(VERSIONS):
        run_pipeline(_config(number), workspace, version=version, key=key, progress=silent, force=False)
    active, shadow = (_loaded(bundle, keys.public) for bundle in (made.active, made.shadow))
    fly(_flights(folder / "service", active), made.dataset, active=active, shadows=(shadow,), folder=folder / "agents")
    return made


def _config(number: int) -> Config:
    with as_file(files("ground.configs") / "engine_vibration.yaml") as path:
        config = load_config(path)
    return config.model_copy(
        update={
            "decision": config.decision.model_copy(update=DECISION),
            "gates": config.gates.model_copy(update=GATES),
            "model": config.model.model_copy(update={"baselines": ("mahalanobis",)}),
            "bundle": config.bundle.model_copy(update={"sequence": number + 1}),
            "seed": config.seed + number,
        }
    )


def _loaded(bundle: Path, key: Path) -> LoadedModel:
    return load_signed(ModelSource(bundle, (key,)))


def _flights(raw: Path, model: LoadedModel) -> Iterator[Flown]:
    """Flights of six engines: one has a fault that grows, one a sensor that dies."""
    fleet = FleetConfig(
        seed=7, n_healthy=4, n_faulty=1, n_sensor_faulty=1, flights_per_engine=FLIGHTS, flight_s=40.0,
        severity_floor=0.3, faults=("bearing_outer",), sensor_faults=("sensor_dropout",),
    )  # fmt: skip
    simulate_fleet(fleet, raw, progress=_unwatched)
    units: dict[str, list[Flown]] = {}
    for info in read_index(raw):
        number, flown = len(units.setdefault(info.unit_id, [])), units[info.unit_id]
        place = list(units).index(info.unit_id)
        recording = load_recording(raw, info, conditions=model.spec.speeds)
        start_ns = BEGIN_NS + number * HALF_A_DAY_NS + place * 600 * NS_PER_S
        flown.append(
            Flown(AIRCRAFT[place // 2], str(place % 2 + 1), f"F{1000 + 10 * number + place}", start_ns, recording)
        )
    yield from sorted((each for flown in units.values() for each in flown), key=lambda each: each.start_ns)


def _unwatched(done: int, total: int) -> None:
    """Progress that nobody looks at."""
