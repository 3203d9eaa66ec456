"""Policy: a genuine bundle for another fleet, agent, time or purpose is refused, with what to do."""

from __future__ import annotations

import dataclasses
from datetime import date
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import pytest

from edge_agent.errors import BundleFormatError, ConfigError, PolicyRejected
from edge_agent.layout import MANIFEST
from edge_agent.manifest import Manifest
from edge_agent.policy import ANY_FLEET, CLOCK_UNKNOWN, Policy
from edge_agent.semver import Version
from edge_agent.strict_json import canonical_json, parse_json

if TYPE_CHECKING:
    from conftest import Workshop

HONEST = Manifest(
    detector="engine_vibration",
    version="1.0.0",
    fleet="north",
    sequence=7,
    release_class="release",
    spec_digest="ab" * 32,
    min_agent_version="0.1.0",
    expires="2027-03-01",
)

# name: (changes of the manifest, changes of the policy, reason, what the text must say)
REFUSED: dict[str, tuple[dict[str, Any], dict[str, Any], str, str]] = {
    "wrong fleet": ({"fleet": "south"}, {}, "wrong_fleet", "'north', got 'south'"),
    "fleet in capitals": ({}, {"fleet": "NORTH"}, "wrong_fleet", "correct fleet"),
    "wrong feature spec": ({}, {"spec_digest": "cd" * 32}, "wrong_spec", "cdcdcdcdcdcdcdcd"),
    "agent too old": ({"min_agent_version": "0.2.0"}, {}, "agent_too_old", "update the agent"),
    "agent is a pre-release": ({}, {"agent_version": "0.1.0-rc.1"}, "agent_too_old", "0.1.0-rc.1"),
    "expired": ({}, {"today": date(2027, 3, 2)}, "expired", "2027-03-01, got 2027-03-02"),
    "clock far ahead": ({}, {"today": date(2040, 1, 1)}, "expired", "check the clock"),
    "lower sequence": ({}, {"minimum_sequence": 8}, "old_sequence", "sequence 8 or higher, got 0, 7"),
    "lower epoch": ({"sequence": 2**53 - 1}, {"minimum_epoch": 1}, "old_sequence", "epoch 1, sequence 0 or higher"),
    "development": ({"release_class": "development"}, {}, "development_not_allowed", "allow_development = true"),
}

ACCEPTED: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "as it is": ({}, {}),
    "any fleet, for someone who only looks": ({}, {"fleet": ANY_FLEET}),
    "equal sequence": ({}, {"minimum_sequence": 7}),
    "lower sequence of a later epoch": ({"epoch": 1}, {"minimum_sequence": 8}),
    "newer agent": ({}, {"agent_version": "1.0.0"}),
    "last day": ({}, {"today": date(2027, 3, 1)}),
    "clock unknown": ({}, {"today": CLOCK_UNKNOWN}),
    "clock at 1970": ({}, {"today": date(1970, 1, 1)}),
    "never expires": ({"expires": ""}, {"today": date.max}),
    "expected spec": ({}, {"spec_digest": "ab" * 32}),
    "development, where allowed": ({"release_class": "development"}, {"allow_development": True}),
    "release, where development is allowed": ({}, {"allow_development": True}),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refuses_bundles_for_others(name: str) -> None:
    """Each row is refused by its rule, and the text says what was expected, what came and what to do."""
    manifest, policy, reason, text = REFUSED[name]
    with pytest.raises(PolicyRejected) as refusal:
        agent(policy).check(dataclasses.replace(HONEST, **manifest))
    assert refusal.value.reason == reason
    assert text in str(refusal.value)
    assert HONEST.bundle_id in str(refusal.value)


@pytest.mark.parametrize("name", ACCEPTED)
def test_accepts_bundles_for_this_agent(name: str) -> None:
    """The edges of each rule that still pass."""
    manifest, policy = ACCEPTED[name]
    agent(policy).check(dataclasses.replace(HONEST, **manifest))


def test_policy_stands_before_the_members_are_read(workshop: Workshop) -> None:
    """A bundle of another fleet is refused as such, whatever its model holds."""
    with pytest.raises(PolicyRejected) as refusal:
        workshop.open(workshop.seal({"model.onnx": b"no model"}), fleet="south")
    assert refusal.value.reason == "wrong_fleet"


def test_policy_reads_only_signed_bytes(workshop: Workshop) -> None:
    """A manifest changed on the way is a digest mismatch, not a matter of policy."""
    forged = parse_json(workshop.members[MANIFEST], where=MANIFEST) | {"fleet": "south"}
    bundle = workshop.seal().replace(workshop.members[MANIFEST], canonical_json(forged))
    with pytest.raises(Exception, match="expected sha256"):
        workshop.open(bundle, fleet="south")


def test_policy_names_a_bad_agent_version() -> None:
    """An agent that does not know its own version says so, instead of accepting anything."""
    with pytest.raises(ConfigError, match=r"agent_version: .* got 'dev'"):
        Policy(fleet="north", agent_version="dev")


# Semantic Versioning 2.0.0, section 11: each is lower than the next.
ASCENDING = (
    "0.9.9", "1.0.0-alpha", "1.0.0-alpha.1", "1.0.0-alpha.beta", "1.0.0-beta", "1.0.0-beta.2", "1.0.0-beta.11",
    "1.0.0-rc.1", "1.0.0", "1.0.1", "1.1.0", "1.9.0", "1.10.0", "2.0.0",
)  # fmt: skip


def test_versions_are_ordered_as_published() -> None:
    """The chain of semver.org, section 11, and numbers as numbers."""
    versions = [Version.parse(text) for text in ASCENDING]
    assert versions == sorted(versions)
    assert all(low < high for low, high in pairwise(versions))


@pytest.mark.parametrize(
    "text", ["", "1", "1.0", "1.0.0.0", "01.0.0", "1.0.0-", "1.0.0+5", "v1.0.0", "1.0.0 ", "1.0.x"]
)
def test_versions_of_other_forms_are_refused(text: str) -> None:
    """What is not major.minor.patch is no version."""
    with pytest.raises(ValueError, match=r"expected major\.minor\.patch"):
        Version.parse(text)


# name: (changed fields, reason)
BAD_MANIFESTS: dict[str, tuple[dict[str, Any], str]] = {
    "schema as truth": ({"schema": True}, "manifest_schema"),
    "schema as a fraction": ({"schema": 2.0}, "manifest_schema"),
    "other schema": ({"schema": 3}, "manifest_schema"),
    "epoch before there were any": ({"schema": 1}, "manifest_fields"),
    "epoch as text": ({"epoch": "0"}, "manifest_fields"),
    "negative epoch": ({"epoch": -1}, "manifest_value"),
    "epoch 2^53": ({"epoch": 2**53}, "json_number"),
    "unknown field": ({"comment": ""}, "manifest_fields"),
    "sequence as text": ({"sequence": "7"}, "manifest_fields"),
    "sequence as a fraction": ({"sequence": 7.0}, "manifest_fields"),
    "sequence as truth": ({"sequence": True}, "manifest_fields"),
    "negative sequence": ({"sequence": -1}, "manifest_value"),
    "sequence 2^63": ({"sequence": 2**63}, "json_number"),
    "sequence 2^53": ({"sequence": 2**53}, "json_number"),
    "fleet of all": ({"fleet": "*"}, "manifest_value"),
    "empty fleet": ({"fleet": ""}, "manifest_value"),
    "detector as a path": ({"detector": "../x", "bundle_id": "../x/1.0.0"}, "manifest_value"),
    "detector with a newline": ({"detector": "x\n", "bundle_id": "x\n/1.0.0"}, "manifest_value"),
    "unknown class": ({"release_class": "beta"}, "manifest_value"),
    "short digest": ({"spec_digest": "ab"}, "manifest_value"),
    "digest in capitals": ({"spec_digest": "AB" * 32}, "manifest_value"),
    "version": ({"version": "1.0", "bundle_id": "engine_vibration/1.0"}, "manifest_value"),
    "minimum agent version": ({"min_agent_version": "new"}, "manifest_value"),
    "expiry with a time": ({"expires": "2027-03-01T00:00:00Z"}, "manifest_value"),
    "expiry in short form": ({"expires": "20270301"}, "manifest_value"),
    "expiry that is no day": ({"expires": "2027-02-30"}, "manifest_value"),
    "expiry null": ({"expires": None}, "manifest_fields"),
    "another bundle id": ({"bundle_id": "engine_vibration/2.0.0"}, "manifest_value"),
    "control characters": ({"ecr": "\x1b[2J"}, "manifest_value"),
    "endless text": ({"part_number": "x" * 257}, "manifest_value"),
}


@pytest.mark.parametrize("name", BAD_MANIFESTS)
def test_refuses_impossible_manifests(workshop: Workshop, name: str) -> None:
    """A signed manifest is still checked: a signer can be mistaken."""
    changes, reason = BAD_MANIFESTS[name]
    document = parse_json(workshop.members[MANIFEST], where=MANIFEST) | changes
    with pytest.raises(BundleFormatError) as refusal:
        workshop.open(workshop.seal({MANIFEST: canonical_json(document)}))
    assert refusal.value.reason == reason
    assert str(refusal.value).startswith(MANIFEST)


@pytest.mark.parametrize("field", ["schema", "bundle_id", "fleet", "sequence", "epoch", "ecr"])
def test_refuses_manifests_that_lack_a_field(workshop: Workshop, field: str) -> None:
    """Nothing is filled in: every field stands in the file."""
    document = parse_json(workshop.members[MANIFEST], where=MANIFEST)
    del document[field]
    with pytest.raises(BundleFormatError, match=MANIFEST):
        workshop.open(workshop.seal({MANIFEST: canonical_json(document)}))


def test_manifest_survives_a_round_trip() -> None:
    """What is written is what is read."""
    assert Manifest.from_json(HONEST.to_json()) == HONEST
    later = dataclasses.replace(HONEST, epoch=2**53 - 1)
    assert Manifest.from_json(later.to_json()) == later


def test_manifests_from_before_the_epochs_are_of_the_first() -> None:
    """A bundle that flies already flies on after an upgrade of the agent."""
    document = parse_json(HONEST.to_json(), where=MANIFEST) | {"schema": 1}
    del document["epoch"]
    assert Manifest.from_json(canonical_json(document)) == HONEST


def agent(changes: dict[str, Any]) -> Policy:
    """An agent of fleet ``north`` with ``changes``."""
    return dataclasses.replace(Policy(fleet="north", agent_version="0.1.0"), **changes)
