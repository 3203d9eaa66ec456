"""The whole way by the commands a person types: a small fleet, from recordings to a bundle that an agent accepts."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pyarrow.parquet as pq
import pytest
import yaml

import ground

pytestmark = pytest.mark.timeout(600)

BIN = Path(sys.executable).parent
EXAMPLE = Path(ground.__file__).parent / "configs" / "engine_vibration.yaml"
DETECTOR = "engine_vibration_detector"
ARTEFACTS = (
    "model.onnx", "scaler.json", "signature.json", "thresholds.yaml", "metrics.json", "MODEL_CARD.md", "manifest.json",
    "mlbom.cdx.json", "feature_spec.json", "thresholds.json", "bundle.sig", f"{DETECTOR}-1.0.0.bundle",
)  # fmt: skip
OK, BAD_INPUT, GATE_FAILED, PARTLY_FAILED = 0, 2, 3, 4
REFUSED = 3


def run(*arguments, expected=OK):
    """Run a command; whatever comes, a user never sees a traceback."""
    words = [str(word) for word in arguments]
    done = subprocess.run(
        [BIN / words[0], *words[1:]], check=False, stdin=subprocess.DEVNULL, capture_output=True, text=True
    )
    said = done.stdout + done.stderr
    assert "Traceback" not in said, said
    assert done.returncode == expected, said
    return said


def printed(said):
    """The JSON that a command began with."""
    return json.JSONDecoder().raw_decode(said)[0]


@dataclass(frozen=True)
class Flown:
    """A workspace after ``ground pipeline``, its config, and what the command said."""

    root: Path
    config: Path
    said: str

    @property
    def release(self):
        """``models/<detector>/1.0.0``."""
        return self.root / "models" / DETECTOR / "1.0.0"

    @property
    def bundle(self):
        """The signed file."""
        return self.release / f"{DETECTOR}-1.0.0.bundle"

    @property
    def public_key(self):
        """Its public key."""
        return self.root / "keys" / "public.pem"


def write_config(path, **gates):
    """The example, with short spans for short flights."""
    document = yaml.safe_load(EXAMPLE.read_text())
    document["features"] = {"record_s": 1.0, "window_s": 2.0, "hop_s": 1.0}
    document["model"].update(max_epochs=5)
    # So few flights are no matter of gates: these are here to be undecided, or to fail where a test says so.
    # Nor are they of a busy machine.
    loose = {"recall_min": 0.2, "auc_min": 0.5, "precision_min": 0.5, "latency_p99_max_ms": 5000.0}
    document["gates"].update(loose | gates)
    path.write_text(yaml.safe_dump(document))
    return path


@pytest.fixture(scope="module")
def flown(tmp_path_factory):
    """A small simulated fleet that went through the pipeline."""
    root = tmp_path_factory.mktemp("flown")
    fleet = (
        "--healthy",
        32,
        "--faulty",
        8,
        "--sensor-faulty",
        4,
        "--flight-s",
        20,
        "--seed",
        7,
        "--severity-floor",
        0.9,
    )
    run("ground", "simulate", "--out", root / "data" / "raw", *fleet)
    run("ground", "keys", "new", "--out", root / "keys", "--unencrypted")
    config = write_config(root / "config.yaml")
    said = run("ground", "pipeline", "--config", config, "--workspace", root, "--version", "1.0.0")
    return Flown(root, config, said)


def test_every_artefact_of_the_seed_is_there(flown):
    """Model, scaler, schema, thresholds, metrics, card and bundle lie in models/<detector>/<version>."""
    assert {path.name for path in flown.release.iterdir()} == {*ARTEFACTS, "golden"}
    assert "development bundle" in flown.said
    assert "not a release: " in flown.said
    thresholds = yaml.safe_load((flown.release / "thresholds.yaml").read_text())
    assert thresholds


def test_a_second_run_changes_nothing(flown):
    """Nothing changed: every stage is skipped, and the bundle is the same file."""
    before = flown.bundle.read_bytes()
    said = run(
        "ground", "pipeline", "--config", flown.config, "--workspace", flown.root, "--version", "1.0.0", "--json"
    )
    made = printed(said)
    assert (made["bundle"], made["is_signed"], made["release_class"]) == (str(flown.bundle), True, "development")
    assert made["reasons"]
    assert flown.bundle.read_bytes() == before
    said = run("ground", "featurize", "--config", flown.config, "--workspace", flown.root)
    assert "featurize: unchanged, skipped" in said


def test_a_version_is_never_replaced(flown):
    """Another bundle under a version that exists is refused, and the old one stays."""
    before = flown.bundle.read_bytes()
    document = yaml.safe_load(flown.config.read_text())
    document["bundle"]["sequence"] = 2
    other = flown.root / "other.yaml"
    other.write_text(yaml.safe_dump(document))
    judged = printed(run("ground", "evaluate", "--config", other, "--workspace", flown.root, "--json"))
    assert judged["verdict"] == "INSUFFICIENT"
    assert all(gate["verdict"] in {"PASS", "INSUFFICIENT"} for gate in judged["gates"])
    assert len(judged["gates"]) >= 5
    export = ("ground", "export", "--config", other, "--workspace", flown.root, "--version")
    assert "expected a new version" in run(*export, "1.0.0", expected=BAD_INPUT)
    assert flown.bundle.read_bytes() == before
    assert "1.0.1" in run(*export, "1.0.1")


def test_an_agent_accepts_the_bundle_only_as_what_it_is(flown):
    """The development bundle verifies where that is allowed, and is refused where not, or with another key."""
    verify = ("edge-agent", "verify", flown.bundle, "--key")
    run(*verify, flown.public_key, "--allow-development")
    assert "development" in run(*verify, flown.public_key, expected=REFUSED)
    run("ground", "keys", "new", "--out", flown.root / "other_keys", "--unencrypted")
    said = run(*verify, flown.root / "other_keys" / "public.pem", "--allow-development", expected=REFUSED)
    assert "pinned keys" in said


def test_the_public_tool_accepts_the_bundle(flown):
    """``model_signing verify key`` (OpenSSF) accepts the unpacked bundle, and refuses it with a byte changed."""
    command = ("verify", "key", flown.release, "--signature", flown.release / "bundle.sig", "--public_key")
    run("model_signing", *command, flown.public_key, "--ignore_unsigned_files")
    spoiled = shutil.copytree(flown.release, flown.root / "spoiled")
    model = spoiled / "model.onnx"
    model.write_bytes(model.read_bytes()[:-1] + b"\x00")
    command = ("verify", "key", spoiled, "--signature", spoiled / "bundle.sig", "--public_key", flown.public_key)
    run("model_signing", *command, "--ignore_unsigned_files", expected=1)


def test_signing_again_gives_the_same_bytes(flown):
    """The same members and key give the same bundle."""
    members = flown.root / "members"
    shutil.copytree(flown.release, members, ignore=shutil.ignore_patterns("*.bundle"))
    out = flown.root / "again.bundle"
    run("ground", "sign", members, "--key", flown.root / "keys" / "private.pem", "--output", out)
    assert out.read_bytes() == flown.bundle.read_bytes()


def test_a_release_for_a_key_on_another_machine(flown):
    """Exported without a key and signed elsewhere: the very files of a release that was signed at once."""
    root = flown.root / "keyless"
    shutil.copytree(flown.root, root, ignore=shutil.ignore_patterns("1.0.0", "1.0.1", "keys", "keyless", "spoiled"))
    run("ground", "evaluate", "--config", flown.config, "--workspace", root)
    said = run("ground", "export", "--config", flown.config, "--workspace", root, "--version", "1.0.0")
    release = root / "models" / DETECTOR / "1.0.0"
    assert f"not signed, for there is no key: ground sign {release}" in said
    assert {*ARTEFACTS} - {path.name for path in release.iterdir()} == {"bundle.sig", flown.bundle.name}
    run("ground", "sign", release, "--key", flown.root / "keys" / "private.pem")
    assert contents(release) == contents(flown.release)
    again = ("ground", "export", "--config", flown.config, "--workspace", root, "--version", "1.0.0")
    run(*again)
    assert contents(release) == contents(flown.release)


def contents(folder):
    """Every file of a folder."""
    return {path.relative_to(folder): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_batch_gives_the_same_results_on_any_number_of_cores(flown):
    """One worker or two, from the bundle or its unpacked folder: the same rows, byte for byte."""
    tables = []
    for model, workers in ((flown.bundle, 1), (flown.release, 2)):
        out = flown.root / f"results{workers}.parquet"
        run(
            "ground",
            "batch",
            "--model",
            model,
            "--data",
            flown.root / "data" / "raw",
            "--output",
            out,
            "--workers",
            workers,
        )
        tables.append(pq.read_table(out))
    assert tables[0].equals(tables[1])
    assert set(tables[0]["state"].to_pylist()) >= {"normal", "not_assessed"}


def test_one_bad_recording_is_told_and_the_rest_is_assessed(flown, tmp_path):
    """A truncated file is named; the others have their results; the exit code says that not all went well."""
    data = shutil.copytree(flown.root / "data" / "raw", tmp_path / "data")
    spoiled = next(iter(sorted((data / "simulated").glob("*.parquet"))))
    spoiled.write_bytes(spoiled.read_bytes()[:1000])
    out = tmp_path / "results.parquet"
    said = run("ground", "batch", "--model", flown.bundle, "--data", data, "--output", out, expected=PARTLY_FAILED)
    assert spoiled.name in said
    assert len(set(pq.read_table(out)["recording_id"].to_pylist())) == 43


def test_a_failed_gate_leaves_no_bundle(flown, tmp_path):
    """A latency no machine reaches fails its gate: exit code 3, the gate is named, and nothing is exported."""
    root = tmp_path / "failed"
    # What earlier stages made stays good: only the gates differ.
    shutil.copytree(flown.root, root, ignore=shutil.ignore_patterns("1.0.0", "1.0.1"))
    config = write_config(root / "config.yaml", latency_p99_max_ms=1e-6)
    said = run(
        "ground", "pipeline", "--config", config, "--workspace", root, "--version", "1.0.0", expected=GATE_FAILED
    )
    assert "latency_p99: expected <= 1e-06" in said
    assert not (root / "models" / DETECTOR / "1.0.0").exists()
    assert json.loads((root / "evaluation" / "latency.json").read_bytes())["gate"]["verdict"] == "FAIL"


MISTAKES = [
    ("no config", ("train", "--config", "nowhere.yaml"), "nowhere.yaml: expected a readable YAML file"),
    ("no recordings", ("preprocess", "--config", EXAMPLE), "expected a readable CSV index"),
    ("stage too early", ("train", "--config", EXAMPLE), "run `ground featurize`"),
    ("not evaluated", ("export", "--config", EXAMPLE, "--version", "1.0.0"), "run `ground evaluate` first"),
    ("no such key", ("export", "--config", EXAMPLE, "--version", "1.0.0", "--key", "my.pem"), "my.pem: expected"),
    ("no password", ("keys", "new", "--out", "keys"), "expected a password, got none and nobody to ask"),
    ("no version", ("export", "--config", EXAMPLE, "--version", "one"), "expected MAJOR.MINOR.PATCH"),
    ("no dataset", ("demo", "--data", "somewhere"), "expected DATA=folder and SET=one of femto, uestc"),
    ("no broker", ("demo", "--broker", "foo"), "expected iotcore or mosquitto, got 'foo'"),
    ("no key beside the model", ("batch", "--model", "x.bundle", "--data", ".", "--output", "o"), "expected"),
    ("no room for keys", ("keys", "new", "--out", "/proc/keys", "--unencrypted"), "expected to read and write it"),
    ("bad version first", ("pipeline", "--config", EXAMPLE, "--version", "one"), "expected MAJOR.MINOR.PATCH"),
    ("no folder", ("import", "--data", "nowhere"), "nowhere"),
]


@pytest.mark.parametrize(("arguments", "text"), [row[1:] for row in MISTAKES], ids=[row[0] for row in MISTAKES])
def test_mistakes_are_explained(tmp_path, monkeypatch, arguments, text):
    """A user's mistake ends with one clear text and exit code 2."""
    monkeypatch.chdir(tmp_path)
    said = run("ground", *arguments, expected=BAD_INPUT)
    assert text in said


@pytest.mark.slow
@pytest.mark.alone
def test_the_demo_runs_on_real_recordings_with_mosquitto(shared_data, tmp_path):
    """The real bearing bench through mosquitto to a real agent: stream equals batch, and the public tool verifies."""
    demo = ("ground", "demo", "--data", shared_data, "--set", "uestc", "--broker", "mosquitto", "--out", tmp_path)
    told = printed(run(*demo, "--json"))
    assert told["results"] > 0
    assert told["page"] == str(tmp_path / "uestc" / "report.html")
    assert (tmp_path / "uestc" / "report.html").stat().st_size > 10_000
    release = tmp_path / "uestc" / "models" / "uestc_bearing_detector" / "1.0.0"
    key = tmp_path / "uestc" / "keys" / "public.pem"
    command = ("verify", "key", release, "--signature", release / "bundle.sig", "--public_key", key)
    run("model_signing", *command, "--ignore_unsigned_files")
