"""The config of a rig: a packaged one by its name, until `ground init` writes one for any rig."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from pydantic import ValidationError

from ground.config import Config, load_config
from ground.demo.scenario import CONFIGS
from ground.errors import ConfigError
from ground.index_cells import names_of, units_of
from ground.recording_index import INDEX_NAME, read_table

_SHORT_S = 0.5
_FEW_N = 256


def config_of(folder: Path, name: str) -> tuple[Config, tuple[str, ...]]:
    """A config for one dataset of a folder, and what is doubted about it.

    Raises:
        ConfigError: No config fits its recordings.
        DataError: There is no readable index.
    """
    packaged = CONFIGS / f"{name}.yaml"
    if name and packaged.is_file():
        return load_config(packaged), ()
    return _guessed(folder, name), ("the config is a guess from the index alone",)


def _guessed(folder: Path, name: str) -> Config:
    rows = [row for row in read_table(folder / INDEX_NAME).rows if row.get("dataset", "") == name]
    rate = float(Counter(row["sampling_rate_hz"] for row in rows).most_common(1)[0][0])
    channels = names_of(Counter(row["channels"] for row in rows).most_common(1)[0][0])
    units = units_of(rows[0]["signal_units"], len(channels))
    segment_s = min(
        (float(row["segment_s"]) for row in rows if row.get("segment_s") and row.get("segment_period_s")), default=0.0
    )
    record_s = segment_s or (_SHORT_S if rate * _SHORT_S >= _FEW_N else 16.0 / rate)
    window_s = segment_s or 2.0 * record_s
    document = {
        "schema": 1,
        "detector": "rig",
        "signal": {
            "sampling_rate_hz": rate,
            "channels": [{"name": channel, "unit": unit} for channel, unit in zip(channels, units, strict=True)],
        },
        "features": {"record_s": record_s, "window_s": window_s, "hop_s": record_s},
    }
    try:
        return Config.model_validate(document)
    except ValidationError as error:
        raise ConfigError(f"{folder}: {name}: expected a config that fits, got {error}") from error
