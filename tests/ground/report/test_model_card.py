"""The model card: complete, from the evidence alone, and with clear gaps for people."""

from __future__ import annotations

import json
import re
from dataclasses import replace

import pytest

from edge_agent.layout import MEMBER_CAPS, MODEL_CARD
from edge_agent.manifest import DEVELOPMENT, RELEASE, Manifest
from ground.coverage import Coverage, Coverages
from ground.evidence import Evidence
from ground.report.evidence_file import record_of
from ground.report.headline import gates_sentence
from ground.report.model_card import TO_FILL, ModelCardInput, model_card

SECTIONS = [
    "Intended use", "Data", "Gates", "Measured on test flights, beside other scorers", "By fault, all phases",
    "Thresholds and what they promise", "Cross-validation", "Limits", "Origin", "Sign-off",
]  # fmt: skip


def manifest(**changes):
    """A manifest with some fields changed."""
    fields = {
        "detector": "tiny_detector", "version": "1.2.3", "fleet": "demo", "sequence": 7, "release_class": RELEASE,
        "spec_digest": "a" * 64, "min_agent_version": "0.1.0", "ecr": "ECR-1", "part_number": "P|1 <b>",
    }  # fmt: skip
    return Manifest(**{**fields, **changes})


@pytest.fixture
def card(evidence):
    """The card of the tiny fleet."""
    return model_card(ModelCardInput(manifest=manifest(), evidence=evidence))


def test_card_has_every_section_in_order(card):
    """As the reference page lists them."""
    assert re.findall(r"^## (.*)$", card, flags=re.MULTILINE) == SECTIONS
    assert "\n---\n\n# tiny_detector/1.2.3\n" in card


def test_card_holds_what_was_measured_and_what_is_promised(card, evidence):
    """Gates with verdicts, intervals, thresholds, digests, the change request."""
    for gate in evidence.gates:
        assert f"| {gate.verdict} |" in card
    assert evidence.contenders[0].calibration.summary in card
    for digest in (evidence.config_digest, evidence.model_digest, evidence.scaler_digest, "a" * 64):
        assert digest in card
    for text in ("ECR-1", "plain RMS (baseline)", "any other"):
        assert text in card


def test_coverage_is_told(evidence):
    """In the card and beside the gates of the page: shares of assessed windows and the reasons of the rest."""
    coverage = Coverages(
        healthy=Coverage(examined=1000, assessed=1000, not_assessed=()),
        faulty=Coverage(examined=400, assessed=40, not_assessed=(("flatline", 350), ("phase_change", 10))),
    )
    found = replace(evidence, coverage=coverage)
    card = model_card(ModelCardInput(manifest=manifest(), evidence=found))
    rest = "flat sensor (350) and change of phase within the window (10)"
    for text in (
        "Of 1,000 healthy test windows 100.0\u00a0% were assessed.",
        f"Of 400 faulty test windows 10.0\u00a0% were assessed; the rest: {rest}.",
    ):
        assert text in card
        assert text in gates_sentence(found)


def test_evidence_of_before_has_no_coverage(evidence):
    """A record without it is read, and nothing is told."""
    document = json.loads(evidence.to_json())
    del document["coverage"]
    assert "were assessed" not in gates_sentence(record_of(Evidence, document))
    assert "were assessed" in gates_sentence(evidence)


def test_flights_that_could_not_alarm_are_told(evidence):
    """In the card and beside the gates of the page; where there are none, nobody is told of them."""
    shipped, told = evidence.contenders[0], "could not alarm"
    for n, expected in ((0, False), (2, True)):
        changed = replace(shipped, flights=replace(shipped.flights, unheard_flights=n))
        found = replace(evidence, contenders=(changed, *evidence.contenders[1:]))
        card = model_card(ModelCardInput(manifest=manifest(), evidence=found))
        assert (told in card, told in gates_sentence(found)) == (expected, expected)
    assert "2 healthy test flights with fewer than 2 assessed windows" in card


def test_every_table_keeps_its_columns(card):
    """A bar or a tag in a name breaks neither table nor page."""
    lines = [line for line in card.splitlines() if line.startswith("|")]
    blocks = re.split(r"\n(?!\|)", card)
    for block in blocks:
        rows = [line for line in block.splitlines() if line.startswith("|")]
        assert len({len(re.findall(r"(?<!\\)\|", row)) for row in rows}) <= 1
    assert lines
    assert "P\\|1 &lt;b>" in card


def test_gaps_for_people_are_marked(card):
    """What no file knows is asked for, one line each."""
    assert card.count(TO_FILL) == 5
    assert all(line.startswith("> ") for line in card.splitlines() if TO_FILL in line)


@pytest.mark.parametrize(("release_class", "is_marked"), [(RELEASE, False), (DEVELOPMENT, True)])
def test_development_bundle_says_so_first(evidence, release_class, is_marked):
    """Nobody takes it for a release."""
    card = model_card(ModelCardInput(manifest=manifest(release_class=release_class), evidence=evidence))
    title, _, first = card.partition("\n# ")[2].splitlines()[:3]
    assert title == "tiny_detector/1.2.3"
    assert ("Development bundle" in first) is is_marked


def test_card_is_the_same_text_every_time_and_fits_the_bundle(card, evidence):
    """It is a signed member: same input, same bytes, under its cap."""
    assert model_card(ModelCardInput(manifest=manifest(), evidence=evidence)) == card
    assert len(card.encode()) < MEMBER_CAPS[MODEL_CARD]


def test_card_holds_no_latency_but_its_limit(card, run_evidence):
    """Latencies differ from run to run, and the card is a member of a bundle that can be made again."""
    numbers = run_evidence.latency.numbers
    assert "99th percentile may be\n50 ms at most" in card
    assert not any(f"{value:.3g} ms" in card for value in (numbers.median_ms, numbers.p99_ms, numbers.max_ms))


def test_programs_read_the_head(card, evidence, monkeypatch):
    """The Hub's own reader finds name, tags and results in it, without a network."""
    from huggingface_hub import ModelCard

    monkeypatch.setattr("socket.socket.connect", lambda *_: pytest.fail("a card needs no network"))
    data = ModelCard(card).data
    assert data.model_name == "tiny_detector/1.2.3"
    assert {"anomaly-detection", evidence.family} <= set(data.tags)
    assert data.datasets == ["tiny"]
    found = {result.metric_type: result.metric_value for result in data.eval_results}
    assert found == {gate.name: gate.point for gate in evidence.gates}
