"""What each promotion asks for, as a table: gates, validation, a shadow report."""

from __future__ import annotations

import json

import pytest

from ground.errors import DataError, PromotionError
from ground.evidence_schema import BEFORE, SCHEMA
from ground.fleet.registry.decision import Basis
from ground.fleet.registry.history import History
from ground.fleet.registry.plan import Moment, Promotion, plan_promotion, plan_registration, plan_retirement
from ground.fleet.registry.report_check import check_report, read_report_file
from ground.fleet.registry.states import State
from tests.ground.fleet.test_registry_history import subject
from tests.ground.registry_rig import FLIGHTS, PERSON, Made, metrics, report

AT = "2026-11-28T12:00:00Z"
CANDIDATE, FLYING = Made(None, "c" * 64, "d/2.0.0"), Made(None, "a" * 64, "d/1.0.0")
CHECK = {"shadow": CANDIDATE.digest, "active": FLYING.digest}


def ask(history: History, version: str, to: State, **options) -> History:
    """Promote, with gates that passed unless told otherwise."""
    evidence = options.pop("metrics", metrics())
    asked = Promotion(to=to, **{**PERSON, **options})
    return history.with_decision(plan_promotion(history, version, asked, evidence, AT))


def registered(*subjects) -> History:
    """Versions in development."""
    history = History("d")
    for each in subjects:
        history = history.with_decision(plan_registration(history, each, Moment("a", "r", AT)))
    return history


def flying(state: State = State.SHADOW) -> History:
    """1.0.0 is active, 2.0.0 on its way."""
    history = registered(subject("1.0.0", digest=FLYING.digest), subject("2.0.0", digest=CANDIDATE.digest))
    history = ask(ask(history, "1.0.0", State.VALIDATION), "1.0.0", State.ACTIVE, first=True)
    history = ask(history, "2.0.0", State.VALIDATION)
    return ask(history, "2.0.0", State.SHADOW) if state is State.SHADOW else history


@pytest.mark.parametrize(
    ("evidence", "message"),
    [
        (metrics("FAIL"), "expected a verdict of PASS, got FAIL"),
        (metrics("INSUFFICIENT"), "got INSUFFICIENT"),
        (metrics(""), "got none"),
        (
            metrics().replace(b'"needed_n": 29, "verdict": "PASS"', b'"needed_n": 29, "verdict": "FAIL"'),
            "auc: expected",
        ),
        (json.dumps({**json.loads(metrics()), "gates": []}).encode(), "no gate in it"),
    ],
)
def test_gates_that_did_not_pass(evidence, message):
    """No validation."""
    with pytest.raises(PromotionError, match=message):
        ask(registered(subject()), "1.0.0", State.VALIDATION, metrics=evidence)


def test_gates_of_before_are_evaluated_again():
    """They passed by rules that asked for less."""
    evidence = json.dumps(json.loads(metrics()) | {"schema": BEFORE}).encode()
    with pytest.raises(PromotionError, match=f"expected schema {SCHEMA}, got {BEFORE}.*`ground evaluate` again"):
        ask(registered(subject()), "1.0.0", State.VALIDATION, metrics=evidence)


def test_metrics_that_are_none():
    """A bundle of another tool has none of ours."""
    for evidence in (
        b"{}",
        b"[]",
        b'{"verdict": "PASS", "gates": []}',
        b'{"verdict": {"verdict": "PASS"}, "gates": 3}',
    ):
        with pytest.raises(DataError, match="expected an evaluation"):
            ask(registered(subject()), "1.0.0", State.VALIDATION, metrics=evidence)


def test_a_development_bundle_stays_in_development():
    """Whatever its metrics say."""
    with pytest.raises(PromotionError, match="expected a release bundle, got a development one"):
        ask(registered(subject(release_class="development")), "1.0.0", State.VALIDATION)


def test_each_step_rests_on_its_evidence():
    """And the decision keeps its digest."""
    history = flying()
    history = ask(history, "2.0.0", State.ACTIVE, report=report(CANDIDATE, FLYING))
    bases = [(each.subject.version, each.state.value, each.basis) for each in history.decisions]
    assert bases == [
        ("1.0.0", "development", Basis.BUNDLE), ("2.0.0", "development", Basis.BUNDLE),
        ("1.0.0", "validation", Basis.GATES), ("1.0.0", "active", Basis.FIRST),
        ("2.0.0", "validation", Basis.GATES), ("2.0.0", "shadow", Basis.VALIDATION),
        ("2.0.0", "active", Basis.SHADOW_REPORT),
    ]  # fmt: skip
    assert history.decisions[5].evidence == history.decisions[4].digest
    assert history.versions["1.0.0"].state is State.RETIRED


@pytest.mark.parametrize(
    ("state", "options", "message"),
    [
        (State.VALIDATION, {}, "expected a shadow, got one in validation"),
        (State.SHADOW, {}, "expected a shadow report, got none"),
        (State.SHADOW, {"first": True}, "expected the first active version"),
        (State.SHADOW, {"report": b"{}"}, "the file that `ground shadow report --out` writes"),
    ],
)
def test_active_needs_a_report(state, options, message):
    """No option goes around it."""
    with pytest.raises(PromotionError, match=message):
        ask(flying(state), "2.0.0", State.ACTIVE, **options)


def test_retiring_the_active_version_makes_nobody_first():
    """The last one that flew is what a shadow is compared with."""
    history = flying()
    active = history.versions["1.0.0"].subject
    history = history.with_decision(plan_retirement(history, "1.0.0", Moment("a", "r", AT)))
    with pytest.raises(PromotionError, match=f"after {active.version}"):
        ask(history, "2.0.0", State.ACTIVE, first=True)
    assert ask(history, "2.0.0", State.ACTIVE, report=report(CANDIDATE, FLYING)).last_active("f") == "2.0.0"


def test_a_first_version_says_so():
    """From validation or shadow, where there never was another in its fleet."""
    history = ask(registered(subject()), "1.0.0", State.VALIDATION)
    with pytest.raises(PromotionError, match="say --first"):
        ask(history, "1.0.0", State.ACTIVE, report=report(CANDIDATE, FLYING))
    assert ask(history, "1.0.0", State.ACTIVE, first=True).last_active("f") == "1.0.0"


def test_a_shadow_gives_way_when_told():
    """Not by itself."""
    history = ask(
        flying().with_decision(plan_registration(flying(), subject("3.0.0"), Moment("a", "r", AT))),
        "3.0.0",
        State.VALIDATION,
    )
    with pytest.raises(PromotionError, match=r"expected no shadow in fleet f, got 2\.0\.0"):
        ask(history, "3.0.0", State.SHADOW)
    history = ask(history, "3.0.0", State.SHADOW, replace=True)
    assert history.versions["2.0.0"].state is State.RETIRED
    assert history.holder(State.SHADOW, "f") == "3.0.0"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"approver": ""}, "approver: expected 1 to 500"),
        ({"approver": "a\nb"}, "approver"),
        ({"reason": " "}, "reason"),
        ({"reason": "x" * 501}, "reason"),
        ({"to": State.RETIRED}, "expected validation, shadow or active, got retired"),
        ({"to": State.DEVELOPMENT}, "got development"),
        ({"to": State.SHADOW, "first": True}, "expected active with a shadow report or as the first"),
        ({"to": State.VALIDATION, "report": b"{}"}, "expected active with"),
        ({"to": State.ACTIVE, "report": b"{}", "first": True}, "got both"),
    ],
)
def test_what_is_asked_makes_sense(options, message):
    """Before anything is read."""
    with pytest.raises(PromotionError, match=message):
        Promotion(**{"to": State.SHADOW, **PERSON, **options})


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"schema": 3}, "no document of schema"),
        ({"schema": True}, "no document of schema"),
        ({"verdict": "go_on"}, "expected verdict ready, got go_on"),
        ({"verdict": "worse"}, "got worse"),
        ({"shadow": ["d/2.0.0", "b" * 64]}, "expected shadow cccccccccccccccc, got bbbbbbbbbbbbbbbb"),
        ({"active": []}, "alone, got none"),
        ({"active": [["x", "b" * 64]]}, "expected active aaaaaaaaaaaaaaaa alone, got bbbbbbbbbbbbbbbb"),
        ({"active": [["x", FLYING.digest], ["y", "b" * 64]]}, "leave out other days"),
        ({"rule": {"limit": 0.06, "confidence": 0.95}}, "--limit 0.05 or less"),
        ({"rule": {"limit": 0.05, "confidence": 0.9}}, "--confidence 0.95 or more"),
        ({"rule": {"limit": "x", "confidence": 0.9}}, "writes, got ValueError"),
        ({"rule": {"limit": float("nan"), "confidence": 0.95}}, "nan for a share"),
        ({"rule": {"limit": 0.05, "confidence": 1.0}}, "1.0 for a share"),
        ({"flights": float("inf")}, "inf for a count"),
        ({"flights": 10**400}, "for a count"),
        ({"flights": 115}, "expected numbers that give ready"),
        ({"flights": 0}, "expected numbers that give ready"),
        ({"gained": [{}] * 12}, "12 extra alarms in 200 flights"),
        ({"flights": -1}, "expected numbers that can be"),
        ({"gained": 3}, "writes, got TypeError"),
        ({"shadow": []}, "writes, got IndexError"),
    ],
)
def test_a_report_that_does_not_do(changed, message):
    """By another rule, of other bundles, or with a verdict that its numbers do not give."""
    with pytest.raises(PromotionError, match=message):
        check_report("d/2.0.0", report(CANDIDATE, FLYING, **changed), **CHECK)


@pytest.mark.parametrize("content", [b"", b"[]", b"{", b"\xff\xfe", b'{"schema": 1, "schema": 1}', b'{"schema": 1}'])
def test_what_is_no_report(content):
    """Empty, cut short, no text, or of another kind."""
    with pytest.raises(PromotionError, match="shadow report: expected the file"):
        check_report("d/2.0.0", content, **CHECK)


def test_a_report_names_windows_by_nanoseconds():
    """Beyond 2^53: the very report of the command, of flights in which one of the two alarms."""
    window = {"aircraft": "a", "engine": "e", "flight": "f", "phase": "climb", "end_ns": 1_768_003_515_000_000_000}
    alone = {**window, "ratio_active": 1.5, "ratio_shadow": 0.5}
    check_report("d/2.0.0", report(CANDIDATE, FLYING, gained=[alone], lost=[alone, alone]), **CHECK)


def test_the_least_that_does():
    """As many flights as ``ground shadow report`` says it takes."""
    check_report("d/2.0.0", report(CANDIDATE, FLYING, flights=116), **CHECK)
    assert FLIGHTS > 116


def test_a_file_that_cannot_be_read(tmp_path):
    """Missing, or a folder."""
    for path in (tmp_path / "none.json", tmp_path):
        with pytest.raises(PromotionError, match="--shadow-report: expected a file"):
            read_report_file(path)
