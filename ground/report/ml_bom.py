"""``mlbom.cdx.json``: what a detector is made of, as a CycloneDX 1.6 bill of materials for machine learning.

Source: CycloneDX 1.6 JSON (ECMA-424), component type ``machine-learning-model`` with ``modelCard``. The reference
library for Python knows no model cards, so the document is written here; a test holds it against the official schema.
"""

from __future__ import annotations

import hashlib
import json
import math
import uuid
from collections.abc import Iterator, Mapping
from typing import Any

from edge_agent.layout import FEATURE_SPEC, IO_SCHEMA, MODEL, SCALER, THRESHOLDS
from edge_agent.manifest import Manifest
from ground.datasets import DatasetDigest
from ground.evidence import Evidence
from ground.gates import Gate
from ground.intervals import Bounds
from ground.report.limits_section import open_points

ML_BOM = "mlbom.cdx.json"
_PARTS = (FEATURE_SPEC, SCALER, THRESHOLDS, IO_SCHEMA)

Document = dict[str, Any]


def ml_bom(manifest: Manifest, evidence: Evidence, members: Mapping[str, bytes]) -> bytes:
    """The document; the same input gives the same bytes.

    Args:
        manifest: Names the detector.
        evidence: What was measured, and with which libraries.
        members: The members of the bundle: what flies.
    """
    model, parts = _model(manifest, evidence, members), [_part(name, members[name]) for name in _PARTS]
    datasets = [_dataset(dataset) for dataset in evidence.datasets]
    libraries = [_library(name, version) for name, version in sorted(evidence.versions.items())]
    made_of = [component["bom-ref"] for component in (*parts, *datasets)]
    tools = [{"type": "application", "name": name, "version": version} for name, version in _tool(evidence)]
    document = {
        "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        # Named by its content: the same detector has the same document, and a changed one another number.
        "serialNumber": f"urn:uuid:{uuid.uuid5(uuid.NAMESPACE_OID, _content(members))}",
        "version": 1,
        "metadata": {"component": model, "tools": {"components": tools}},
        "components": [*parts, *datasets, *libraries],
        "dependencies": [{"ref": model["bom-ref"], "dependsOn": made_of}],
    }
    return (json.dumps(document, sort_keys=True, indent=1, allow_nan=False) + "\n").encode("ascii")


def _model(manifest: Manifest, evidence: Evidence, members: Mapping[str, bytes]) -> Document:
    return {
        "type": "machine-learning-model",
        "bom-ref": MODEL,
        "name": manifest.detector,
        "version": manifest.version,
        "description": f"{MODEL}: {evidence.family} detector of engine vibration for the fleet {manifest.fleet}",
        "hashes": _hashes(members[MODEL]),
        "properties": [
            {"name": f"enginear:{name}", "value": value}
            for name, value in (
                ("release_class", manifest.release_class),
                ("verdict", evidence.verdict.verdict),
                ("ecr", manifest.ecr),
                ("config_sha256", evidence.config_digest),
                ("spec_sha256", evidence.spec_digest),
                ("seed", str(evidence.seed)),
            )
        ],
        "modelCard": _card(manifest, evidence),
    }


def _card(manifest: Manifest, evidence: Evidence) -> Document:
    return {
        "modelParameters": {
            "approach": {"type": "semi-supervised"},
            "task": "anomaly detection",
            "architectureFamily": evidence.family,
            "datasets": [{"ref": _dataset_ref(dataset.name)} for dataset in evidence.datasets],
            "inputs": [{"format": "features of a window of vibration, float32"}],
            "outputs": [{"format": "reconstruction of the features, float32"}, {"format": "anomaly score, float32"}],
        },
        "quantitativeAnalysis": {"performanceMetrics": [*_metrics(evidence)]},
        "considerations": {
            "useCases": [f"Raises an alert when a flight of the fleet {manifest.fleet} sounds unlike healthy ones."],
            "technicalLimitations": [*open_points(evidence.gates, evidence.verdict)],
        },
    }


def _metrics(evidence: Evidence) -> Iterator[Document]:
    yield from (_metric(gate) for gate in evidence.gates if math.isfinite(gate.point))
    for shipped in evidence.contenders[:1]:
        flights = shipped.flights
        if flights.healthy_flights:
            yield _share("share of healthy flights with an alarm", flights.alarmed_share, flights.alarmed_bounds)
        if flights.faulty_flights:
            yield _share("share of faulty flights found", flights.recall, flights.recall_bounds)


def _metric(gate: Gate) -> Document:
    return {**_share(gate.name, gate.point, gate.bounds), "slice": f"test flights, n={gate.n}"}


def _share(name: str, point: float, bounds: Bounds) -> Document:
    return {
        "type": name,
        "value": f"{point:.6g}",
        "confidenceInterval": {"lowerBound": f"{bounds.lower:.6g}", "upperBound": f"{bounds.upper:.6g}"},
    }


def _part(name: str, content: bytes) -> Document:
    return {"type": "file", "bom-ref": name, "name": name, "hashes": _hashes(content)}


def _dataset(dataset: DatasetDigest) -> Document:
    about = f"{dataset.recordings} recordings; sha256 over sorted lines of file digest and recording_id"
    return {
        "type": "data",
        "bom-ref": _dataset_ref(dataset.name),
        "name": dataset.name,
        "hashes": [{"alg": "SHA-256", "content": dataset.digest}],
        "data": [{"type": "dataset", "name": dataset.name, "description": about}],
    }


def _library(name: str, version: str) -> Document:
    where = f"pkg:pypi/{name}@{version}"
    return {"type": "library", "bom-ref": where, "name": name, "version": version, "purl": where}


def _tool(evidence: Evidence) -> Iterator[tuple[str, str]]:
    yield from ((name, version) for name, version in evidence.versions.items() if name == "enginear-ground")


def _dataset_ref(name: str) -> str:
    return f"dataset/{name}"


def _hashes(content: bytes) -> list[Document]:
    return [{"alg": "SHA-256", "content": hashlib.sha256(content).hexdigest()}]


def _content(members: Mapping[str, bytes]) -> str:
    digests = (f"{hashlib.sha256(members[name]).hexdigest()}  {name}\n" for name in sorted(members))
    return "".join(digests)
