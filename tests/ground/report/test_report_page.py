"""The page: whole, self-contained, true to its inputs, and honest about what is missing."""

from __future__ import annotations

import base64
import json
import re
import shlex
import shutil
from dataclasses import replace
from html.parser import HTMLParser

import pandas as pd
import pytest
from typer.testing import CliRunner

from edge_agent.archive import read_archive
from edge_agent.manifest import DEVELOPMENT, RELEASE
from ground.batch_record import read_record
from ground.cli import app
from ground.errors import ConfigError, DataError, GateError
from ground.evidence import Evidence
from ground.evidence_schema import BEFORE, SCHEMA
from ground.gates import FAIL, INSUFFICIENT, PASS, RunVerdict
from ground.intervals import Bounds
from ground.report.command import report
from ground.report.evidence_file import read_run, record_of
from ground.report.headline import NO_BUNDLE, gate_lines, meaning, release_class
from ground.report.page import make_page, render, write_page
from ground.report.pdf import BROWSERS
from ground.report.view import Absent
from ground.run_evidence import LatencyEvidence, RunEvidence, release_class_of
from tests.conftest import ROOT
from tests.docs.blocks import blocks_of

LARGEST_PAGE = 3_000_000
LARGEST_FIGURE = 200_000
VOID = {"meta", "link", "img", "source", "br", "rect", "circle"}


class Reader(HTMLParser):
    """Collects what a page links to, and checks that its elements close in order."""

    def __init__(self, text):
        super().__init__()
        self.open, self.ids, self.links, self.images, self.captions = [], [], [], [], 0
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attrs):
        """Note ids, links and images."""
        found = dict(attrs)
        self.ids += [found["id"]] if "id" in found else []
        self.links += [found[name] for name in ("href", "src", "srcset", "action") if name in found]
        self.images += [found] if tag == "img" else []
        self.captions += tag == "figcaption"
        assert tag not in {"script", "iframe", "object", "form"}
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        """An element that closes itself."""

    def handle_endtag(self, tag):
        """Elements close in the order in which they opened."""
        assert self.open.pop() == tag


@pytest.fixture(scope="session")
def html(streamed, report_config, tmp_path_factory):
    """The page about the tiny fleet."""
    out = tmp_path_factory.mktemp("page") / "report.html"
    return write_page(streamed, report_config, out=out).read_text(encoding="utf-8")


def read(workspace, config, tmp_path):
    """The page of a workspace."""
    return write_page(workspace, config, out=tmp_path / "page.html").read_text(encoding="utf-8")


def test_page_is_whole_and_needs_nothing_else(html):
    """Elements are balanced, ids unique, links inside the page or data, and no script runs."""
    reader = Reader(html)
    assert reader.open == []
    assert len(set(reader.ids)) == len(reader.ids)
    targets = {link[1:] for link in reader.links if link.startswith("#")}
    assert targets <= set(reader.ids)
    assert {"gates", "flights", "alerts", "compared", "breakdown", "latency", "certainty", "data", "limits"} <= targets
    assert all(link.startswith(("#", "data:")) for link in reader.links)
    assert "url(" not in html
    assert "@import" not in html


def test_every_figure_has_alt_text_and_a_reading_aid(html):
    """For those who do not see it, and for those who see such a figure for the first time."""
    reader = Reader(html)
    assert len(reader.images) == reader.captions >= 4
    assert all(len(image["alt"]) > 60 for image in reader.images)


def test_page_and_figures_stay_small(html):
    """It goes by mail: under 3 MB, each figure under 200 kB."""
    assert len(html.encode()) < LARGEST_PAGE
    figures = re.findall(r"data:image/svg\+xml;base64,([A-Za-z0-9+/=]+)", html)
    assert figures
    assert max(len(base64.b64decode(figure)) for figure in figures) < LARGEST_FIGURE


def test_page_is_the_same_bytes_every_time(html, streamed, report_config, tmp_path):
    """The same files give the same page."""
    assert read(streamed, report_config, tmp_path) == html


def test_alert_is_shown_with_the_tone_that_was_planted(streamed, report_config):
    """A tone of 300 Hz: the spectrum stands out there and the caption says so; named features come with values."""
    page = make_page(streamed, report_config, read_run(streamed))
    story = page.alerts[0]
    assert story.title == "Bearing ball"
    stands_out = re.search(r"most at ([\d,]+) Hz, (\d+) dB above", story.spectrum.reading)
    assert float(stands_out[1]) == pytest.approx(300.0, rel=0.03)
    assert float(stands_out[2]) > 10.0
    assert len(story.lines) == 5
    assert sum(line.percent for line in story.lines) <= 100.0
    assert {line.verdict for line in story.lines} - {"usual by itself"}
    assert all(re.match(r"-?[\d.,]+", line.measured) and " to " in line.usual for line in story.lines)


def test_missed_faults_are_shown_with_their_spectrum(streamed, report_config):
    """Neither weak fault was found: both are told about, each with the spectrum of its strangest window."""
    page = make_page(streamed, report_config, read_run(streamed))
    assert [story.title for story in page.mistakes if story.title.startswith("Missed")] == ["Missed: looseness"] * 2
    assert all("against healthy windows" in story.spectrum.title for story in page.mistakes)
    assert "2 a fault without an alarm" in page.mistakes_sentence


def test_flights_are_told_as_they_went(streamed, report_config):
    """Both planted tones are found, neither weak fault; the flat sensor is silent, for it fails after 5 of 12 s."""
    page = make_page(streamed, report_config, read_run(streamed))
    faults, sensors = page.flights.grids
    assert [row[:3] for row in faults.rows] == [("bearing ball", "2", "2"), ("looseness", "2", "0")]
    (row,) = sensors.rows
    assert row[0] == "sensor flatline"
    assert 40.0 < float(row[3].split("\u00a0")[0]) < 75.0
    assert row[4] == "0"
    assert "sent frame by frame" in page.flights.sentences[0]


def test_stream_over_training_time_says_so(workspace, report_config):
    """Where flights were cut by time, the agent hears again what it was fitted to."""
    path = workspace.evaluation / "stream.parquet"
    table = pd.read_parquet(path)
    table.loc[table.index[:7], "role"] = "fit"
    table.to_parquet(path, index=False)
    page = make_page(workspace, report_config, read_run(workspace))
    assert f"7 of the {len(table):,} windows" in page.flights.sentences[1]


def test_rare_faults_are_told_by_flights(streamed, report_config, run_evidence):
    """The bound on false alarms is of flights, and so are the share of faulty ones and of those found."""
    shipped = run_evidence.evidence.contenders[0]
    flights = replace(
        shipped.flights, faulty_flights=20, detected_flights=18, recall=0.9, healthy_flights=180, alarmed_flights=9
    )
    (gate,) = (one for one in run_evidence.evidence.gates if one.name == "false_alarm_rate")
    gates = (replace(gate, bounds=Bounds(0.02, 0.1)),)
    contenders = (replace(shipped, flights=flights),)
    evidence = replace(run_evidence.evidence, contenders=contenders, gates=gates)
    page = make_page(streamed, report_config, replace(run_evidence, evidence=evidence))
    (point,) = (text for text in page.sections[-1].points if "in service" in text)
    assert "10.0\u00a0% of the test flights are" in point
    assert "it would be 32.1\u00a0% where 5% are and 8.3\u00a0% where 1% are." in point


def test_numbers_come_from_the_files(workspace, report_config, tmp_path):
    """A changed number in metrics.json is the number on the page."""
    path = workspace.evaluation / "metrics.json"
    document = json.loads(path.read_bytes())
    document["gates"][0]["point"] = 0.4321
    document["contenders"][-1]["windows"]["auc"] = 0.1234
    path.write_text(json.dumps(document))
    html = read(workspace, report_config, tmp_path)
    assert "<b>0.432</b>" in html
    assert "plain RMS 0.123" in html


def test_names_from_files_are_escaped(workspace, report_config, tmp_path):
    """A fault named by a stranger runs no script and breaks no table."""
    path = workspace.evaluation / "stream.parquet"
    table = pd.read_parquet(path)
    table.loc[table["fault_type"] == "bearing_ball", "fault_type"] = '<script>alert("x")</script>'
    table.to_parquet(path, index=False)
    html = read(workspace, report_config, tmp_path)
    assert "<script" not in html
    assert "&lt;script&gt;" in html


def forget(*names):
    """Remove files or folders."""

    def remove(root):
        for name in names:
            path = root / name
            shutil.rmtree(path) if path.is_dir() else path.unlink()

    return remove


STREAM, SCORES = "evaluation/stream.parquet", "evaluation/scores.parquet"
MISSING = {
    "no stream": (forget(STREAM), "No histogram: nothing was streamed"),
    "no answers": (forget(STREAM, SCORES), "No scores over time: neither stream.parquet nor scores.parquet"),
    "no answers, so no alert": (forget(STREAM, SCORES), "No alert was raised in these flights"),
    "no interim": (forget("data/interim"), "No spectrum and no measured values"),
    "no features": (forget("data/features"), "No spectrum and no measured values"),
    "no preprocessing report": (forget("data/interim/report.json"), "There is no preprocessing report"),
    "no recording of the alert": (
        forget("data/interim/ball-0.parquet", "data/interim/ball-1.parquet"),
        "No spectrum: ",
    ),
}


@pytest.mark.parametrize("name", MISSING)
def test_missing_parts_leave_a_sentence(workspace, report_config, tmp_path, name):
    """Whatever optional file is absent, the page is written and says so."""
    remove, sentence = MISSING[name]
    remove(workspace.root)
    html = read(workspace, report_config, tmp_path)
    assert sentence in html
    assert str(workspace.root) not in html
    assert Reader(html).open == []


def test_without_a_stream_the_replayed_test_flights_are_shown(evaluated, report_config, tmp_path):
    """The page of ``ground pipeline``, before anything is streamed."""
    html = read(evaluated, report_config, tmp_path)
    assert "Test flights" in html
    assert "latency in process, p99" in html
    assert "kept without their contributions" in html


def test_one_class_only_leaves_a_sentence_for_the_curves(streamed, report_config, run_evidence):
    """Without faulty windows there is no ROC."""
    bare = [replace(one, roc=_empty(one.roc), pr=_empty(one.pr)) for one in run_evidence.evidence.contenders]
    page = make_page(
        streamed, report_config, replace(run_evidence, evidence=replace(run_evidence.evidence, contenders=tuple(bare)))
    )
    (figure,) = next(section for section in page.sections if section.key == "compared").figures
    assert isinstance(figure, Absent)
    assert "one kind is absent" in figure.text


def test_evidence_without_any_optional_part_still_makes_a_page(tmp_path, report_config):
    """Only the schema is there: every number is n/a, and nothing crashes."""
    from ground.workspace import Workspace

    nothing = {"schema": SCHEMA}
    run = RunEvidence(record_of(Evidence, nothing), record_of(LatencyEvidence, nothing))
    page = make_page(Workspace(tmp_path), report_config, run)
    assert Reader(render(page)).open == []


def _empty(curve):
    return replace(curve, level=curve.level[:0], x=curve.x[:0], y=curve.y[:0])


def rewritten(path, **content):
    """A file of today's schema with nothing else in it."""
    path.write_text(json.dumps({"schema": SCHEMA, **content}))


BAD = {
    "no metrics": lambda root: (root / "evaluation/metrics.json").unlink(),
    "no json": lambda root: (root / "evaluation/metrics.json").write_text("{"),
    "a list": lambda root: (root / "evaluation/metrics.json").write_text("[]"),
    "another schema": lambda root: (root / "evaluation/metrics.json").write_text('{"schema": 99}'),
    "another shape": lambda root: rewritten(root / "evaluation/metrics.json", gates=[7]),
    "a text for a number": lambda root: rewritten(root / "evaluation/metrics.json", seed="x"),
    "no latency": lambda root: (root / "evaluation/latency.json").unlink(),
    "another latency": lambda root: rewritten(root / "evaluation/latency.json"),
    "a broken stream": lambda root: (root / STREAM).write_bytes(b"PAR1"),
}


@pytest.mark.parametrize("name", BAD)
def test_damaged_files_are_refused_by_name(workspace, report_config, tmp_path, name):
    """What is there must be whole: the text names the file, and no half page is left."""
    BAD[name](workspace.root)
    with pytest.raises(DataError, match=r"(metrics\.json|latency\.json|stream\.parquet): expected"):
        write_page(workspace, report_config, out=tmp_path / "page.html")
    assert not (tmp_path / "page.html").exists()


def test_evidence_whose_numbers_meant_something_else_is_refused(workspace, report_config, tmp_path):
    """The words of today never stand about shares of windows that were counted before."""
    path = workspace.evaluation / "metrics.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"schema": BEFORE}))
    with pytest.raises(DataError, match=f"expected schema {SCHEMA}, got {BEFORE}; run `ground evaluate` again"):
        write_page(workspace, report_config, out=tmp_path / "page.html")


def test_page_of_another_config_is_refused(evaluated, report_config, tmp_path):
    """Thresholds and limits of one config never stand beside the numbers of another."""
    changed = report_config.model_copy(update={"seed": 4})
    with pytest.raises(DataError, match=r"metrics\.json: expected the evaluation of config"):
        write_page(evaluated, changed, out=tmp_path / "page.html")


def test_evidence_survives_the_file(evaluated):
    """Reading both files back and writing them again gives the same bytes, so nothing of them was lost."""
    run = read_run(evaluated)
    assert run.evidence.to_json() == (evaluated.evaluation / "metrics.json").read_bytes()
    assert run.latency.to_json() == (evaluated.evaluation / "latency.json").read_bytes()


def judged(run, verdict, latency, ecr):
    """A run with other verdicts on detection and on latency."""
    evidence = replace(run.evidence, verdict=RunVerdict(verdict, ()), ecr=ecr)
    gate = replace(run.latency.gate, verdict=latency)
    return RunEvidence(evidence, replace(run.latency, gate=gate))


VERDICTS = [
    (PASS, "ECR-1", RELEASE, "may be released under ECR-1"),
    (PASS, "", DEVELOPMENT, "no Engineering Change Request"),
    (INSUFFICIENT, "ECR-1", DEVELOPMENT, "marked development"),
    (FAIL, "ECR-1", NO_BUNDLE, "no bundle is made"),
]


@pytest.mark.parametrize(("verdict", "ecr", "expected", "sentence"), VERDICTS)
def test_verdict_in_one_sentence(run_evidence, verdict, ecr, expected, sentence):
    """What may be made of the run, as export decides it."""
    changed = judged(run_evidence, verdict, PASS, ecr)
    assert release_class(changed) == expected
    assert sentence in meaning(changed)


CLASSES = [
    (PASS, PASS, "ECR-1", RELEASE),
    (PASS, PASS, "", DEVELOPMENT),
    (INSUFFICIENT, PASS, "ECR-1", DEVELOPMENT),
    (PASS, INSUFFICIENT, "ECR-1", DEVELOPMENT),
    (INSUFFICIENT, INSUFFICIENT, "", DEVELOPMENT),
    (PASS, FAIL, "ECR-1", NO_BUNDLE),
    (INSUFFICIENT, FAIL, "ECR-1", NO_BUNDLE),
    (FAIL, PASS, "ECR-1", NO_BUNDLE),
]
"""Verdict on detection, on latency, change request; what may be made of it."""


@pytest.mark.parametrize(("verdict", "latency", "ecr", "expected"), CLASSES)
def test_only_a_pass_of_every_gate_with_a_change_request_is_released(run_evidence, verdict, latency, ecr, expected):
    """The page says what export decides, and INSUFFICIENT never makes a release."""
    changed = judged(run_evidence, verdict, latency, ecr)
    assert release_class(changed) == expected
    if expected == NO_BUNDLE:
        with pytest.raises(GateError, match="no bundle is made"):
            release_class_of(changed)
    else:
        assert release_class_of(changed)[0] == expected


def test_gate_bars_stay_on_their_scale(evidence):
    """Whatever the bounds, the picture lies between 0 and 100; a gate without a measurement has none."""
    wild = [replace(gate, point=9e9, bounds=replace(gate.bounds, upper=float("inf"))) for gate in evidence.gates]
    for line in gate_lines((*evidence.gates, *wild)):
        for bar in line.bars:
            assert all(0.0 <= value <= 100.0 for value in (bar.lower, bar.upper, bar.point, bar.limit))
    unknown = replace(evidence.gates[0], point=float("nan"))
    assert gate_lines((unknown,))[0].bars == ()
    assert gate_lines((unknown,))[0].point == "n/a"


HOW_TO = ROOT / "docs" / "how-to" / "investigate-alert.md"


def test_command_finds_the_config_of_an_evaluation(workspace, report_config, tmp_path):
    """In the workspace, by its digest; without it, it says which one it needs."""
    with pytest.raises(ConfigError, match=f"expected the config of this evaluation .{report_config.digest[:12]}"):
        report(workspace.root)
    (workspace.root / "other.yaml").write_text("a: 1\n")
    document = report_config.model_dump(mode="json", by_alias=True)
    (workspace.root / "config.yaml").write_text(json.dumps(document))
    report(workspace.evaluation, out=tmp_path / "page.html")
    assert "tiny_detector" in (tmp_path / "page.html").read_text()
    with pytest.raises(DataError, match="expected a workspace or a file of results, got nothing"):
        report(tmp_path / "nowhere")


@pytest.mark.skipif(not any(map(shutil.which, BROWSERS)), reason="no chromium on the path; apt-get install chromium")
def test_commands_of_the_page_run(workspace, report_config, small_bundle, tmp_path, monkeypatch):
    """docs/how-to/investigate-alert.md, block by block, in a folder with the workspace ``w``."""
    (block,) = [block for block in blocks_of(HOW_TO) if block.language == "sh"]
    root = tmp_path / "page" / "w"
    shutil.copytree(workspace.root, root)
    (root / "config.yaml").write_text(json.dumps(report_config.model_dump(mode="json", by_alias=True)))
    (root / "keys").mkdir()
    shutil.copy(small_bundle.key, root / "keys" / "public.pem")
    model = root / "models" / "engine_vibration" / "1.0.0"
    for name, content in read_archive(small_bundle.path.read_bytes()).items():
        (model / name).parent.mkdir(parents=True, exist_ok=True)
        (model / name).write_bytes(content)
    monkeypatch.chdir(root.parent)
    for line in block.text.splitlines():
        told = CliRunner().invoke(app, shlex.split(line)[1:])
        assert told.exit_code == 0, told.output
    made = sorted(path.name for path in root.parent.iterdir())
    assert made == ["page.html", "results.html", "results.parquet", "results.parquet.run.json", "results.pdf", "w"]
    assert read_record(root.parent / "results.parquet").command[:2] == ("ground", "batch")
    assert (root.parent / "results.pdf").read_bytes().startswith(b"%PDF-")
    assert (root / "report.html").is_file()
