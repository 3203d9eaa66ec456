"""A bundle as an MLflow model, by the commands of docs/how-to/mlflow.md: loaded, served, logged, refused."""

from __future__ import annotations

import http.client
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import yaml

from edge_agent.errors import BundleError
from ground import Detector
from ground.errors import ConfigError
from ground.pack import unpack_bundle
from ground.scoring.pyfunc import REQUIREMENTS, save_pyfunc
from tests.conftest import ROOT, noise

PAGE = (ROOT / "docs" / "how-to" / "mlflow.md").read_text()
FULL = os.environ.get("INTEROP") == "full"
BIN = Path(sys.executable).parent
QUIET = {"MLFLOW_DISABLE_TELEMETRY": "true", "PYTHONPATH": str(ROOT), "PYTHONWARNINGS": "ignore"}


def run(command, folder):
    """Run a command in a folder, to its good end; what it said."""
    done = subprocess.run(
        command, cwd=folder, env={**os.environ, **QUIET, "PATH": f"{BIN}:{os.environ['PATH']}"}, check=False,
        capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def blocks(language):
    """The blocks of the page in a language."""
    return re.findall(rf"```{language}\n(.*?)```", PAGE, re.DOTALL)


@pytest.fixture(scope="module")
def workspace(tmp_path_factory, small_bundle):
    """A workspace with the small bundle in it and as an MLflow model."""
    folder = tmp_path_factory.mktemp("workspace")
    release = folder / "models" / "small" / "1.0.0"
    unpack_bundle(small_bundle.path.read_bytes(), release)
    (folder / "keys").mkdir()
    shutil.copyfile(small_bundle.key, folder / "keys" / "public.pem")
    save_pyfunc(release, [folder / "keys" / "public.pem"], folder / "small-mlflow")
    return folder


def windows_of(n):
    """(n, 1, 2000) healthy windows."""
    return np.stack([noise(np.random.default_rng(seed), 2000).T for seed in range(n)])


LOAD = """
import json, warnings
import numpy as np, mlflow.pyfunc
warnings.simplefilter("error", UserWarning)  # from here on they would be ours
model = mlflow.pyfunc.load_model("small-mlflow")
table = model.predict(np.load("windows.npy"), params={"phase": "cruise"})
import ground
signature, example = model.metadata.signature, model.input_example
print(json.dumps({
    "score": table["score"].tolist(), "state": table["state"].tolist(), "reason": table["reason"].tolist(),
    "contributions": table["contributions"].tolist(), "ours": ground.__file__, "example": list(np.shape(example)),
    "inputs": str(signature.inputs), "id": model.metadata.metadata["bundle_id"],
}))
"""


def test_a_saved_model_gives_the_detector_s_bits_from_its_own_copy_of_the_source(workspace, small_bundle):
    """In a process that finds no other source of ours first."""
    windows = windows_of(3)
    windows[2, 0, :] = 0.0
    np.save(workspace / "windows.npy", windows)
    said = json.loads(run([sys.executable, "-I", "-W", "ignore", "-c", LOAD], workspace).splitlines()[-1])
    expected = Detector.from_bundle(small_bundle.path, key=small_bundle.key).score(windows, phase="cruise")
    assert said["score"] == [*expected["score"][:2].tolist(), None]
    assert said["state"] == expected["state"].tolist()
    assert said["reason"][2] == "flatline"
    assert said["contributions"] == expected["contributions"].tolist()
    assert Path(said["ours"]).is_relative_to(workspace / "small-mlflow" / "code")
    assert said["example"] == [1, 1, 2000]
    assert "Tensor('float32', (-1, 1, 2000))" in said["inputs"]
    assert said["id"] == "small/1.0.0"


def test_there_is_no_pickle_and_every_requirement_is_pinned(workspace):
    """Code, the bundle, a key, and texts."""
    model = workspace / "small-mlflow"
    kinds = {path.suffix for path in model.rglob("*") if path.is_file()}
    assert not kinds & {".pkl", ".pickle", ".cloudpickle"}
    wanted = (model / "requirements.txt").read_text().split()
    assert [each.split("==")[0] for each in wanted] == list(REQUIREMENTS)
    assert all("==" in each for each in wanted)
    flavour = yaml.safe_load((model / "MLmodel").read_text())["flavors"]["python_function"]
    assert "python_model" not in flavour
    assert flavour["model_code_path"].endswith("pyfunc_model.py")


@pytest.mark.skipif(not FULL, reason="many processes: `make test-interop` starts them")
def test_the_page_runs(workspace):
    """Saving; loading; and logging, into a store of its own."""
    shutil.rmtree(workspace / "small-mlflow")
    run(["/bin/sh", "-euc", blocks("sh")[0]], workspace)
    load, log = blocks("python")
    assert "not_assessed" in run([sys.executable, "-W", "ignore", "-c", load], workspace)
    store = f"import mlflow; mlflow.set_tracking_uri('sqlite:///{workspace}/mlflow.db')\n"
    assert "models:/" in run([sys.executable, "-W", "ignore", "-c", store + log], workspace)


def test_a_bundle_that_was_changed_is_refused_when_the_model_is_loaded(workspace, tmp_path, monkeypatch):
    """The signature is verified at each load."""
    shutil.copytree(workspace / "small-mlflow", tmp_path / "small-mlflow")
    card = next((tmp_path / "small-mlflow").rglob("MODEL_CARD.md"))
    card.write_text("# Other\n")
    monkeypatch.setattr(sys, "path", [*sys.path])
    import mlflow.pyfunc  # warns of itself unless `save_pyfunc` was first

    with pytest.raises(BundleError, match=r"MODEL_CARD\.md"):
        mlflow.pyfunc.load_model(str(tmp_path / "small-mlflow"))


def test_nothing_is_overwritten(workspace, small_bundle):
    """A folder that is there stays as it is."""
    with pytest.raises(ConfigError, match="expected a folder that is not there yet"):
        save_pyfunc(small_bundle.path, [small_bundle.key], workspace / "small-mlflow")


@pytest.mark.skipif(not FULL, reason="a server of seconds: `make test-interop` starts it")
def test_the_server_of_the_page_scores_windows(workspace):
    """By its own command, on a free port; strict JSON comes back."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = blocks("sh")[1].replace("--port 5001", f"--port {port}").split()
    server = subprocess.Popen(
        [BIN / command[0], *command[1:]], cwd=workspace, env={**os.environ, **QUIET, "PATH": f"{BIN}:/usr/bin:/bin"},
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True,
    )  # fmt: skip
    try:
        _wait_for(port)
        windows = windows_of(2)
        windows[1, 0, :] = 0.0
        asked = {"inputs": windows.tolist(), "params": {"phase": "cruise"}}
        connection = http.client.HTTPConnection("127.0.0.1", port)
        connection.request("POST", "/invocations", json.dumps(asked), {"Content-Type": "application/json"})
        answer = connection.getresponse().read()
        connection.close()
        said = json.loads(answer, parse_constant=lambda word: pytest.fail(f"{word} is no JSON"))
    finally:
        os.killpg(server.pid, 9)
        server.wait()
    assert [each["state"] for each in said["predictions"]] == ["normal", "not_assessed"]
    assert said["predictions"][1]["score"] is None


def _wait_for(port):
    """It imports MLflow twice, which takes seconds, on a busy machine a minute."""
    deadline_s = time.monotonic() + 240.0
    while not _answers(port):
        assert time.monotonic() < deadline_s
        time.sleep(0.2)


def _answers(port):
    connection = http.client.HTTPConnection("127.0.0.1", port)
    try:
        connection.request("GET", "/ping")
        return connection.getresponse().status == 200
    except OSError:
        return False
    finally:
        connection.close()
