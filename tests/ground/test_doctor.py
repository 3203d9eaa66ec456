"""`ground doctor`: each check with what it must find, and the way through a workspace, step by step."""

from __future__ import annotations

import json
import tomllib

import pytest
import yaml
from packaging.requirements import Requirement
from typer.testing import CliRunner

from edge_agent.finding import FAIL, FINE, WARN
from edge_agent.layout import METRICS, SIGNATURE
from ground.cli import app
from ground.doctor import examination
from ground.doctor.libraries import (
    EXTRAS,
    check_extras,
    check_libraries,
    check_python,
    pins_of,
    requirements_of,
    unmet,
)
from ground.doctor.place import check_disk, check_keys
from ground.doctor.programs import Program, check_programs
from ground.doctor.threads import check_processes, judged_threads
from ground.doctor.way import check_way, newest_release
from ground.keys import new_key_pair
from ground.pipeline import PREPROCESS
from ground.stage import is_current, run_stage
from ground.workspace import write_atomic
from tests.conftest import ROOT
from tests.ground.conftest import tiny_document


def test_an_old_python_is_refused():
    """3.11 is the oldest that the packages take."""
    assert (check_python((3, 10)).level, check_python((3, 11)).level) == (FAIL, FINE)


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("numpy>=2.3", ""),
        ("numpy<2", "numpy: expected <2, got "),
        ("no-such-library-of-ours>=1", "no-such-library-of-ours is not installed"),
    ],
)
def test_a_requirement_that_is_not_met(line, said):
    """Named, with what is there instead."""
    found = unmet(Requirement(line))
    assert found.startswith(said)
    assert bool(found) is bool(said)


def test_libraries_that_differ_from_the_constraints_are_a_warning(tmp_path):
    """They may do; nobody has tested them. Outside a source tree there is nothing to compare with."""
    constraints = tmp_path / "constraints.txt"
    constraints.write_text("# torch==9\nnumpy==0.1\nPyYAML==6.0.3\n")
    assert pins_of(constraints) == {"numpy": "0.1", "pyyaml": "6.0.3"}
    required, drifted = check_libraries(constraints)
    assert (required.level, drifted.level) == (FINE, WARN)
    assert "numpy 2." in drifted.text
    assert ", not 0.1" in drifted.text
    assert len(list(check_libraries(tmp_path / "none"))) == 1


def test_every_extra_has_its_purpose():
    """The table names the extras that the package has: write what a new one is for."""
    project = tomllib.loads((ROOT / "ground" / "pyproject.toml").read_text())["project"]
    assert set(EXTRAS) == set(project["optional-dependencies"])
    assert len(list(check_extras())) == len(EXTRAS)


def test_a_package_that_is_not_installed_is_asked_for():
    """Not skipped: run from a source tree without an install, the doctor says so."""
    assert unmet(requirements_of("no-such-package-of-ours")[0]) == "no-such-package-of-ours is not installed"


def test_a_program_that_is_missing_is_only_told_of():
    """With who would miss it, and the package that has it."""
    programs = (Program(("sh",), "shells", "dash"), Program(("no-such-program", "nor-this"), "dreams", "unicorn"))
    found, missing = check_programs(programs)
    assert found.text.endswith("/sh: shells")
    assert missing.text == "no-such-program is not here; dreams needs it: apt-get install unicorn"
    assert {found.level, missing.level} == {FINE}


@pytest.mark.parametrize(("threads", "cores", "level"), [(2, 2, FINE), (1, 8, FINE), (8, 2, WARN)])
def test_threads_beyond_the_cores(threads, cores, level):
    """As in a container that may use two of sixty."""
    assert judged_threads(threads, cores, "2.13.0").level == level


def test_a_machine_without_shared_memory(monkeypatch):
    """As in a container: said as what it is, not as a folder that cannot be written."""
    assert check_processes().level == FINE

    def refused(*_, **__):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("ground.pool.ProcessPoolExecutor", refused)
    found = check_processes()
    assert (found.level, "shared memory: expected leave to lock" in found.text) == (FAIL, True)


def test_a_place_that_is_no_folder(tmp_path):
    """And one that is not there yet is judged by where it would be."""
    (tmp_path / "file").write_text("")
    assert check_disk(tmp_path / "file").level == FAIL
    assert check_disk(tmp_path / "not" / "yet").text.startswith(f"{tmp_path}: ")


@pytest.mark.parametrize(
    ("password", "mode", "level", "said"),
    [
        (b"correct horse", 0o600, FINE, "encrypted"),
        (b"correct horse", 0o644, WARN, "mode 0644"),
        (b"", 0o600, WARN, "has no password"),
        (b"", 0o640, FAIL, "mode 0640"),
    ],
)
def test_who_can_read_the_key(tmp_path, password, mode, level, said):
    """A private key that others can read is one that others have."""
    pair = new_key_pair(tmp_path / "keys", password=password)
    pair.private.chmod(mode)
    (found,) = check_keys(tmp_path)
    assert (found.level, said in found.text) == (level, True)


def test_half_a_key_pair(tmp_path):
    """No pair is fine; a private half without its public one is not."""
    assert [each.level for each in check_keys(tmp_path)] == [FINE]
    new_key_pair(tmp_path / "keys", password=b"correct horse").public.unlink()
    assert [each.level for each in check_keys(tmp_path)] == [FINE, FAIL]


def config_in(workspace, **sections):
    """The config of the tiny recordings, as a file."""
    path = workspace.root / "config.yaml"
    write_atomic(path, yaml.safe_dump({**tiny_document(), **sections}).encode())
    return path


def test_the_way_begins_with_a_config_and_recordings(tiny_workspace):
    """Each time the first step that is missing, with its command."""
    (first,) = check_way(tiny_workspace.root, None)
    assert first.advice.startswith("ground init --data FOLDER")
    (wrong,) = check_way(tiny_workspace.root, config_in(tiny_workspace, detector="No Name"))
    assert (wrong.level, "detector: " in wrong.text) == (FAIL, True)
    *_, second = check_way(tiny_workspace.root, config_in(tiny_workspace))
    assert second.advice.startswith("ground import --data FOLDER")


def test_the_way_goes_on_stage_by_stage(tiny_workspace, tiny_raw, tiny_config, no_progress):
    """A stage whose data changed has to run again."""
    path, config = config_in(tiny_workspace), tiny_config()
    assert next_command(tiny_workspace, path).startswith("ground preprocess --config")
    run_stage(PREPROCESS, tiny_workspace, config, progress=no_progress, force=False)
    assert is_current(PREPROCESS, tiny_workspace, config)
    assert next_command(tiny_workspace, path).startswith("ground featurize --config")
    tiny_raw.truncate(next(tiny_workspace.raw.rglob("*.parquet")).stem)
    assert next_command(tiny_workspace, path).startswith("ground preprocess --config")


def next_command(workspace, config):
    """The advice of the last finding."""
    *_, last = check_way(workspace.root, config)
    return last.advice


@pytest.fixture
def evaluated(tiny_workspace, tiny_raw, monkeypatch):
    """A workspace whose stages have all run, for all that the doctor knows."""
    del tiny_raw
    monkeypatch.setattr("ground.stage.is_current", lambda *_: True)
    return tiny_workspace


@pytest.mark.parametrize(
    ("verdict", "level", "advice"),
    [("PASS", FINE, ""), ("INSUFFICIENT", WARN, "more recordings decide"), ("FAIL", WARN, "no bundle is made of it")],
)
def test_the_way_ends_with_a_signed_version(evaluated, verdict, level, advice):
    """Evaluated, exported, signed."""
    document = {"verdict": {"verdict": verdict, "reasons": ["recall: too low"]}}
    write_atomic(evaluated.evaluation / METRICS, json.dumps(document).encode())
    path = config_in(evaluated)
    *_, gates, following = check_way(evaluated.root, path)
    assert (gates.level, advice in gates.advice) == (level, True)
    assert following.advice.startswith("ground export")
    release = evaluated.release("tiny", "0.10.0")
    release.mkdir(parents=True)
    assert next_command(evaluated, path).startswith(f"ground sign {release}")
    (release / SIGNATURE).write_text("{}")
    assert next_command(evaluated, path) == ""


def test_the_newest_version_is_the_highest(tiny_workspace):
    """As versions are compared, and whatever else lies beside them."""
    for name in ("0.9.0", "0.10.0", "0.10.0-rc1", "candidate"):
        tiny_workspace.release("tiny", name).mkdir(parents=True)
    newest = newest_release(tiny_workspace, "tiny")
    assert newest is not None
    assert newest.name == "0.10.0"


def test_the_command_says_it_for_people_and_for_scripts(tmp_path):
    """The same findings; nothing fails on a machine that runs these tests."""
    run = CliRunner()
    said = run.invoke(app, ["doctor", "--workspace", str(tmp_path)])
    assert said.exit_code == 0, said.output
    assert "-> ground init --data FOLDER" in said.output
    shown = run.invoke(app, ["doctor", "--workspace", str(tmp_path), "--json"])
    document = json.loads(shown.stdout)
    assert document["verdict"] == WARN
    assert {each["check"] for each in document["findings"]} >= {"python", "libraries", "torch", "disk", "keys", "next"}
    assert all(each["text"].split()[0] in said.output for each in document["findings"])


def test_a_config_without_a_workspace_is_for_the_current_one(work_dir):
    """And one that is not there is a finding, not a fault."""
    del work_dir
    ended = CliRunner().invoke(app, ["doctor", "--config", "none.yaml"])
    assert ended.exit_code == 3
    assert "fail  config      none.yaml: expected a readable YAML file" in ended.output


def test_a_check_that_breaks_is_a_finding(monkeypatch):
    """The others go on, and the exit code tells."""

    def broken():
        raise ZeroDivisionError("half of nothing")

    monkeypatch.setattr(examination, "check_extras", broken)
    ended = CliRunner().invoke(app, ["doctor"])
    assert ended.exit_code == 3
    assert "fail  extras" in ended.output
    assert "disk" in ended.output


def test_the_constraints_are_where_the_doctor_looks():
    """In a source tree; a wheel has none."""
    assert pins_of(ROOT / "constraints.txt")["torch"]
