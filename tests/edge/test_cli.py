"""The commands: what they print and the codes they exit with; never a traceback for bad input."""

from __future__ import annotations

import dataclasses
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest.mock import create_autospec

import pytest

from edge_agent import command_selftest
from edge_agent.assessment import encode_assessment
from edge_agent.cli import main
from edge_agent.config import AgentConfig, load_config
from edge_agent.config_source import ConfigSource
from edge_agent.detector import Detector, LoadedModel
from edge_agent.errors import ScorerError
from edge_agent.exit_code import ExitCode
from edge_agent.frame_file import read_blocks, write_blocks
from edge_agent.health import OFFLINE, Health
from edge_agent.scorer import Scorer
from edge_agent.status_file import prepare_folder, write_status
from edge_agent.verdict import advice_on
from edge_agent.version import AGENT_VERSION
from edge_agent.wire import encode_frame

Run = Callable[..., tuple[int, str, str]]
ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    """Runs a command; gives its exit code, standard output and standard error."""

    def run_command(*arguments: object) -> tuple[int, str, str]:
        code = main([str(argument) for argument in arguments])
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return run_command


@pytest.fixture
def config_file(tmp_path: Path, small_bundle: Any) -> Path:
    """An agent.toml for the small bundle, with its state in the same folder."""
    path = tmp_path / "agent.toml"
    path.write_text(
        f"[agent]\nid = 'a1'\nfleet = 'test'\nstate_dir = 'state'\ndeadline_ms = 60000\n"
        f"[bundle]\npath = '{small_bundle.path}'\nkeys = ['{small_bundle.key}']\n"
    )
    return path


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    """``--version`` names program and version."""
    with pytest.raises(SystemExit) as caught:
        main(["--version"])
    assert caught.value.code == ExitCode.OK
    assert capsys.readouterr().out == f"edge-agent {AGENT_VERSION}\n"


@pytest.mark.parametrize(
    "arguments", [[], ["fly"], ["run"], ["verify"], ["selftest", "--config", "x", "--windows", "0"]]
)
def test_wrong_usage(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """A command line that is wrong exits with the code of usage and says how it goes."""
    with pytest.raises(SystemExit) as caught:
        main(arguments)
    assert caught.value.code == ExitCode.USAGE
    assert "usage: edge-agent" in capsys.readouterr().err


@pytest.mark.parametrize("command", ["run", "selftest", "status"])
def test_wrong_config(run: Run, tmp_path: Path, command: str) -> None:
    """A config that is wrong exits with the code of usage and one line that names file and key."""
    path = tmp_path / "agent.toml"
    path.write_text("[agent]\nid = 7\n")
    code, out, err = run(command, "--config", path)
    assert (code, out) == (ExitCode.USAGE, "")
    error, _, outlook = err.partition("correct the type")
    assert error == f"edge-agent: {path}: agent.id: expected a text, got 7; "
    assert outlook.startswith("; until then NO START" if command == "status" else "\n")


def test_run_with_state_folder_that_cannot_be(run: Run, config_file: Path) -> None:
    """An agent that could not keep its state does not start."""
    (config_file.parent / "state").write_bytes(b"a file")
    code, _, err = run("run", "--config", config_file)
    assert code == ExitCode.USAGE
    assert "agent.state_dir: expected a folder" in err


def test_run_with_refused_bundle(run: Run, config_file: Path, development_bundle: Any) -> None:
    """An agent whose bundle is refused does not start, and names the reason."""
    text = config_file.read_text().splitlines()[:5]
    text += ["[bundle]", f"path = '{development_bundle.path}'", f"keys = ['{development_bundle.key}']"]
    config_file.write_text("\n".join(text))
    code, _, err = run("run", "--config", config_file)
    assert code == ExitCode.BUNDLE_REFUSED
    assert err.startswith("edge-agent: development_not_allowed: small/1.0.0: expected a release bundle")
    state = config_file.parent / "state"
    assert sorted(path.name for path in state.iterdir()) == ["audit.lock", "audit.log"]
    assert b'"reason":"development_not_allowed"' in (state / "audit.log").read_bytes()


def test_verify(run: Run, small_bundle: Any) -> None:
    """A good bundle is accepted; the facts of its manifest are printed."""
    code, out, err = run("verify", small_bundle.path, "--key", small_bundle.key)
    assert (code, err) == (ExitCode.OK, "")
    assert out.splitlines()[0] == f"{small_bundle.path}: accepted"
    assert "  detector           small" in out.splitlines()


def test_verify_json(run: Run, small_bundle: Any) -> None:
    """The same as JSON."""
    code, out, _ = run("verify", small_bundle.path, "--key", small_bundle.key, "--fleet", "test", "--json")
    document = json.loads(out)
    assert code == ExitCode.OK
    assert (document["accepted"], document["bundle_id"], document["golden_windows"]) == (True, "small/1.0.0", 2)


def flipped(path: Path, tmp_path: Path) -> Path:
    """A copy of a bundle with one bit of its model flipped."""
    data = bytearray(path.read_bytes())
    data[data.index(b"z_score")] ^= 1
    copy = tmp_path / "flipped.bundle"
    copy.write_bytes(data)
    return copy


def test_verify_flipped_bit(run: Run, small_bundle: Any, tmp_path: Path) -> None:
    """A bundle with a flipped bit is refused with a reason, as text and as JSON."""
    bundle = flipped(small_bundle.path, tmp_path)
    code, out, err = run("verify", bundle, "--key", small_bundle.key)
    assert (code, out) == (ExitCode.BUNDLE_REFUSED, "")
    assert err.startswith("edge-agent: digest_mismatch: model.onnx")
    code, out, _ = run("verify", bundle, "--key", small_bundle.key, "--json")
    document = json.loads(out)
    assert (code, document["accepted"], document["reason"]) == (ExitCode.BUNDLE_REFUSED, False, "digest_mismatch")


def test_verify_other_fleet(run: Run, small_bundle: Any) -> None:
    """A bundle of another fleet is refused where a fleet is asked for."""
    code, _, err = run("verify", small_bundle.path, "--key", small_bundle.key, "--fleet", "north")
    assert code == ExitCode.BUNDLE_REFUSED
    assert "wrong_fleet" in err


def test_verify_development(run: Run, development_bundle: Any) -> None:
    """A development bundle is accepted only where it is allowed."""
    arguments = ("verify", development_bundle.path, "--key", development_bundle.key)
    assert run(*arguments)[0] == ExitCode.BUNDLE_REFUSED
    assert run(*arguments, "--allow-development")[0] == ExitCode.OK


@pytest.mark.parametrize(
    ("bundle", "key", "code"),
    [("none.bundle", "{key}", ExitCode.BUNDLE_REFUSED), ("{bundle}", "none.pem", ExitCode.USAGE)],
)
def test_verify_missing_file(run: Run, small_bundle: Any, bundle: str, key: str, code: ExitCode) -> None:
    """A file that is not there is named in one line."""
    paths = {"bundle": small_bundle.path, "key": small_bundle.key}
    got, _, err = run("verify", bundle.format(**paths), "--key", key.format(**paths))
    assert got == code
    assert "none." in err
    assert len(err.splitlines()) == 1


@pytest.fixture
def replay(run: Run, small_bundle: Any, tmp_path: Path) -> Callable[[Path], tuple[int, str, str]]:
    """Replays a file of frames into ``out.bin``."""
    arguments = ("replay", "--bundle", small_bundle.path, "--key", small_bundle.key, "--out", tmp_path / "out.bin")
    return lambda frames: run(*arguments, "--frames", frames)


def test_replay(replay: Any, small_bundle: Any, small_model: LoadedModel, tmp_path: Path) -> None:
    """The output holds the bytes that the detector gives for the same frames."""
    frames = small_bundle.frames(12.0, faulty_from_s=6.0)
    write_blocks(tmp_path / "frames.bin", map(encode_frame, frames))
    code, out, err = replay(tmp_path / "frames.bin")
    detector = Detector(small_model)
    expected = [encode_assessment(each) for frame in frames for each in detector.push(frame)]
    assert (code, err) == (ExitCode.OK, "")
    assert list(read_blocks(tmp_path / "out.bin")) == expected
    assert out.startswith(f"{tmp_path / 'out.bin'}: {len(expected)} assessments of 120 frames (")


def test_replay_passes_over_bad_payloads(replay: Any, small_bundle: Any, tmp_path: Path) -> None:
    """Payloads that are no frames are named by reason and change nothing, as on board."""
    payloads = list(map(encode_frame, small_bundle.frames(4.0)))
    write_blocks(tmp_path / "clean.bin", payloads)
    write_blocks(tmp_path / "dirty.bin", [b"hello", *payloads[:20], b"", *payloads[20:]])
    assert replay(tmp_path / "clean.bin")[0] == ExitCode.OK
    expected = (tmp_path / "out.bin").read_bytes()
    code, _, err = replay(tmp_path / "dirty.bin")
    assert code == ExitCode.OK
    assert err == f"edge-agent: {tmp_path / 'dirty.bin'}: 2 payloads refused: not_msgpack\n"
    assert (tmp_path / "out.bin").read_bytes() == expected


def test_replay_of_a_file_cut_short(replay: Any, small_bundle: Any, tmp_path: Path) -> None:
    """What came before the cut is assessed; the cut is said and has its own code."""
    path = tmp_path / "frames.bin"
    write_blocks(path, map(encode_frame, small_bundle.frames(4.0)))
    path.write_bytes(path.read_bytes()[:-1])
    code, out, err = replay(path)
    assert code == ExitCode.BAD_INPUT
    assert "2 assessments of 39 frames" in out
    assert "the file is cut short" in err


def test_replay_of_another_file(replay: Any, small_bundle: Any, tmp_path: Path) -> None:
    """A file of another kind is refused, and no output appears."""
    code, _, err = replay(small_bundle.key)
    assert code == ExitCode.BAD_INPUT
    assert "expected blocks of at most" in err
    assert list(tmp_path.iterdir()) == []


def test_selftest(run: Run, config_file: Path) -> None:
    """The bundle is proven and as many windows scored as asked for; within the deadline it passes."""
    code, out, _ = run("selftest", "--config", config_file, "--windows", 5, "--json")
    document = json.loads(out)
    assert code == ExitCode.OK
    assert (document["verdict"], document["windows"], document["golden_vectors"]) == ("PASS", 5, "reproduced")
    assert sum(document["states"].values()) == 5
    assert document["failures"] == []
    assert 0.0 < document["p50_ms"] <= document["p99_ms"] <= document["max_ms"]


def test_selftest_too_slow(run: Run, config_file: Path) -> None:
    """A machine that misses the deadline fails, with its own code."""
    config_file.write_text(config_file.read_text().replace("deadline_ms = 60000", "deadline_ms = 0.1"))
    code, out, _ = run("selftest", "--config", config_file, "--windows", 3)
    assert code == ExitCode.SELFTEST_FAILED
    assert "verdict         FAIL" in out.splitlines()
    assert "failures        p99 is over the deadline" in out.splitlines()


def test_selftest_not_assessed(run: Run, config_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Windows that the model gives no score fail the selftest, however fast, and the reason is named."""
    monkeypatch.setattr(command_selftest, "Detector", _detector_without_score)
    code, out, _ = run("selftest", "--config", config_file, "--windows", 3)
    assert code == ExitCode.SELFTEST_FAILED
    assert {"states          3 not_assessed", "failures        3 not assessed: model_failed"} <= set(out.splitlines())


def _detector_without_score(model: LoadedModel) -> Detector:
    """A detector whose model fails at every window, though it reproduced its golden vectors."""
    scorer = create_autospec(Scorer, instance=True)
    scorer.score.side_effect = ScorerError("no finite score")
    return Detector(dataclasses.replace(model, scorer=scorer))


@pytest.fixture
def document(make_config: Callable[..., AgentConfig], make_health: Callable[[AgentConfig], Health]) -> dict[str, Any]:
    """A fresh status document."""
    return make_health(make_config()).document({"engines": 1})


@pytest.mark.parametrize(
    ("changes", "code"),
    [({}, ExitCode.OK), ({"state": OFFLINE}, ExitCode.NOT_RUNNING), ({"monotonic_ns": -(10**15)}, ExitCode.STALE)],
)
def test_status(run: Run, config_file: Path, document: dict[str, Any], changes: dict[str, Any], code: ExitCode) -> None:
    """The exit code tells a running agent from one that stopped and one that hangs or was killed."""
    prepare_folder(config_file.parent / "state")
    write_status(config_file.parent / "state", {**document, **changes})
    got, out, _ = run("status", "--config", config_file)
    assert got == code
    assert out.startswith("a1: ")
    got, out, _ = run("status", "--config", config_file, "--json")
    assert got == code
    assert json.loads(out) == {**document, **changes}


def test_status_of_an_agent_that_never_ran(run: Run, config_file: Path) -> None:
    """Without a status the agent does not run; JSON is an empty object."""
    code, out, _ = run("status", "--config", config_file)
    assert code == ExitCode.NOT_RUNNING
    assert "has not run yet" in out
    assert run("status", "--config", config_file, "--json")[1] == "{}\n"


def test_status_of_a_failing_agent(run: Run, config_file: Path, document: dict[str, Any]) -> None:
    """An agent that runs and fails at what it is for has a code of its own; one that is degraded has not."""
    prepare_folder(config_file.parent / "state")
    for health, code in (("degraded", ExitCode.OK), ("failing", ExitCode.FAILING)):
        changed = {**document, "health": health, "health_reasons": ["link_down"], "heard_s": {"OO-ABC/1": 1.0}}
        write_status(config_file.parent / "state", changed)
        got, out, _ = run("status", "--config", config_file)
        assert got == code
        assert {f"  health   {health} link_down", "  engine OO-ABC/1, heard 1.0 s before"} <= set(out.splitlines())


def test_status_says_what_to_do(run: Run, config_file: Path, document: dict[str, Any]) -> None:
    """Beside a reason stands what to do about it; so do a refused reload, a refused shadow, and why it is silent."""
    prepare_folder(config_file.parent / "state")
    changes = {
        "health": "degraded", "health_reasons": ["config_rejected"], "config": {"loaded": "", "error": "agent.id: no"},
        "shadow": {"state": "refused", "reason": "signature"}, "monotonic_ns": -(10**15),
    }  # fmt: skip
    write_status(config_file.parent / "state", {**document, **changes, "state": "online"})
    _, out, _ = run("status", "--config", config_file)
    assert f"           config_rejected: {advice_on('config_rejected')}" in out.splitlines()
    assert "  config   the files are refused, the one before is in force: agent.id: no" in out.splitlines()
    assert "  shadow   refused signature" in out.splitlines()
    assert f"process {document['pid']} is there: it is stuck" in out


@pytest.mark.parametrize("wrong", ["\n[metrics]\nnonsense = 1\n", "[broken"])
def test_status_with_a_wrong_config(run: Run, config_file: Path, document: dict[str, Any], wrong: str) -> None:
    """Somebody breaks the config at night: the agent runs on, and its status is still told, before the error."""
    good = load_config(config_file)
    prepare_folder(config_file.parent / "state")
    write_status(config_file.parent / "state", document)
    drop_in = config_file.parent / "conf.d" / "10.toml"
    drop_in.parent.mkdir()
    drop_in.write_text(wrong)
    code, out, error = run("status", "--config", config_file)
    assert (code, out.startswith("a1: ")) == (ExitCode.USAGE, True)
    assert str(drop_in) in error
    assert "until then NO START is possible" in error
    ConfigSource(config_file).keep(good)
    assert "until then a start goes on by the last config that ran" in run("status", "--config", config_file)[2]


def test_status_of_an_older_agent(run: Run, config_file: Path, document: dict[str, Any]) -> None:
    """What an agent left that knew of no verdict is read all the same."""
    prepare_folder(config_file.parent / "state")
    old = {
        name: value
        for name, value in document.items()
        if name not in {"health", "health_reasons", "process", "heard_s"}
    }
    write_status(config_file.parent / "state", old)
    assert run("status", "--config", config_file)[0] == ExitCode.OK


def test_replay_json(run: Run, small_bundle: Any, tmp_path: Path) -> None:
    """What a replay did, for a script."""
    write_blocks(tmp_path / "in.bin", [*map(encode_frame, small_bundle.frames(4.0)), b"hello"])
    code, out, _ = run(
        "replay", "--bundle", small_bundle.path, "--key", small_bundle.key, "--frames", tmp_path / "in.bin",
        "--out", tmp_path / "out.bin", "--json",
    )  # fmt: skip
    assert code == ExitCode.OK
    assert json.loads(out) == {
        "out": str(tmp_path / "out.bin"), "assessments": 3, "frames": 41, "refused": {"not_msgpack": 1},
        "evictions": 0, "states": {"normal": 3}, "fault": "",
    }  # fmt: skip


@pytest.mark.parametrize("command", ["status", "selftest"])
def test_errors_are_json_where_json_is_asked_for(run: Run, tmp_path: Path, command: str) -> None:
    """A script finds the error where it finds everything else, and people where they look."""
    code, out, err = run(command, "--config", tmp_path / "none.toml", "--json")
    document = json.loads(out)
    assert code == document["exit_code"] == ExitCode.USAGE
    assert err == f"edge-agent: {document['error']}\n"


def test_fault_of_ours_is_a_line(run: Run, config_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An error that nobody foresaw is one line with its place, and its own code."""
    monkeypatch.setattr(command_selftest, "load_configured", lambda _: {}["no\nsuch"])
    code, out, err = run("selftest", "--config", config_file)
    assert (code, out) == (ExitCode.UNEXPECTED, "")
    assert err.startswith("edge-agent: internal error: KeyError: 'no\\nsuch' (test_cli.py:")
    assert len(err.splitlines()) == 1


def test_reader_that_has_read_enough(config_file: Path) -> None:
    """``edge-agent status | head -0`` is no fault: the code stays, and nothing is said."""
    command = [sys.executable, "-m", "edge_agent", "status", "--config", str(config_file)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=ROOT) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        assert process.stderr.read() == b""
    assert process.returncode == ExitCode.NOT_RUNNING
