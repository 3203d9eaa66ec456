"""One rule for ``--json``: a command that ends by itself, and tells more than that it is done, has it.

What there is to tell is a figure, a list, a path or an id that its caller did not name. Then one JSON document comes on
standard output, and nothing else does.
"""

from __future__ import annotations

import hashlib
import io
import json
import sys
from collections.abc import Iterable, Iterator
from contextlib import redirect_stdout
from pathlib import Path

import pytest
import yaml

from ground.cli import main
from ground.keys import new_key_pair
from tests.conftest import ROOT, SignedBundle
from tests.ground.repo_ceremony import FLEET, Ceremony, begin_public
from tests.ground.test_command_line import LEAVES

UNTIL_ENDED = "runs until it is ended: what it says is a log"
AS_TOLD = "does what it was told, and tells no more than that it is done"

SILENT = {
    "bridge sparkplug": UNTIL_ENDED,
    "collect run": UNTIL_ENDED,
    "console": UNTIL_ENDED,
    "console user add": AS_TOLD,
    "console user remove": AS_TOLD,
    "pyfunc": AS_TOLD,
    "repo discard": AS_TOLD,
}
"""Commands that report nothing, each with the reason."""

TRIED_BY = {
    "demo": "tests/e2e/test_whole_way.py",
    "drift": "tests/ground/fleet/test_drift.py",
    "registry promote": "tests/ground/fleet/test_registry_command.py",
    "retrain": "tests/ground/fleet/test_retrain_flow.py",
    "shadow report": "tests/ground/fleet/test_shadow_report.py",
    "verdict list": "tests/ground/fleet/test_verdicts.py",
    "verdict set": "tests/ground/fleet/test_verdicts.py",
}
"""Tests of commands that need more than what is made here."""

CONFIG = ("--config", "w/config.yaml", "--workspace", "w")
MODEL = "w/models/simulated_detector/1.0.0"
NAME = "simulated_detector/1.0.0"

STORY: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("simulate", ("--out", "raw", "--healthy", "8", "--faulty", "2", "--sensor-faulty", "1", "--flight-s", "12")),
    ("init", ("--data", "raw", "--out", "w")),
    ("keys new", ("--out", "w/keys", "--unencrypted")),
    ("keys show", ("w/keys",)),
    ("keys rotate", ("w/keys", "--out", "w/keys-2", "--unencrypted")),
    ("import", ("--data", "raw", "--workspace", "w")),
    ("preprocess", CONFIG),
    ("featurize", (*CONFIG, "--workers", "1")),
    ("train", CONFIG),
    ("evaluate", CONFIG),
    ("tune", (*CONFIG, "--trials", "1")),
    ("adapt", (*CONFIG, "--unit", "sim-e0000")),
    ("export", (*CONFIG, "--version", "1.0.0")),
    ("sign", (MODEL, "--key", "w/keys/private.pem")),
    ("pipeline", (*CONFIG, "--version", "1.1.0")),
    ("report", ("w",)),
    ("batch", ("--model", MODEL, "--data", "w/data/interim", "--output", "r.parquet", "--workers", "1", "--report")),
    ("replay", ("--model", MODEL, "--data", "w/data/interim", "--out", "frames.bin")),
    ("features list", ("--bundle", MODEL)),
    ("features explain", (MODEL,)),
    ("features plot", ("sim-e0000-f000", "--at", "6", "--data", "raw", "--bundle", MODEL)),
    ("registry register", ("--bundle", MODEL)),
    ("registry list", ()),
    ("registry show", (NAME,)),
    ("registry compare", (NAME, NAME)),
    ("registry retire", (NAME, "--approver", "alice", "--reason", "a test")),
    ("collect compact", ("--out", "w")),
    ("console user list", ("--workspace", "w")),
    ("console audit", ("--workspace", "w")),
    ("doctor", ("--workspace", "w")),
    ("flights-needed", ()),
)
"""A detector from nothing to a registry, command by command."""

Line = tuple[str, tuple[str | Path, ...]]


def repo_story(ceremony: Ceremony, bundle: SignedBundle, home: Path) -> Iterator[Line]:
    """An update repository, from the keys of people to another epoch."""
    keys, password = ceremony.keys, ("--password-file", ceremony.keys / "password")
    signed = ("--key", keys / "gina.pem", *password)
    digest = hashlib.sha256(bundle.path.read_bytes()).hexdigest()
    offer = (digest[:8], "--fleet", FLEET, *signed, *ceremony.publish_options)
    holders = {"root": ("alice", "bob", "carol"), "targets": ("dora", "emil", "fred")}
    founders = [(f"--{role}-key", keys / f"{name}.pub") for role, names in holders.items() for name in names]
    online = [(f"--{role}-key", keys / f"{role}.pub") for role in ("snapshot", "timestamp")]
    yield "repo new-key", (home / "new.pem", *password)
    yield "repo init", ("--repo", home / "new", *(word for pair in (*founders, *online) for word in pair))
    yield "repo publish", (bundle.path,)
    yield "repo sign", ("--role", f"bundles-{FLEET}", *signed)
    yield "repo commit", ceremony.publish_options
    yield "repo rollout", (*offer, "--halt")
    yield "repo withdraw", offer
    yield "repo refresh", ceremony.publish_options
    yield "repo renew", ("root",)
    copy = ceremony.copy(home / "copy")
    copy.sign("root", "alice")
    yield "repo collect", (copy.folder / "staged" / "root.json",)
    yield "repo rotate-key", ("targets", "--old", "dora", "--new", keys / "zoe.pub")
    yield "repo add", ("east", "--key", keys / "yann.pub", "--key", home / "new.pub")
    yield "repo distrust-key", (bundle.key,)
    yield "repo trust-key", (new_key_pair(home / "other").public,)
    yield "repo epoch raise", ()
    yield "repo show", ()


REPO = tuple(name for name in LEAVES if name.startswith("repo ") and name not in SILENT)
MADE = tuple(name for name, _ in STORY)


def told(lines: Iterable[Line], *more: str | Path) -> Iterator[tuple[str, str]]:
    """What each command prints on standard output with ``--json``; all but a doctor end well."""
    for name, words in lines:
        with pytest.MonkeyPatch.context() as patch, redirect_stdout(io.StringIO()) as printed:
            patch.setattr(sys, "argv", ["ground", *name.split(), *map(str, (*words, *more)), "--json"])
            with pytest.raises(SystemExit) as ended:
                main()
        assert not ended.value.code or name == "doctor", name
        yield name, printed.getvalue()


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """What the commands of the story print, in a folder of their own."""
    pytest.importorskip("optuna")
    found: dict[str, str] = {}
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(tmp_path_factory.mktemp("story"))
        for name, printed in told(STORY):
            found[name] = printed
            if name == "init":
                make_quick(Path("w/config.yaml"))
    return found


def make_quick(config: Path) -> None:
    """Linear models, which are trained at once; and no gate on time, for other tests run beside this one."""
    document = yaml.safe_load(config.read_text())
    document["model"] = {"family": "pca", "baselines": ["mahalanobis"]}
    document["gates"] = {**document.get("gates", {}), "latency_p99_max_ms": 10_000.0}
    config.write_text(yaml.safe_dump(document))


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory, small_bundle: SignedBundle) -> dict[str, str]:
    """What the commands about a repository print."""
    home = tmp_path_factory.mktemp("repository")
    ceremony = begin_public(home, small_bundle)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GROUND_REPO", str(ceremony.folder))
        return dict(told(repo_story(ceremony, small_bundle, home)))


@pytest.mark.parametrize("name", sorted(LEAVES))
def test_what_reports_has_json(name: str) -> None:
    """Add ``as_json: JsonOption`` to a command that reports, or the reason to ``SILENT``."""
    has_json = any("--json" in each.opts for each in LEAVES[name].params)
    assert has_json == (name not in SILENT)


def test_what_has_json_is_tried() -> None:
    """Here, or by the test that stands beside it."""
    assert sorted([*MADE, *REPO, *TRIED_BY, *SILENT]) == sorted(LEAVES)
    for name, path in TRIED_BY.items():
        text = (ROOT / path).read_text()
        assert "--json" in text, name
        assert name.split()[0] in text, name


@pytest.mark.slow
@pytest.mark.parametrize("name", MADE)
def test_a_command_prints_one_document(made: dict[str, str], name: str) -> None:
    """Progress, notes and prose go elsewhere."""
    assert json.loads(made[name])


@pytest.mark.parametrize("name", REPO)
def test_a_command_about_a_repository_prints_one_document(repository: dict[str, str], name: str) -> None:
    """The same."""
    assert json.loads(repository[name])


def test_what_a_repository_command_tells(repository: dict[str, str]) -> None:
    """The roles it was about, what waits now as ``show`` has it, and what was published."""
    published = json.loads(repository["repo publish"])
    assert (published["roles"], published["published"]) == ([f"bundles-{FLEET}"], None)
    (waiting,) = published["staged"]
    assert (waiting["role"], waiting["ready"]) == (f"bundles-{FLEET}", False)
    assert json.loads(repository["repo sign"])["staged"][0]["ready"]
    committed = json.loads(repository["repo commit"])
    assert (committed["roles"], committed["staged"]) == ([f"bundles-{FLEET}"], [])
    assert committed["published"]["versions"][f"bundles-{FLEET}"] == 2
    assert json.loads(repository["repo collect"])["signatures_taken"]["root"][0].startswith("alice ")
    assert json.loads(repository["repo epoch raise"])["epoch"] == 1


@pytest.mark.slow
def test_what_stages_and_results_tell(made: dict[str, str]) -> None:
    """By the names that dataclasses and files of reports have."""
    preprocessed, trained = json.loads(made["preprocess"]), json.loads(made["train"])
    assert (preprocessed["stage"], preprocessed["ran"], trained["stage"]) == ("preprocess", True, "train")
    assert "data/interim/report.json" in preprocessed["outputs"]
    batch, frames = json.loads(made["batch"]), json.loads(made["replay"])
    assert (batch["output"], batch["recordings"], batch["failures"]) == ("r.parquet", 11, [])
    assert Path(batch["page"]).name == "r.html"
    assert frames["out"] == "frames.bin"
    assert json.loads(made["sign"]) == {"bundle": f"{MODEL}/simulated_detector-1.0.0.bundle"}
    adapted = json.loads(made["adapt"])
    assert adapted["folder"] == "w/models/simulated_detector/candidate-sim-e0000"
    assert adapted["unit"] == "sim-e0000"


def test_a_refusal_leaves_standard_output_empty(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A text on standard error and a code, as without ``--json``."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", ["ground", "console", "audit", "--workspace", str(tmp_path / "none"), "--json"])
        with pytest.raises(SystemExit) as ended:
            main()
    printed = capsys.readouterr()
    assert (ended.value.code, printed.out) == (2, "")
    assert printed.err.startswith("error: --workspace: expected a folder")
