"""Bundles for the registry whose gates passed, reports about them, and registries to put them into."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from edge_agent.layout import METRICS
from ground.evidence_schema import SCHEMA
from ground.fleet.registry.database import DATABASE, make_database
from ground.fleet.registry.plan import Promotion
from ground.fleet.registry.registry import Registry, open_registry
from ground.fleet.registry.states import State
from ground.fleet.shadow_report import SCHEMA as REPORT
from ground.keys import public_pem
from ground.pack import pack_bundle
from tests.conftest import small_members, small_spec

PERSON = {"approver": "A. Person", "reason": "as the test says"}
GATE = {
    "name": "auc", "unit": "1", "limit": 0.9, "higher_is_better": True, "point": 0.97,
    "bounds": {"lower": 0.93, "upper": 0.99}, "n": 64, "needed_n": 29, "verdict": "PASS",
}  # fmt: skip
FLIGHTS = 200
"""More than the 116 that it takes without an extra alarm."""


def metrics(verdict: str = "PASS", *, digest: str = "d1", **gate: Any) -> bytes:
    """What counts of ``metrics.json``."""
    document = {
        "schema": SCHEMA, "verdict": {"verdict": verdict, "reasons": []}, "gates": [{**GATE, **gate}],
        "datasets": [{"name": "rig", "recordings": 9, "digest": digest}], "family": "mahalanobis",
    }  # fmt: skip
    return json.dumps(document).encode()


@dataclass(frozen=True)
class Made:
    """A signed bundle of detector ``small``."""

    path: Path
    digest: str
    name: str


class Rig:
    """A folder with a signing key, bundles, and an empty registry to copy."""

    def __init__(self, factory: pytest.TempPathFactory) -> None:
        self.folder = folder = factory.mktemp("rig")
        self._key = ec.derive_private_key(20261128, ec.SECP256R1())
        self.key = folder / "public.pem"
        self.key.write_bytes(public_pem(self._key.public_key()))
        self._members = small_members(small_spec())
        # One for all workers: MLflow takes seconds to make its tables.
        workers = folder.parents[1] if "PYTEST_XDIST_WORKER" in os.environ else folder.parent
        self._empty = workers / "empty-registry"
        make_database(self._empty / DATABASE)

    def bundle(self, version: str, evidence: bytes = b"", **manifest: Any) -> Made:
        """A bundle of a version; ``manifest`` changes fields of its manifest."""
        facts = {"detector": "small", "fleet": "test", "sequence": int(version.partition(".")[0]), **manifest}
        changed = json.loads(self._members["manifest.json"]) | facts | {"version": version}
        changed["bundle_id"] = f"{changed['detector']}/{version}"
        text = json.dumps(changed, sort_keys=True, separators=(",", ":")).encode()
        content = pack_bundle({**self._members, "manifest.json": text, METRICS: evidence or metrics()}, self._key)
        digest = hashlib.sha256(content).hexdigest()
        path = self.folder / f"{digest}.bundle"
        path.write_bytes(content)
        return Made(path, digest, changed["bundle_id"])

    def registry(self, folder: Path) -> Registry:
        """A new, empty registry."""
        shutil.copytree(self._empty, folder)
        return open_registry(folder)

    def register(self, registry: Registry, made: Made, *states: State) -> None:
        """Register a bundle and promote it through states; active without a report."""
        registry.register(made.path, keys=[self.key], by="test")
        for state in states:
            registry.promote(made.name, Promotion(to=state, **PERSON, first=state is State.ACTIVE))


def report(candidate: Made, flying: Made, **changed: Any) -> bytes:
    """A shadow report that is ready."""
    document = {
        "schema": REPORT, "shadow": [candidate.name, candidate.digest], "active": [[flying.name, flying.digest]],
        "verdict": "ready", "rule": {"limit": 0.05, "confidence": 0.95}, "flights": FLIGHTS, "gained": [],
    }  # fmt: skip
    return json.dumps(document | changed).encode()
