"""The story of the demo, in the order in which it happens."""

from __future__ import annotations

import io
from collections import Counter
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import pandas as pd
from rich.table import Table

from edge_agent.assessment import encode_assessment
from edge_agent.result import decode_result
from ground.batch import ModelSource, assess_recording, load_signed
from ground.config import Config, load_config
from ground.demo.agent import running_agent
from ground.demo.broker import check_broker, running_broker
from ground.demo.fleet_dataset import FLEET, fetch_waveforms, keep_dataset
from ground.demo.flights import choose_flights
from ground.demo.listener import Listener, listening
from ground.demo.place import AGENT, PAGE, cleared, emptied, is_reusable, note_recordings
from ground.demo.scenario import Scenario, choose_scenario
from ground.demo.stream_table import stream_table
from ground.errors import GroundError
from ground.export import ExportReport
from ground.frames import frames_for
from ground.keys import PRIVATE_KEY, PUBLIC_KEY, load_private_key, new_key_pair
from ground.pipeline import run_pipeline
from ground.progress import Progress
from ground.publish import Broker, PublishReport, publish_flights
from ground.recording import Recording
from ground.recording_index import read_index
from ground.recordings import load_recording
from ground.report.evidence_file import read_run
from ground.report.page import write_page
from ground.report.table import closing_table, gates_table
from ground.run_evidence import gates_document
from ground.terminal import say
from ground.window_table import WINDOWS
from ground.workspace import STREAM, Workspace, write_atomic

VERSION = "1.0.0"
SPEED = 40.0
"""Times real time: fast enough for a demo, and a third of a core for the agent."""


@dataclass(frozen=True, slots=True)
class DemoOutcome:
    """What the demo shows in the end.

    Attributes:
        tables: For the terminal.
        page: The report.
        document: What the tables say, as JSON types.
    """

    tables: tuple[Table, ...]
    page: Path
    document: dict[str, Any]


@dataclass(frozen=True, slots=True)
class _Stage:
    """What the stream is made of."""

    config: Config
    workspace: Workspace
    exported: ExportReport
    flights: list[Recording]


def run_demo(*, data: str, dataset: str, broker: str, out: Path, progress: Progress) -> DemoOutcome:
    """Recordings -> detector -> signed bundle -> agent on a real broker -> alerts -> report.

    Args:
        data: Recordings folder; empty simulates a fleet.
        dataset: Which dataset of the folder.
        broker: ``iotcore`` or ``mosquitto``.
        out: Everything that is made lies below. Of an earlier demo on the simulated fleet, by the same code, recordings
            and stages without a change are used again; whatever else it left of the scenario is removed.
        progress: Told by each part.

    Raises:
        GroundError: Bad input, a failed gate, or a stream that differs from the batch.
    """
    scenario = choose_scenario(data, dataset)
    check_broker(broker)
    config = load_config(scenario.config)
    workspace = _workspace(out / scenario.name, scenario, config, progress)
    key = load_private_key(workspace.root / "keys" / PRIVATE_KEY)
    exported = run_pipeline(config, workspace, version=VERSION, key=key, progress=progress, force=False).export
    flights = _load_flights(config, workspace)
    expected = _batch_results(workspace, exported, flights)
    stage = _Stage(config, workspace, exported, flights)
    listener, published = _stream(stage, len(expected), broker=broker, progress=progress)
    _refuse_difference(expected, listener)
    _keep_stream(workspace, listener)
    keep_dataset(workspace.root / FLEET, listener)
    page = write_page(workspace, config, out=workspace.root / PAGE)
    run = read_run(workspace)
    tables = (gates_table(run), closing_table(workspace), _summary(stage, listener, published))
    return DemoOutcome(tables, page, {**_document(stage, listener, published), **gates_document(run)})


def _workspace(root: Path, scenario: Scenario, config: Config, progress: Progress) -> Workspace:
    """The workspace with its recordings and keys."""
    if is_reusable(root, scenario):
        say(f"recordings, and stages without a change, are those of the demo before; remove {root} to begin anew")
        return cleared(root, config, VERSION)
    workspace = emptied(root)
    scenario.provide(workspace.raw, progress)
    # Keys of the demo alone, which are thrown away with it: nobody is there to be asked for a password.
    new_key_pair(root / "keys")
    note_recordings(root)
    return workspace


def _windows(workspace: Workspace) -> pd.DataFrame:
    columns = ["recording_id", "flight", "start_ns", "label", "fault_type", "role"]
    return pd.read_parquet(workspace.processed / WINDOWS, columns=columns)


def _load_flights(config: Config, workspace: Workspace) -> list[Recording]:
    chosen = choose_flights(_windows(workspace))
    infos = {info.recording_id: info for info in read_index(workspace.raw)}
    speeds = config.feature_spec().speeds
    return [load_recording(workspace.raw, infos[name], conditions=speeds) for name in chosen]


def _stream(stage: _Stage, expected: int, *, broker: str, progress: Progress) -> tuple[Listener, PublishReport]:
    """Publish the flights to a real broker and collect what a real agent answers."""
    folder = stage.workspace.root / AGENT
    folder.mkdir()
    with running_broker(broker, folder) as where, listening(where) as listener:
        agent = running_agent(
            folder,
            bundle=stage.exported.bundle.resolve(),
            key=(stage.workspace.root / "keys" / PUBLIC_KEY).resolve(),
            fleet=stage.config.bundle.fleet,
            broker=where,
            listener=listener,
        )
        with agent:
            published = _publish(stage, where, progress)
            listener.wait_for_results(expected)
            fetch_waveforms(listener, where)
    return listener, published


def _publish(stage: _Stage, broker: Broker, progress: Progress) -> PublishReport:
    spec = stage.config.feature_spec()
    named = ((flight.info.recording_id, frames_for(spec, flight)) for flight in stage.flights)
    return publish_flights(named, broker, speed=SPEED, total=len(stage.flights), progress=progress)


def _batch_results(workspace: Workspace, exported: ExportReport, flights: list[Recording]) -> list[bytes]:
    model = load_signed(ModelSource(exported.bundle, (workspace.root / "keys" / PUBLIC_KEY,)))
    return [encode_assessment(item) for flight in flights for item in assess_recording(model, flight)]


def _refuse_difference(expected: list[bytes], listener: Listener) -> None:
    published = [encode_assessment(decode_result(payload).assessment) for payload in listener.results]
    missing, extra = Counter(expected) - Counter(published), Counter(published) - Counter(expected)
    if missing or extra:
        raise GroundError(
            f"stream: expected the {len(expected)} batch results byte for byte, got {len(published)}; "
            f"{missing.total()} are missing and {extra.total()} are others; keep the folder and report it"
        )


def _keep_stream(workspace: Workspace, listener: Listener) -> None:
    table = stream_table([decode_result(payload) for payload in listener.results], _windows(workspace))
    sink = io.BytesIO()
    table.to_parquet(sink, index=False)
    write_atomic(workspace.evaluation / STREAM, sink.getvalue())


def _document(stage: _Stage, listener: Listener, published: PublishReport) -> dict[str, Any]:
    return {
        "workspace": str(stage.workspace.root),
        "dataset": str(stage.workspace.root / FLEET),
        "bundle": str(stage.exported.bundle),
        "release_class": stage.exported.release_class,
        "flights": len(stage.flights),
        **asdict(published),
        "results": len(listener.results),
        "alerts": len(listener.alerts),
    }


def _summary(stage: _Stage, listener: Listener, published: PublishReport) -> Table:
    table = Table(title="On the wire", show_header=False)
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    table.add_row("bundle", f"{stage.exported.bundle} ({stage.exported.release_class})")
    flights = f"{len(stage.flights)} flights at {SPEED:g} x real time"
    table.add_row("streamed", f"{flights}: {published.frames} frames, {published.signal_s:.0f} s of signal")
    alerts = f"{len(listener.alerts)} alert messages (raised and cleared)"
    table.add_row("answered", f"{len(listener.results)} results, {alerts}")
    table.add_row(
        "console", f"ground console --workspace {stage.workspace.root} --dataset {stage.workspace.root / FLEET}"
    )
    table.add_row("stream = batch", f"all {len(listener.results)} results, byte for byte")
    return table
