"""What the samples say of an alert: real recordings, real features, a waveform as an agent ships it."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from dataclasses import dataclass, replace
from http import HTTPStatus
from pathlib import Path

import msgpack
import numpy as np
import pytest

from edge_agent import evidence_request
from edge_agent.frame import Frame
from ground.config import Config
from ground.console.alert_story import AlertStories, Missing
from ground.console.data import healthy_phase as healthy_phase_module
from ground.console.data import models as models_module
from ground.console.data.alert import AlertDetail, announced, find_alert
from ground.console.data.evidence_frames import recording_of
from ground.console.data.fleet_index import FleetIndex
from ground.console.data.models import Models
from ground.console.data.waveforms import Waveforms
from ground.console.figures import window as window_module
from ground.console.figures.spectrum import ruler_marks
from ground.console.figures.waveform import Told
from ground.console.lookout import Lookout
from ground.console.role import Role
from ground.console.settings import ConsoleSettings
from ground.errors import DataError
from ground.feature_spec import frozen_spec
from ground.features.rulers import Mark, Ruler
from ground.featurize import featurize
from ground.fleet.collect.kinds import Kind
from ground.fleet.collect.reminder import Reminder
from ground.fleet.collect.requests import FOLDER, is_asked_for, take_requests
from ground.frames import frames_for
from ground.preprocess import preprocess
from ground.report.spectra import SpectrumReader
from ground.window_extraction import windows_of
from ground.workspace import Workspace
from shared_features.errors import SpecError
from tests.conftest import wait_until
from tests.console.conftest import browser_of, close_app, csrf_of, open_app
from tests.console.scene import AGENT, Scene, make_scene
from tests.console.web import WIDE, chromium, needs_chromium, served, visiting
from tests.ground.report import conftest as report_fleet
from tests.ground.report.conftest import CONFIG, silent


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Scene:
    """A window of a faulty flight, raised as an alert, and the 6 s about it."""
    folder = tmp_path_factory.mktemp("scene")
    config, workspace = Config.model_validate(CONFIG), Workspace(folder / "workspace")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(report_fleet, "KINDS", {"healthy": ("", 6), "ball": ("bearing_ball", 2)})
        report_fleet._write_raw(workspace.raw)
    preprocess(config, workspace, progress=silent)
    featurize(config, workspace, progress=silent, workers=1)
    spec = frozen_spec(config, workspace)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(evidence_request, "CHUNK_BYTES", 4_096)
        return make_scene(folder, workspace, spec, fault="bearing_ball", detector="tiny_detector")


@dataclass(frozen=True)
class Shown:
    """An index over a scene, and its one alert."""

    index: FleetIndex
    stories: AlertStories
    alert: AlertDetail


@pytest.fixture
def shown(scene: Scene, tmp_path: Path) -> Iterator[Shown]:
    """All of the scene has come."""
    scene.write(tmp_path)
    yield (made := look(scene, tmp_path))
    made.index.close()


def look(scene: Scene, root: Path, workspace: Path | None = None, *, ready: bool = True) -> Shown:
    """Look at a dataset that holds the scene's alert; ``ready``: once what is healthy has been made."""
    index = FleetIndex(root, days=90)
    index.refresh()
    stories = AlertStories(Waveforms(index), Models(Workspace(workspace or scene.workspace.root)))
    with index.cursor() as cursor:
        (name,) = cursor.execute("SELECT alert_id FROM alerts").fetchone()
        alert = find_alert(cursor, name)
    if ready:
        wait_until(lambda: not stories.is_being_made(alert), "what is healthy to be made")
    return Shown(index, stories, alert)


def test_the_waveform_is_that_of_the_flight(scene, shown):
    """The largest and least sample of each bucket: those of all of them are the recording's."""
    told = shown.stories.waveform(shown.alert)
    assert isinstance(told, Told)
    low, high = (series.values for series in (told.plot.series[1], told.plot.series[0]))
    (stretch,) = scene.recording.stretches
    first = round((scene.evidence.first_ns - stretch.start_ns) * scene.spec.sampling_rate_hz / 1e9)
    last = round((scene.evidence.last_ns - stretch.start_ns) * scene.spec.sampling_rate_hz / 1e9)
    samples = stretch.samples[first:last, 0].astype(np.float64)
    assert (np.nanmin(low), np.nanmax(high)) == (samples.min(), samples.max())
    assert told.plot.x_values[0] == pytest.approx((scene.evidence.first_ns - shown.alert.start_ns) / 1e9, abs=0.01)
    assert "RMS before the window" in told.text
    assert "g" in told.plot.y.unit


def test_the_spectrum_is_the_reports(scene, shown):
    """The same code over the same samples, on their way through frames, chunks and files."""
    told = shown.stories.spectrum(shown.alert)
    assert isinstance(told, Told)
    channel = scene.spec.channels[0].name
    expected = SpectrumReader(scene.spec, channel).density(scene.recording, shown.alert.start_ns)
    assert np.array_equal(told.plot.series[0].values, 10.0 * np.log10(expected))
    assert "healthy band of" in told.text
    assert [series.label for series in told.plot.series[1:]] == ["healthy, median", "healthy, 95 %", "healthy, 5 %"]
    assert shown.stories.band_note(shown.alert) == ""


def test_values_are_those_of_the_window(scene, shown):
    """As ``ground featurize`` computes them, to the bit; a feature of another spec has none."""
    first, other = shown.stories.parts(shown.alert)
    (window,) = [each for each in windows_of(scene.recording, scene.spec) if each.start_ns == shown.alert.start_ns]
    assert first.value == float(window.values[0])
    assert first.low < first.high
    assert first.verdict in {"above", "below", "within"}
    assert (other.feature, other.share, other.verdict) == ("of another spec", 0.3, "")


def test_the_window_is_cut_and_computed_once(shown, monkeypatch):
    """Whatever the page shows of it: its features take longest."""
    cut, real = [], window_module.alert_window

    def counted(*given):
        cut.append(given)
        return real(*given)

    monkeypatch.setattr(window_module, "alert_window", counted)
    for _ in range(2):
        assert isinstance(shown.stories.spectrum(shown.alert), Told)
        assert isinstance(shown.stories.envelope(shown.alert), Told)
        assert shown.stories.parts(shown.alert)[0].verdict
    assert len(cut) == 1


@dataclass(frozen=True)
class Held:
    """What is healthy is looked at, and not found before ``go_on`` is set."""

    begun: threading.Event
    go_on: threading.Event


@pytest.fixture
def held(monkeypatch) -> Iterator[Held]:
    """Makes it take as long as the test likes."""
    made, real = Held(threading.Event(), threading.Event()), models_module.healthy_phase

    def slow(*given, **named):
        made.begun.set()
        assert made.go_on.wait(60.0)
        return real(*given, **named)

    monkeypatch.setattr(models_module, "healthy_phase", slow)
    yield made
    made.go_on.set()


@pytest.fixture
def scene_settings(scene, tmp_path) -> ConsoleSettings:
    """A console over the scene, all of which has come."""
    scene.write(tmp_path / "fleet")
    return ConsoleSettings(workspace=scene.workspace.root, dataset=tmp_path / "fleet")


def alert_path(app) -> str:
    """The page of the one alert."""
    with app.state.services.index.cursor() as cursor:
        (name,) = cursor.execute("SELECT alert_id FROM alerts").fetchone()
    return f"/alerts/{name}"


def test_no_page_waits_for_what_is_healthy(scene_settings, held):
    """The first page of a phase says that it is being made, and asks until it is; the second has it."""
    app = open_app(scene_settings)
    path, client = alert_path(app), browser_of(app, Role.VIEWER)
    first = client.get(f"{path}/figures").text
    assert "What is usual in this phase is being made; it appears here by itself." in first
    assert "No healthy band: it is being made" in first
    assert f'hx-get="{path}/healthy" hx-trigger="every 1s"' in first
    assert [one["label"] for one in client.get(f"{path}/figures/spectrum").json()["series"]] == ["this window"]
    assert client.get(f"{path}/healthy").status_code == HTTPStatus.NO_CONTENT
    held.go_on.set()
    wait_until(lambda: client.get(f"{path}/healthy").status_code == HTTPStatus.OK, "what is healthy to be made")
    for later in (client.get(f"{path}/healthy").text, client.get(f"{path}/figures").text):
        assert "being made" not in later
        assert "every 1s" not in later
        assert "healthy band of" in later
    assert len(client.get(f"{path}/figures/spectrum").json()["series"]) == 4
    close_app(app)


def test_what_is_healthy_is_made_before_somebody_asks(scene_settings, held):
    """For open alerts, in the first look after the start, and in those that find something new."""
    app = open_app(scene_settings)
    services = app.state.services
    lookout = Lookout(services.index, services.stories)
    assert not lookout.look()
    assert held.begun.wait(60.0)
    held.go_on.set()
    client = browser_of(app, Role.VIEWER)
    # The ranges that a page would begin to make now are never made.
    wait_until(lambda: services.stories._models._healthy._thread is None, "the thread to end")
    assert "being made" not in client.get(f"{alert_path(app)}/figures").text
    close_app(app)


@pytest.mark.parametrize(
    ("error", "said"), [(DataError("no such thing"), "no such thing"), (ValueError("x"), "log of the console has more")]
)
def test_what_cannot_be_made_is_told(scene_settings, monkeypatch, error, said):
    """Once, without a traceback; the samples are shown all the same."""
    monkeypatch.setattr(models_module, "healthy_phase", failing(error))
    app = open_app(scene_settings)
    path, client = alert_path(app), browser_of(app, Role.VIEWER)
    client.get(f"{path}/figures")
    wait_until(lambda: client.get(f"{path}/healthy").status_code == HTTPStatus.OK, "the failure")
    text = client.get(f"{path}/figures").text
    assert "No usual ranges: " in text
    assert text.count(said) == 2
    assert "every 1s" not in text
    assert "Traceback" not in text
    close_app(app)


@pytest.mark.parametrize("error", [DataError("no recording"), SpecError("no spectrum")])
def test_ranges_need_no_band(scene, tmp_path, monkeypatch, error):
    """Recordings may be gone where features are there, and may come back."""
    monkeypatch.setattr(healthy_phase_module, "band_of_recordings", failing(error))
    scene.write(tmp_path)
    broken = look(scene, tmp_path)
    assert broken.stories.parts(broken.alert)[0].verdict
    assert broken.stories.band_note(broken.alert) == str(error)
    assert broken.stories.range_note(broken.alert) == ""
    monkeypatch.undo()
    index = scene.workspace.interim / "recordings.csv"
    facts = index.stat()
    os.utime(index, ns=(facts.st_atime_ns, facts.st_mtime_ns + 1))
    wait_until(lambda: broken.stories.band_note(broken.alert) == "", "the band")
    broken.index.close()


def failing(error):
    """A function that raises."""

    def fail(*_given, **_named):
        raise error

    return fail


@needs_chromium
def test_what_is_healthy_appears_by_itself(scene_settings, held):
    """In the place of the words, beside figures that stay."""
    with served(scene_settings) as base, chromium() as browser, visiting(browser, base, viewport=WIDE) as visit:
        visit.log_in(Role.VIEWER)
        page = visit.page
        page.goto(f"{base}/alerts?verdict=all")
        page.locator("#alerts th a").first.click()
        page.get_by_text("What is usual in this phase is being made").wait_for()
        page.locator("#card-waveform canvas").evaluate("(canvas) => { canvas.dataset.old = '1'; }")
        with page.expect_response("**/healthy") as asked:
            assert asked.value.status == HTTPStatus.NO_CONTENT
        held.go_on.set()
        page.get_by_text("healthy band of").wait_for()
        page.locator("#card-spectrum canvas").wait_for()
        assert "healthy, median" in page.locator("#card-spectrum").inner_text()
        assert page.get_by_text("being made").count() == 0
        assert page.locator("#card-waveform canvas[data-old]").count() == 1
        assert page.locator("#parts-card, #card-spectrum").count() == 2
        assert visit.complaints == []


def test_values_of_a_window_that_cannot_be_assessed_are_unknown(shown, monkeypatch):
    """They are zeros, which would lie below every healthy range."""
    real = window_module.alert_window

    def gapped(*given):
        window = real(*given)
        return replace(window, excerpt=replace(window.excerpt, reason="gap"))

    monkeypatch.setattr(window_module, "alert_window", gapped)
    assert [part.verdict for part in shown.stories.parts(shown.alert)] == ["", ""]


def test_the_envelope_has_lines(shown):
    """Above 0 Hz, and finite."""
    told = shown.stories.envelope(shown.alert)
    assert isinstance(told, Told)
    assert told.plot.x_values[0] > 0.0
    assert np.isfinite(told.plot.series[0].values).all()


def test_figures_are_plain_json(shown):
    """Numbers, texts and nothing else; what is not finite is null."""
    document = shown.stories.waveform(shown.alert).plot.document()
    values = document["series"][0]["values"]
    assert len(values) == len(document["x"]["values"])
    assert all(value is None or isinstance(value, float) for value in values)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda chunks: chunks[:-1], "expected all"),
        (lambda _: (), "has not come"),
        (lambda chunks: (*chunks[1:], flipped(chunks[0])), "sha256"),
    ],
)
def test_what_has_not_come_whole_is_told_of(scene, tmp_path, change, said):
    """No figure of a part."""
    scene.write(tmp_path, chunks=change(scene.chunks))
    shown = look(scene, tmp_path)
    for figure in (shown.stories.waveform(shown.alert), shown.stories.spectrum(shown.alert)):
        assert isinstance(figure, Missing)
        assert said in figure.text
    assert [part.feature for part in shown.stories.parts(shown.alert)] == [
        part.feature for part in shown.alert.contributions
    ]
    shown.index.close()


def flipped(chunk: bytes) -> bytes:
    """The chunk with a bit of its data turned."""
    document = msgpack.unpackb(chunk)
    document["data"] = document["data"][:-1] + bytes([document["data"][-1] ^ 1])
    return msgpack.packb(document)


def test_another_workspace_shows_the_samples_alone(scene, tmp_path):
    """It knows neither spec nor healthy windows, and says so."""
    scene.write(tmp_path / "fleet")
    (tmp_path / "empty").mkdir()
    shown = look(scene, tmp_path / "fleet", tmp_path / "empty")
    assert isinstance(shown.stories.waveform(shown.alert), Told)
    spectrum = shown.stories.spectrum(shown.alert)
    assert isinstance(spectrum, Missing)
    assert "tiny_detector/1.0.0" in spectrum.text
    shown.index.close()


@pytest.mark.parametrize("bundle_id", ["../../etc/passwd", "/etc", "a/../../b", "", "a", "\x00/1"])
def test_ids_of_bundles_are_no_paths(tmp_path, bundle_id):
    """They come from the wire."""
    models = Models(Workspace(tmp_path))
    assert [path for path in models._spec_files(bundle_id) if ".." in str(path) or "etc" in str(path)] == []


def test_frames_that_are_missing_leave_a_gap(scene):
    """A new stretch begins where numbers or times jump."""
    frames = list(frames_for(scene.spec, scene.recording))[:10]
    assert [len(stretch.samples) for stretch in recording_of(frames, "x").stretches] == [
        sum(len(frame.samples) for frame in frames)
    ]
    gone = [*frames[:4], *frames[5:]]
    assert len(recording_of(gone, "x").stretches) == 2
    late = [*frames[:4], *(replace(frame, t_ns=frame.t_ns + 10**9) for frame in frames[4:])]
    assert len(recording_of(late, "x").stretches) == 2


def test_speeds_and_pulses_of_frames_are_kept():
    """Positions count from the first sample of the stretch."""
    frames = [
        Frame(
            aircraft="A", engine="1", flight="F", phase=phase, t_ns=seq * 10**8, seq=seq, rate_hz=100.0, unit="g",
            channels=("acc_1",), samples=np.zeros((10, 1), dtype=np.float32), speed_hz={"n1": 20.0 + seq},
            tach={"n1": np.array([2.5])},
        )
        for seq, phase in enumerate(("taxi", "taxi", "cruise"))
    ]  # fmt: skip
    (stretch,) = recording_of(frames, "x").stretches
    assert stretch.tach["n1"].tolist() == [2.5, 12.5, 22.5]
    assert stretch.conditions[::10, 0].tolist() == [20.0, 21.0, 22.0]
    assert [(run.first_n, run.phase) for run in stretch.phases] == [(0, "taxi"), (20, "cruise")]


def test_marks_are_the_labelled_places_within_the_figure():
    """A row of labels for each ruler."""
    marks = (Mark("1x", 50.0, 49.0, 51.0), Mark("", 60.0, 60.0, 60.0), Mark("9x", 450.0, 450.0, 450.0))
    found = list(ruler_marks([Ruler("N1 49 to 51 Hz", "", marks), Ruler("fan BPFO 70 Hz", "", marks[:1])], 400.0))
    assert [(mark.label, mark.at, mark.row) for mark in found] == [("N1 1x", 50.0, 0), ("fan BPFO 1x", 50.0, 1)]


def test_marks_of_a_run_up_are_spans():
    """A line at the mean speed would stand where nothing is."""
    run_up = Ruler("N1 40 to 60 Hz", "", (Mark("1x", 50.0, 40.0, 60.0), Mark("3x", 350.0, 280.0, 420.0)))
    band = Ruler("N2 11.1-11.2x", "", spans=((310.0, 320.0), (500.0, 600.0)))
    found = list(ruler_marks([run_up, band], 400.0))
    assert [(mark.label, mark.at, mark.until, mark.row) for mark in found] == [
        ("N1 1x", 40.0, 60.0, 0), ("N1 3x", 280.0, 400.0, 0), ("N2 11.1-11.2x", 310.0, 320.0, 1),
    ]  # fmt: skip


def test_the_page_shows_and_asks(scene, tmp_path):
    """Whoever may judge may ask for a waveform that was announced; a collector then finds the note."""
    scene.write(tmp_path / "fleet", chunks=())
    app = open_app(ConsoleSettings(workspace=scene.workspace.root, dataset=tmp_path / "fleet"))
    try:
        shown = look(scene, tmp_path / "fleet", scene.workspace.root)
        path = f"/alerts/{shown.alert.alert_id}"
        assert "Ask box 7 for the waveform" not in browser_of(app, Role.VIEWER).get(f"{path}/figures").text
        client = browser_of(app, Role.ENGINEER)
        page = client.get(f"{path}/figures").text
        assert "Ask box 7 for the waveform" in page
        (tmp_path / "fleet" / FOLDER).touch()
        refused = client.post(f"{path}/waveform", data={"csrf": csrf_of(page)})
        assert refused.status_code == HTTPStatus.SERVICE_UNAVAILABLE
        assert "The request could not be kept" in refused.text
        (tmp_path / "fleet" / FOLDER).unlink()
        assert client.post(f"{path}/waveform", data={"csrf": csrf_of(page)}).status_code == HTTPStatus.SEE_OTHER
        assert is_asked_for(tmp_path / "fleet", scene.evidence.id)
        assert "as soon as a collector runs" in client.get(f"{path}/figures").text
        (request,) = take_requests(tmp_path / "fleet", Reminder(pytest.fail))
        assert (request.agent, request.id) == (AGENT, scene.evidence.id)
        with shown.index.cursor() as cursor:
            assert announced(cursor, scene.evidence.id).n_byte == scene.evidence.n_byte
        asked = [deed.action for deed in app.state.services.audit.deeds() if deed.action.startswith("waveform")]
        assert asked == ["waveform asked for", "waveform asked for refused", "waveform asked for"]
        shown.index.close()
        scene.write(tmp_path / "fleet")
        app.state.services.index.refresh()
        page = client.get(f"{path}/figures").text
        assert 'data-plot="' in page
        assert "Spectrum against healthy windows. " in page
        assert client.get(f"{path}/figures/spectrum").json()["y"]["unit"] == "dB re 1 g²/Hz"
        assert (tmp_path / "fleet" / Kind.EVIDENCE_DATA.value).is_dir()
    finally:
        close_app(app)
