"""Drift of a fleet: the level is kept, shifts are found and named, engines and phases are not mixed up."""

from __future__ import annotations

import json
import sys
from collections import Counter

import msgpack
import numpy as np
import pytest
from scipy.stats import binom

from edge_agent.drift import SCHEMA, pack
from edge_agent.publication import Publication
from edge_agent.sketch import Sketch
from edge_agent.topics_section import TopicsSection
from ground.cli import main
from ground.drift_reading import read_drift
from ground.errors import DataError
from ground.fleet.collect.parts import write_parts
from ground.fleet.drift import FlightMeans, Outcome, check_block, divided, level_of
from ground.fleet.flight_sums import FlightSums, flights_of
from ground.fleet.registry.states import State
from tests.ground.collect.conftest import message as result_message  # noqa: F401 - a fixture

N_FEATURE = 30
PHASES = ("climb", "cruise")


def fleet(rng, n, *, engines=4, shift=0.0, feature=7, phase="cruise", begin=0, spread=0.3):
    """Flights in turns of engines that differ from each other, with features that go together."""
    own = np.random.default_rng(5).standard_normal((engines, N_FEATURE))
    mixing = np.random.default_rng(6).standard_normal((N_FEATURE, N_FEATURE)) / np.sqrt(N_FEATURE)
    flights = []
    for number in range(begin, begin + n):
        means = {name: own[number % engines] + spread * mixing @ rng.standard_normal(N_FEATURE) for name in PHASES}
        means[phase][feature] += shift
        flights.append(FlightMeans(engine=f"A/{number % engines}", flight=f"F{number}", from_ns=number, means=means))
    return flights


def test_the_level_is_kept():
    """120 fleets without drift: no more triggers than the level allows, with 60 features that go together."""
    rng = np.random.default_rng(20_261_128)
    triggers = 0
    for number in range(120):
        test = check_block(fleet(rng, 40), fleet(rng, 24, begin=40), seed=number, permutations=99)
        triggers += test.p <= 0.05
    assert triggers <= binom.ppf(0.999, 120, 0.05)


def test_a_shift_is_found_and_named():
    """One feature in one phase, by 1.5 times what flights differ by."""
    rng = np.random.default_rng(1)
    test = check_block(fleet(rng, 60), fleet(rng, 30, begin=60, shift=0.45), seed=0)
    assert test.outcome is Outcome.DRIFT
    first = test.shifts[0]
    assert (first.phase, first.feature) == ("cruise", 7)
    assert first.spreads == pytest.approx(0.45, abs=0.15)
    assert (test.reference, test.flights, test.left_out) == (60, 30, 0)


def test_quieter_is_drift_as_well():
    """Either way."""
    rng = np.random.default_rng(2)
    test = check_block(fleet(rng, 60), fleet(rng, 30, begin=60, shift=-0.6), seed=0)
    assert test.outcome is Outcome.DRIFT
    assert test.shifts[0].spreads < 0.0


def test_other_engines_are_no_drift():
    """The fleet flies other engines of late: they differ from each other, and none of them has changed."""
    rng = np.random.default_rng(3)
    before = [each for each in fleet(rng, 80) if each.engine in ("A/0", "A/1")]
    late = [each for each in fleet(rng, 80, begin=80) if each.engine in ("A/1", "A/2", "A/3")]
    test = check_block(before, late, seed=0)
    assert test.outcome is Outcome.STEADY
    assert (test.flights, test.left_out, test.reference) == (20, 40, 20)


def test_a_large_fleet_is_watched():
    """400 engines in random order, few of them in the first 60 flights: each is held against its own first ones."""
    rng = np.random.default_rng(5)
    before, after = fleet(rng, 2000, engines=400), fleet(rng, 400, engines=400, begin=2000, shift=0.6)
    rng.shuffle(before)
    usual, late = divided([*before, *after], 60)
    assert max(Counter(each.engine for each in usual[60:]).values()) == 4
    assert {each.engine for each in usual} >= {each.engine for each in late}
    blocks = (late[:30], late[30:60], late[-30:])
    tests = [check_block(usual, each, seed=number, permutations=199) for number, each in enumerate(blocks)]
    assert [test.outcome for test in tests] == [Outcome.STEADY, Outcome.STEADY, Outcome.DRIFT]
    assert {test.left_out for test in tests} == {0}


def test_what_comes_later_moves_no_block_of_before():
    """Nor what it is held against."""
    flights = fleet(np.random.default_rng(5), 300, engines=40)
    _, some = divided(flights[:200], 20)
    usual, late = divided(flights, 20)
    assert late[: len(some)] == some
    assert usual[:20] == flights[:20]


@pytest.mark.parametrize("reason", ["few flights", "other engines", "no common phase"])
def test_too_little_is_said(reason):
    """No verdict of few flights, of engines that were never known, nor of phases that hardly occur."""
    rng = np.random.default_rng(4)
    before, late = fleet(rng, 60), fleet(rng, 30, begin=60)
    if reason == "few flights":
        late = late[:5]
    elif reason == "other engines":
        late = [FlightMeans(engine="B/1", flight=e.flight, from_ns=e.from_ns, means=e.means) for e in late]
    else:
        before = [
            FlightMeans(engine=e.engine, flight=e.flight, from_ns=e.from_ns, means={f"phase {n}": e.means["cruise"]})
            for n, e in enumerate(before)
        ]
        late = [FlightMeans(engine=e.engine, flight=e.flight, from_ns=e.from_ns, means={}) for e in late]
    test = check_block(before, late, seed=0)
    assert (test.outcome, test.p) == (Outcome.INSUFFICIENT, 1.0)


def test_flights_that_lack_a_phase_take_part_in_the_others():
    """And a constant feature, which says nothing, disturbs nothing."""
    rng = np.random.default_rng(5)
    before, late = fleet(rng, 60), fleet(rng, 30, begin=60, shift=0.6)
    for each in [*before, *late][::3]:
        del each.means["climb"]
    for each in (*before, *late):
        for means in each.means.values():
            means[0] = 1e15
    test = check_block(before, late, seed=0)
    assert test.outcome is Outcome.DRIFT
    assert (test.shifts[0].phase, test.shifts[0].feature) == ("cruise", 7)


def test_one_false_trigger_in_a_thousand_flights():
    """The level of a block is its share of a thousand flights."""
    assert [level_of(n) for n in (20, 50, 2_000)] == [0.02, 0.05, 1.0]


def test_the_same_seed_gives_the_same_p():
    """A report is asked for again."""
    rng = np.random.default_rng(6)
    before, late = fleet(rng, 40), fleet(rng, 20, begin=40)
    assert check_block(before, late, seed=3) == check_block(before, late, seed=3)


def message(flight, engine="1", *, shift=0.0, n=20, seed=0, bundle="d/1.0.0", digest="ab", phase="cruise", at_ns=0):
    """A drift message as an agent sends it."""
    rng = np.random.default_rng(seed)
    sketch = Sketch.empty(4)
    level = 0.3 * rng.standard_normal(4)
    for _ in range(n):
        sketch.add(level + rng.standard_normal(4) * 0.5 + np.array([0.0, shift, 0.0, 0.0]), 0.5)
    document = {
        "schema": SCHEMA, "aircraft": "A", "engine": engine, "flight": flight, "from_ns": at_ns, "to_ns": at_ns + 9,
        "phase": phase, "cause": "flight", "agent": "a1", "run": "r1", "bundle_id": bundle, "bundle_digest": digest,
        "n": sketch.n, "not_assessed": dict(Counter()), "shed": 0, "n_feature": 4, "arrays": pack(sketch),
    }  # fmt: skip
    return Publication(topic=f"aircraft/A/engine/{engine}/drift", payload=bytes(msgpack.packb(document)))


@pytest.fixture
def ask(monkeypatch, capsys, tmp_path):
    """Writes a dataset of messages, asks for drift; gives exit code, output and errors."""

    def run(messages, *options):
        write_parts(messages, tmp_path / "data", name=f"c-{len(messages)}", date="2026-01-02", topics=TopicsSection())
        monkeypatch.setattr(sys, "argv", ["ground", "drift", "--data", str(tmp_path / "data"), *map(str, options)])
        with pytest.raises(SystemExit) as ended:
            main()
        return (int(ended.value.code or 0), *capsys.readouterr())

    return run


def flown(n, *, begin=0, shift=0.0):
    """Messages of flights of two engines."""
    return [message(f"F{at}", str(at % 2), shift=shift, seed=at, at_ns=at) for at in range(begin, begin + n)]


def test_from_a_dataset_to_an_event(ask, tmp_path):
    """Steady flights exit with 0; a shift exits with 3 and leaves an event that names the feature."""
    model = tmp_path / "model"
    model.mkdir()
    (model / "scaler.json").write_text(json.dumps({"names": ["rms", "crest", "std", "mean"]}))
    code, said, _ = ask(flown(60), "--reference", 30, "--block", 20, "--out", tmp_path / "event.json")
    assert (code, "steady" in said, (tmp_path / "event.json").exists()) == (0, True, False)
    assert "10 flights wait" in said
    code, said, _ = ask(
        flown(20, begin=60, shift=2.0), "--reference", 30, "--block", 20, "--model", model,
        "--out", tmp_path / "event.json",
    )  # fmt: skip
    assert (code, "drift" in said) == (3, True)
    event = json.loads((tmp_path / "event.json").read_text())
    assert (event["event"], event["bundle_id"], event["shifts"][0]["name"]) == ("drift", "d/1.0.0", "crest")
    assert event["p"] <= event["level"]
    assert len(event["flown"]) == 20
    code, said, _ = ask([], "--reference", 30, "--block", 20, "--model", model, "--json")
    document = json.loads(said)
    assert (code, document["flights"], [each["outcome"] for each in document["blocks"]]) == (3, 80, ["steady", "drift"])
    assert document["blocks"][-1] == event


def test_messages_that_are_none_are_told_of(ask):
    """And cost the others nothing."""
    bad = Publication(topic="aircraft/A/engine/1/drift", payload=b"nonsense")
    code, _, told = ask([*flown(40), bad], "--reference", 20, "--block", 20)
    assert (code, "1 messages left out" in told) == (0, True)


def wider(flight):
    """A sound message of one feature more."""
    sketch = Sketch.empty(5)
    for _ in range(20):
        sketch.add(np.zeros(5), 0.5)
    document = msgpack.unpackb(message(flight).payload)
    document |= {"n": sketch.n, "n_feature": 5, "arrays": pack(sketch)}
    return Publication(topic="aircraft/A/engine/1/drift", payload=bytes(msgpack.packb(document)))


@pytest.mark.parametrize("at", [0, 25])
def test_messages_of_other_features_are_told_of(ask, tmp_path, at):
    """Whoever publishes one costs the others nothing, the first one included; ``--model`` decides where it is given."""
    messages = flown(40)
    code, said, told = ask([*messages[:at], wider("X"), *messages[at:]], "--reference", 20, "--block", 20)
    assert (code, "steady" in said) == (0, True)
    assert "1 messages left out, which have other than 4 features" in told
    (tmp_path / "scaler.json").write_text(json.dumps({"names": list("abcde")}))
    code, said, told = ask([], "--model", tmp_path)
    assert (code, "1 flights so far" in said) == (0, True)
    assert "40 messages left out, which have other than 5 features" in told
    (tmp_path / "scaler.json").write_text(json.dumps({"names": ["a"]}))
    code, _, told = ask([], "--model", tmp_path)
    assert (code, "--model: expected that of the messages, got 1 features for [4, 5]; give theirs" in told) == (2, True)


def test_too_few_flights_so_far(ask):
    """It says how many it needs."""
    code, said, _ = ask(flown(20))
    assert (code, "20 flights so far, 20 of them of the reference: expected 30 after those" in said) == (0, True)


@pytest.mark.parametrize(
    ("messages", "options", "said"),
    [
        ([], (), "expected messages of one bundle, got none"),
        ([message("F1"), message("F2", bundle="d/2.0.0", digest="cd")], (), "got d/1.0.0 ab, d/2.0.0 cd; choose one"),
        ([message("F1")], ("--model", "nowhere"), "--model: expected a folder with scaler.json, got nowhere"),
    ],
    ids=["nothing", "two bundles", "no model"],
)
def test_bad_input_is_named(ask, messages, options, said):
    """With exit code 2."""
    code, _, errors = ask([*messages, Publication(topic="aircraft/A/engine/1/unit", payload=b"")], *options)
    assert (code, said in errors) == (2, True)


def test_a_flight_counts_where_it_has_windows():
    """Its periods are added up; one with hardly a window in a phase says nothing of it."""
    parts = [message("F1", n=8, at_ns=5), message("F1", n=8, at_ns=20), message("F2", n=3, at_ns=1)]
    (only,) = flights_of([read_drift(each.payload) for each in parts])
    assert (only.flight, only.from_ns, sorted(only.means)) == ("F1", 5, ["cruise"])


def sums_of(*arrivals):
    """What messages say, each with the day on which it came."""
    sums = FlightSums()
    for each, day in arrivals:
        sums.add(read_drift(each.payload), arrived=day)
    return sums.flights()


def test_news_that_come_late_move_no_flight_of_the_days_before():
    """Neither one that began before them, nor what comes of them later."""
    early, late, known = message("F3", at_ns=3), message("F1", at_ns=1), message("F2", at_ns=2)
    before = [(early, "2026-01-02"), (known, "2026-01-02")]
    after = [(late, "2026-01-03"), (message("F3", at_ns=0, seed=9), "2026-01-04")]
    assert [each.flight for each in sums_of(*before)] == ["F2", "F3"]
    assert [each.flight for each in sums_of(*before, after[0])] == ["F2", "F3", "F1"]
    assert [each.flight for each in sums_of(*reversed([*before, *after]))] == ["F2", "F3", "F1"]


def test_a_message_that_came_twice_counts_once():
    """On whatever days."""
    twice = [(message("F1", n=20), "2026-01-02"), (message("F1", n=20), "2026-01-05")]
    other = (message("F1", n=15, seed=1, at_ns=100), "2026-01-02")
    (once,), (again,) = sums_of(twice[0], other), sums_of(*twice, other)
    assert (once.means["cruise"] == again.means["cruise"]).all()
    with pytest.raises(DataError, match="expected messages of bundle ab, got one of cd"):
        sums_of(twice[0], (message("F2", digest="cd"), "2026-01-02"))


def flight(engine, late, means):
    """A flight of an engine, before or of late."""
    return FlightMeans(engine=engine, flight=f"{engine}-{late}", from_ns=late, means=means)


def test_exchanges_that_give_the_same_difference_count_whatever_the_rounding():
    """Two flights of each of 8 engines can be exchanged in 2^8 ways, and two of them give the largest difference."""
    rng = np.random.default_rng(0)
    usual, moved = rng.standard_normal((8, 50)), np.abs(rng.standard_normal((8, 50)))
    before = [flight(f"A/{at}", 0, {"cruise": usual[at] - moved[at]}) for at in range(8)]
    after = [flight(f"A/{at}", 1, {"cruise": usual[at] + moved[at]}) for at in range(8)]
    p = [check_block(before, after, seed=seed, permutations=1999).p for seed in range(6)]
    assert np.mean(p) == pytest.approx(2 / 256, abs=4 * np.sqrt(2 / 256 / 6 / 2000))


def test_a_constant_feature_in_a_phase_that_comes_more_often_is_no_drift():
    """A mean of equal numbers is not that number to the last bit: nothing is made of that."""
    before = [flight(f"A/{at % 2}", at, {"cruise": np.zeros(1)}) for at in range(16)]
    before += [flight(f"A/{at % 2}", at, {"cruise": np.zeros(1), "climb": np.full(1, 0.1)}) for at in range(2)]
    after = [flight(f"A/{at % 2}", at, {"cruise": np.zeros(1), "climb": np.full(1, 0.1)}) for at in range(100, 116)]
    test = check_block(before, after, seed=0, permutations=499)
    assert (test.outcome, test.p) == (Outcome.STEADY, 1.0)


def test_the_version_that_flies_is_asked_of_the_registry(ask, rig, tmp_path):
    """So that no option has to follow each promotion."""
    registry = rig.registry(tmp_path / "r")
    made = rig.bundle("1.0.0")
    rig.register(registry, made)
    mine = [message(f"F{at}", str(at % 2), seed=at, at_ns=at, bundle=made.name, digest=made.digest) for at in range(40)]
    options = ("--active", "small", "--registry", tmp_path / "r", "--reference", 20, "--block", 20)
    code, _, errors = ask([*mine, *flown(20)], *options)
    assert (code, "--active: expected one active version of small, got none" in errors) == (2, True)
    rig.register(registry, made, State.VALIDATION, State.ACTIVE)
    code, said, _ = ask([], *options)
    assert (code, "steady" in said) == (0, True)
    code, _, errors = ask([], *options, "--bundle", "d/1.0.0")
    assert (code, "--active, --bundle: expected one of them, got both" in errors) == (2, True)


def test_a_dataset_that_says_nothing_is_none_of_a_fleet(ask, result_message, rig, tmp_path):  # noqa: F811 - the fixture
    """A wrong folder would be no drift for ever; where results arrive, that no message of drift has is believed."""
    rig.register(rig.registry(tmp_path / "r"), rig.bundle("1.0.0"), State.VALIDATION, State.ACTIVE)
    options = ("--active", "small", "--registry", tmp_path / "r")
    (tmp_path / "data").mkdir()
    code, _, errors = ask([], *options)
    assert (code, "expected a dataset with messages of drift or results, got neither" in errors) == (2, True)
    code, said, _ = ask([result_message()], *options)
    assert (code, "0 flights so far" in said) == (0, True)


def test_a_version_that_nobody_has_flown_yet_has_no_flights(ask, rig, tmp_path):
    """Whoever asks each night has it right after each promotion; a name that nobody vouches for may be misspelt."""
    made = rig.bundle("1.0.0")
    rig.register(rig.registry(tmp_path / "r"), made, State.VALIDATION, State.ACTIVE)
    options = ("--active", "small", "--registry", tmp_path / "r")
    code, said, _ = ask(flown(2), *options)
    assert (code, "0 flights so far, 0 of them of the reference: expected 30 after those" in said) == (0, True)
    code, said, _ = ask([], *options, "--json")
    assert (code, json.loads(said)) == (0, {"schema": 1, "flights": 0, "blocks": []})
    code, _, errors = ask([], "--bundle", made.name)
    assert (code, "expected messages of one bundle, got none" in errors) == (2, True)
