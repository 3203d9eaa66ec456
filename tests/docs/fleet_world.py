"""A small world for the pages of the fleet: a workspace with a detector that decides, and what its fleet has said."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import yaml

from edge_agent.publication import Publication
from edge_agent.result import encode_result
from edge_agent.topics_section import TopicsSection
from ground.fleet.collect.parts import write_parts
from ground.fleet.drift import LEAST_WINDOWS
from ground.fleet.registry.decision import Subject
from ground.fleet.registry.registry import open_registry
from tests.console.drift_data import drift_message, write_drift
from tests.console.fleet_data import BEGIN_NS, DATE, Flown, window
from tests.docs.blocks import Block
from tests.docs.shell import run_blocks

RATE_HZ = 1024
DETECTOR = "engine_vibration_detector"
CONFIG = {
    "schema": 1,
    "detector": DETECTOR,
    "ecr": "ECR-1",
    "signal": {"sampling_rate_hz": RATE_HZ, "channels": [{"name": "acc_1", "unit": "g"}], "conditions": ["n1_hz"]},
    "features": {"record_s": 0.5, "window_s": 1.0, "hop_s": 0.5},
    "split": {"strategy": "by_unit", "fit": 0.5, "calibration": 0.3, "folds": 2},
    "model": {"family": "mahalanobis", "baselines": ["mahalanobis"]},
    "decision": {"false_alarm_rate": 0.15, "confidence": 0.8},
    "gates": {
        "auc_min": 0.6, "precision_min": 0.5, "recall_min": 0.5, "false_alarm_rate_max": 0.4, "prevalence": 0.5,
        "confidence": 0.8, "latency_p99_max_ms": 5000.0,
    },
    "bundle": {"fleet": "test", "sequence": 1},
}  # fmt: skip
"""Spans and gates for short recordings of few units."""
HEALTHY, FAULTY, FLIGHT_N = 40, 12, 20 * RATE_HZ
STEADY, DRIFTED = 60, 30
"""Flights of drift.md: the reference, and one block."""
_FIRST = """
ground import --data raw --workspace w
ground keys new --out w/keys
ground pipeline --config config.yaml --workspace w --version 1.0.0
ground registry register --bundle w/models/engine_vibration_detector/1.0.0 --key w/keys/public.pem
ground registry promote engine_vibration_detector/1.0.0 --to validation --approver "A. Person" --reason "gates"
ground registry promote engine_vibration_detector/1.0.0 --to active --first --approver "A. Person" --reason "first"
"""


def make_world(folder: Path) -> None:
    """Make ``w``, ``registry`` and ``fleet`` in a folder, and two configs.

    ``fleet`` has flights of which the late ones drift, and an alarm in a flight that the workspace has a recording of.
    """
    units = {f"u{number:02}": ("healthy", 1.0) for number in range(HEALTHY)}
    units |= {f"x{number:02}": ("faulty", 2.0) for number in range(FAULTY)}
    write_recordings(folder / "raw", units)
    (folder / "config.yaml").write_text(yaml.safe_dump(CONFIG))
    run_blocks([Block(Path(__file__), 1, "sh", _FIRST)], folder)
    (folder / "w" / "config.yaml").write_text(yaml.safe_dump(CONFIG))
    write_drift(folder / "fleet", list(_drift(registered(folder, "1.0.0"), folder / "w")))
    write_parts([*alarm(), *_late()], folder / "fleet", name="alarm", date=DATE, topics=TopicsSection())


def registered(folder: Path, version: str) -> Subject:
    """The bundle of a version in the world's registry."""
    return open_registry(folder / "registry").version(f"{DETECTOR}/{version}").subject


def write_recordings(raw: Path, units: dict[str, tuple[str, float]]) -> None:
    """One recording of white noise for each unit, with its label and its gain, and the index."""
    raw.mkdir()
    rng = np.random.default_rng(20_261_129)
    rows = []
    for number, (unit, (label, gain)) in enumerate(units.items()):
        signal = (gain * rng.standard_normal(FLIGHT_N)).astype(np.float32)
        table = pa.table({"acc_1": signal, "n1_hz": np.full(FLIGHT_N, 60.0, dtype=np.float32)})
        pq.write_table(table.replace_schema_metadata({"sampling_rate_hz": str(RATE_HZ)}), raw / f"{unit}.parquet")
        rows.append({
            "recording_id": unit, "file": f"{unit}.parquet", "dataset": "noise", "unit_id": unit,
            "sampling_rate_hz": RATE_HZ, "channels": "acc_1", "signal_units": "g", "label": label,
            "start_ns": BEGIN_NS + number * 10**12, "aircraft": "OO-ABC", "engine": str(number), "flight": "F001",
        })  # fmt: skip
    pd.DataFrame(rows).to_csv(raw / "recordings.csv", index=False)


def _drift(active: Subject, workspace: Path) -> Iterator[Publication]:
    names = json.loads((workspace / "models" / active.name / "scaler.json").read_bytes())["names"]
    rng = np.random.default_rng(5)
    for number in range(STEADY + DRIFTED):
        spreads = 0.3 * rng.standard_normal(len(names))
        spreads[0] += 2.0 if number >= STEADY else 0.0
        yield drift_message(
            number, spreads, engine=str(number % 4), windows=LEAST_WINDOWS, bundle_id=active.name,
            bundle_digest=active.digest,
        )  # fmt: skip


def _late() -> Iterator[Publication]:
    """A window of each flight that drifts, as their agents sent it."""
    chance = random.Random(8)
    for number in range(STEADY, STEADY + DRIFTED):
        engine = str(number % 4)
        result = window(Flown("OO-ABC", engine, f"F{number:03}", BEGIN_NS, 1, range(0)), 0, chance)
        yield Publication(topic=f"aircraft/OO-ABC/engine/{engine}/result", payload=encode_result(result))


def alarm() -> Iterator[Publication]:
    """Of engine 1 in its first flight; its name, by which a verdict speaks of it, is always the same."""
    flown, chance = Flown("OO-ABC", "1", "F001", BEGIN_NS, 12, range(4, 8)), random.Random(7)
    for seq in range(flown.windows):
        result = window(flown, seq, chance)
        kinds = ("result", "alert") if result.assessment.event else ("result",)
        for kind in kinds:
            yield Publication(topic=f"aircraft/OO-ABC/engine/1/{kind}", payload=encode_result(result))
