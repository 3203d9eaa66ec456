"""``ground registry`` as a stranger types it."""

from __future__ import annotations

import json
import sys

import pytest

from ground.cli import main
from ground.evidence_schema import BEFORE
from ground.fleet.registry.database import DATABASE, database_uri
from ground.fleet.registry.states import State
from ground.mlflow_client import mlflow_client
from tests.ground.registry_rig import metrics, report

BY = ("--approver", r"A. [b]\[i]Person", "--reason", "as the test says")
FLYING = (State.VALIDATION, State.ACTIVE)


@pytest.fixture
def ground(monkeypatch, capsys, tmp_path):
    """Runs ``ground``; gives exit code, what it printed, and its error."""

    def run(*arguments):
        monkeypatch.setattr(sys, "argv", ["ground", *map(str, arguments)])
        with pytest.raises(SystemExit) as end:
            main()
        out, error = capsys.readouterr()
        assert "Traceback" not in error
        return end.value.code, out, error

    monkeypatch.setenv("GROUND_REGISTRY", str(tmp_path / "r"))
    return run


def test_from_registration_to_comparison(ground, rig, tmp_path):
    """Each command prints for people, and JSON where asked."""
    rig.registry(tmp_path / "r")
    one, two = rig.bundle("1.0.0"), rig.bundle("2.0.0", metrics(digest="d2", point=0.98))
    for made in (one, two):
        assert ground("registry", "register", "--bundle", made.path, "--key", rig.key, "--by", "ci")[0] == 0
        assert ground("registry", "promote", made.name, "--to", "validation", *BY)[0] == 0
    code, out, _ = ground("registry", "promote", one.name, "--to", "active", "--first", *BY)
    assert (code, out.split(" since ")[0]) == (0, "small/1.0.0 is active")
    code, out, _ = ground("registry", "promote", two.name, "--to", "shadow", *BY, "--json")
    assert (code, json.loads(out)["state"]) == (0, "shadow")
    (tmp_path / "report.json").write_bytes(report(two, one))
    code, out, _ = ground(
        "registry", "promote", two.name, "--to", "active", "--shadow-report", tmp_path / "report.json", *BY
    )
    assert (code, out.splitlines()[1]) == (0, "small/1.0.0 is retired: this one has its place")
    kept = sorted((tmp_path / "r" / "artefacts").iterdir())
    (tmp_path / "report.json").write_bytes(b"something else")
    ground("registry", "promote", two.name, "--to", "active", "--shadow-report", tmp_path / "report.json", *BY)
    assert sorted((tmp_path / "r" / "artefacts").iterdir()) == kept
    code, out, _ = ground("registry", "list", "--json")
    assert [(each["name"], each["state"]) for each in json.loads(out)] == [
        (one.name, "retired"), (two.name, "active"),
    ]  # fmt: skip
    code, out, _ = ground("registry", "list")
    assert r"A. [b]\[i]Person" in out
    code, out, _ = ground("registry", "show", two.name)
    assert two.digest in out
    assert "as the test says" in out
    shown = json.loads(ground("registry", "show", one.name, "--json")[1])
    assert [each["state"] for each in shown["decisions"]] == ["development", "validation", "active", "active"]
    code, out, _ = ground("registry", "compare", one.name, two.name)
    assert code == 0
    assert "0.98 (0.93 to 0.99) n=64 PASS" in out
    compared = json.loads(ground("registry", "compare", one.name, two.name, "--json")[1])
    facts = {each["name"]: each for each in compared["facts"]}
    assert facts["feature_spec"]["same"]
    assert (facts["dataset rig"]["before"], facts["dataset rig"]["after"]) == ("9 recordings d1", "9 recordings d2")
    assert compared["measures"][0]["after"]["point"] == 0.98
    assert compared["thresholds"][0] == {
        "name": "pooled", "unit": "score",
        "before": {"point": 20.0, "bounds": {"lower": None, "upper": None}, "n": 0, "verdict": ""},
        "after": {"point": 20.0, "bounds": {"lower": None, "upper": None}, "n": 0, "verdict": ""},
    }  # fmt: skip


def test_comparison_tells_how_much_was_assessed(ground, rig, tmp_path):
    """A version that says less is seen beside one of before, whose evidence did not count that."""
    rig.registry(tmp_path / "r")
    part = {"examined": 200, "assessed": 50, "not_assessed": [["flatline", 150]]}
    told = json.loads(metrics(digest="d3")) | {"coverage": {"healthy": {**part, "assessed": 150}, "faulty": part}}
    one, two = rig.bundle("1.0.0"), rig.bundle("2.0.0", json.dumps(told).encode())
    for made in (one, two):
        ground("registry", "register", "--bundle", made.path, "--key", rig.key, "--by", "ci")
    compared = json.loads(ground("registry", "compare", one.name, two.name, "--json")[1])
    found = {each["name"]: (each["before"]["point"], each["after"]["point"]) for each in compared["measures"]}
    assert found == {
        "auc": (0.97, 0.97), "healthy_windows_assessed": (None, 0.75), "faulty_windows_assessed": (None, 0.25),
    }  # fmt: skip


def test_comparison_leaves_out_gates_of_before(ground, rig, tmp_path):
    """Their numbers meant something else; what else is known of the version stays, and a note says so."""
    rig.registry(tmp_path / "r")
    told = json.loads(metrics()) | {"coverage": {"healthy": {"examined": 4, "assessed": 2, "not_assessed": []}}}
    one = rig.bundle("1.0.0", json.dumps(told | {"schema": BEFORE}).encode())
    two = rig.bundle("2.0.0", json.dumps(told).encode())
    for made in (one, two):
        ground("registry", "register", "--bundle", made.path, "--key", rig.key, "--by", "ci")
    compared = json.loads(ground("registry", "compare", one.name, two.name, "--json")[1])
    found = [(each["name"], each["before"]["point"], each["after"]["point"]) for each in compared["measures"]]
    assert found == [("auc", None, 0.97), ("healthy_windows_assessed", 0.5, 0.5)]
    facts = {each["name"]: (each["before"], each["after"]) for each in compared["facts"]}
    assert (facts["verdict"], facts["family"]) == (("", "PASS"), ("mahalanobis", "mahalanobis"))
    (note,) = compared["notes"]
    assert note.startswith(f"{one.name}: its evidence is of schema {BEFORE}")
    assert f"note: {note}" in ground("registry", "compare", one.name, two.name)[1]
    assert "note:" not in ground("registry", "compare", two.name, two.name)[1]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("list",), "expected a folder with registry.db"),
        (("list", "--registry", "ftp://host"), "a URL with http or https"),
        (("list", "--registry", "http://bob:s3cret@127.0.0.1:9/x"), "a URL without a user or password, got one with"),
        (("list", "--registry", "postgresql://bob:s3cret@host/x"), "a URL without a user or password, got one with"),
        (("show", "small/1.0.0", "--registry", "/dev/null"), "expected a folder with registry.db"),
        (("promote", "x", "--to", "active", "--approver", "", "--reason", "r"), "approver: expected"),
        (("promote", "x", "--to", "active", "--shadow-report", "none", *BY), "--shadow-report: expected a file"),
        (("promote", "x", "--to", "retired", *BY), "`ground registry retire`"),
        (("register", "--bundle", "none"), "none"),
        (("register", "--bundle", "/"), "expected"),
    ],
)
def test_bad_input(ground, arguments, message, tmp_path, monkeypatch):
    """One line that says what to do, exit code 2, and nothing is made."""
    monkeypatch.chdir(tmp_path)
    code, _, error = ground("registry", *arguments)
    assert code == 2
    assert message in error
    assert "s3cret" not in error
    assert list(tmp_path.iterdir()) == []


def test_publish_takes_a_registered_version(ground, rig, tmp_path):
    """Only in the role that is its state."""
    registry = rig.registry(tmp_path / "r")
    one = rig.bundle("1.0.0")
    rig.register(registry, one, State.VALIDATION)
    code, _, error = ground("repo", "publish", one.name, "--registry", tmp_path / "r", "--repo", tmp_path / "none")
    assert (code, "got one in validation; `ground registry promote`" in error) == (2, True)


def test_a_model_of_somebody_else_is_no_place_to_decide(ground, rig, tmp_path):
    """Who is refused has decided nothing: MLflow holds a model of the detector's name that no registry made."""
    rig.registry(tmp_path / "r")
    mlflow_client(database_uri(tmp_path / "r" / DATABASE)).create_registered_model("small")
    made = rig.bundle("1.0.0")
    code, _, error = ground("registry", "register", "--bundle", made.path, "--key", rig.key)
    assert (code, "got one of somebody else" in error) == (2, True)
    assert ground("registry", "list", "--json")[1].split() == ["[]"]


def test_a_changed_bundle_is_not_called_whole(ground, rig, tmp_path):
    """Who decided what is told all the same."""
    registry = rig.registry(tmp_path / "r")
    made = rig.bundle("1.0.0")
    rig.register(registry, made)
    (kept,) = (tmp_path / "r" / "artefacts").glob("*.bundle")
    kept.write_bytes(b"x")
    code, out, error = ground("registry", "show", made.name)
    assert (code, made.digest in out, "checked" in out) == (2, True, False)
    assert "register the same file again" in error
