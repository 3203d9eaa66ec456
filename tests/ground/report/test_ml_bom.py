"""The bill of materials: valid by the official schema, true to what flies, and the same bytes every time."""

from __future__ import annotations

import hashlib
import json
import subprocess

import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

from edge_agent.layout import FEATURE_SPEC, IO_SCHEMA, MODEL, SCALER, THRESHOLDS
from edge_agent.manifest import DEVELOPMENT, Manifest
from ground.datasets import dataset_digests
from ground.errors import DataError
from ground.feature_spec import frozen_spec
from ground.report.ml_bom import ml_bom


@pytest.fixture
def members(evaluated, report_config):
    """The members of a bundle that it speaks of."""
    candidate = evaluated.candidate("tiny_detector")
    return {
        MODEL: (candidate / MODEL).read_bytes(),
        THRESHOLDS: (candidate / THRESHOLDS).read_bytes(),
        SCALER: (evaluated.processed / SCALER).read_bytes(),
        FEATURE_SPEC: frozen_spec(report_config, evaluated).to_json(),
        IO_SCHEMA: b"{}",
    }


@pytest.fixture
def manifest(evidence):
    """The manifest of the tiny fleet."""
    return Manifest(
        detector="tiny_detector", version="1.2.3", fleet="demo", sequence=7, release_class=DEVELOPMENT,
        spec_digest=evidence.spec_digest, min_agent_version="0.1.0", ecr="ECR-1",
    )  # fmt: skip


@pytest.fixture
def document(manifest, evidence, members):
    """The parsed document."""
    return json.loads(ml_bom(manifest, evidence, members))


def test_the_official_schema_takes_it(manifest, evidence, members):
    """CycloneDX 1.6, strict, offline; and the check can fail."""
    text = ml_bom(manifest, evidence, members).decode()
    validator = JsonStrictValidator(SchemaVersion.V1_6)
    assert validator.validate_str(text) is None
    assert validator.validate_str(text.replace('"architectureFamily"', '"family"')) is not None


def test_it_names_what_flies_and_what_it_was_made_from(document, evidence, members, evaluated):
    """Digests of the members, of the recordings, versions of the libraries, and the numbers of the gates."""
    model, components = document["metadata"]["component"], {item["bom-ref"]: item for item in document["components"]}
    assert (model["type"], model["name"], model["version"]) == ("machine-learning-model", "tiny_detector", "1.2.3")
    assert model["hashes"][0]["content"] == evidence.model_digest
    for name in (SCALER, THRESHOLDS, FEATURE_SPEC):
        assert components[name]["hashes"][0]["content"] == hashlib.sha256(members[name]).hexdigest()
    (dataset,) = dataset_digests(evaluated.interim)
    assert components["dataset/tiny"]["hashes"][0]["content"] == dataset.digest
    assert components[f"pkg:pypi/numpy@{evidence.versions['numpy']}"]["type"] == "library"
    metrics = {metric["type"]: metric for metric in model["modelCard"]["quantitativeAnalysis"]["performanceMetrics"]}
    for gate in evidence.gates:
        assert float(metrics[gate.name]["value"]) == pytest.approx(gate.point, rel=1e-5)


def test_it_is_the_same_bytes_every_time_and_another_number_for_another_model(manifest, evidence, members):
    """Its serial number is the content's."""
    text = ml_bom(manifest, evidence, members)
    assert ml_bom(manifest, evidence, members) == text
    other = json.loads(ml_bom(manifest, evidence, {**members, MODEL: b"other"}))
    assert other["serialNumber"] != json.loads(text)["serialNumber"]


def test_datasets_are_digested_as_anybody_can(evaluated, tmp_path):
    """``sha256sum`` gives the same; another sample in one recording gives another digest; a missing file is named."""
    (dataset,) = dataset_digests(evaluated.interim)
    files = sorted(evaluated.interim.rglob("*-[0-9]*.parquet"), key=lambda path: path.stem)
    printed = subprocess.check_output(["sha256sum", *files], text=True).splitlines()
    lines = [f"{line.split()[0]}  {path.stem}\n" for line, path in zip(printed, files, strict=True)]
    assert dataset.recordings == len(lines) == 19
    assert hashlib.sha256("".join(lines).encode()).hexdigest() == dataset.digest
    (tmp_path / "recordings.csv").write_bytes((evaluated.interim / "recordings.csv").read_bytes())
    with pytest.raises(DataError, match="expected a recording"):
        dataset_digests(tmp_path)
