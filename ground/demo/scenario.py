"""What a demo runs on: the simulated fleet, or a dataset of a recordings folder with its packaged config."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from ground.errors import ConfigError
from ground.importer import import_recordings
from ground.progress import Progress
from ground.simulate import FleetConfig, simulate_fleet

SIMULATED = "simulated"
EXAMPLE = "engine_vibration"
CONFIGS = Path(__file__).parent.parent / "configs"
FLEET = FleetConfig(seed=2025, n_healthy=360, n_faulty=64, n_sensor_faulty=8, severity_floor=0.5)
"""Faults half developed and more: the earliest ones still drown in the spread between engines."""


@dataclass(frozen=True, slots=True)
class Scenario:
    """Where recordings come from and which config goes with them.

    Attributes:
        name: Names the folder below the demo's.
        source: Recordings folder; the current folder where they are simulated.
        config: YAML config.
    """

    name: str
    source: Path
    config: Path

    @property
    def is_simulated(self) -> bool:
        """Whether the recordings are the same whenever they are made."""
        return self.name == SIMULATED

    def provide(self, raw: Path, progress: Progress) -> None:
        """Put the recordings into ``data/raw`` of a workspace.

        Raises:
            DataError: The folder or a recording cannot be read.
        """
        if self.is_simulated:
            simulate_fleet(FLEET, raw, progress=lambda done, total: progress("simulate", done, total))
        else:
            import_recordings(self.source, raw, dataset=self.name, progress=progress)


def choose_scenario(data: str, dataset: str) -> Scenario:
    """The scenario that the user asked for.

    Args:
        data: Recordings folder; empty for the simulated fleet.
        dataset: Which dataset of the folder.

    Raises:
        ConfigError: A dataset without a packaged config, or one half of the pair is missing.
    """
    if not data and not dataset:
        return Scenario(SIMULATED, Path(), CONFIGS / f"{EXAMPLE}.yaml")
    config = CONFIGS / f"{dataset}.yaml"
    if not data or not dataset or not config.is_file():
        packaged = {path.stem for path in CONFIGS.glob("*.yaml") if "." not in path.stem} - {EXAMPLE}
        raise ConfigError(
            f"demo: expected DATA=folder and SET=one of {', '.join(sorted(packaged))}, got DATA={data!r} "
            f"SET={dataset!r}; for other recordings write a config and use `ground pipeline`"
        )
    return Scenario(dataset, Path(data), config)
