"""The members: every flipped byte is seen, and signed nonsense is refused by name."""

from __future__ import annotations

import dataclasses
import hashlib
import io
import os
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from edge_agent.archive import read_archive, write_archive
from edge_agent.commissioning_policy import CommissioningPolicy, ExpectedLevels
from edge_agent.errors import BundleError, BundleFormatError, DigestMismatch, SignatureRejected
from edge_agent.golden_vectors import GoldenVectors
from edge_agent.io_schema import IoSchema
from edge_agent.layout import (
    COMMISSIONING_POLICY,
    FEATURE_SPEC,
    GOLDEN_FEATURES,
    GOLDEN_PULSES,
    GOLDEN_SAMPLES,
    GOLDEN_SCORES,
    GOLDEN_SPEEDS,
    IO_SCHEMA,
    MANIFEST,
    MEMBER_CAPS,
    METRICS,
    MODEL,
    MODEL_CARD,
    SCALER,
    SIGNED_MEMBERS,
    THRESHOLDS,
)
from edge_agent.npy import read_npy, write_npy
from edge_agent.strict_json import canonical_json, parse_json
from ground.errors import SigningError
from ground.pack import pack_bundle

if TYPE_CHECKING:
    from conftest import Workshop

SEED = 20261123
FLIPS = 48


@pytest.mark.parametrize("name", sorted(SIGNED_MEMBERS))
def test_every_flipped_byte_is_a_digest_mismatch(workshop: Workshop, name: str) -> None:
    """Bits flipped at seeded offsets of each member, the first and the last byte among them, are seen."""
    members = read_archive(workshop.seal())
    size = len(members[name])
    offsets = np.random.default_rng(SEED).choice(size, size=min(size, FLIPS), replace=False).tolist()
    for offset in {0, size - 1, *offsets}:
        flipped = bytearray(members[name])
        flipped[offset] ^= 1 << (offset % 8)
        with pytest.raises(DigestMismatch) as refusal:
            workshop.open(write_archive({**members, name: bytes(flipped)}))
        assert refusal.value.reason == "digest_mismatch"
        assert str(refusal.value).startswith(name)


def test_flips_anywhere_in_the_file_are_refused(workshop: Workshop) -> None:
    """3: a flip of any byte, wherever it falls, is refused by name; FLIPS=every (`make fuzz`) flips each of them."""
    bundle = workshop.seal()
    every = os.environ.get("FLIPS") == "every"
    some = np.random.default_rng(SEED).choice(len(bundle), size=600, replace=False).tolist()
    for offset in range(len(bundle)) if every else some:
        flipped = bytearray(bundle)
        flipped[offset] ^= 1 << (offset % 8)
        with pytest.raises(BundleError) as refusal:
            workshop.open(bytes(flipped))
        assert refusal.value.reason


def npy_saved(array: Any) -> bytes:
    """What ``np.save`` makes of an array."""
    stream = io.BytesIO()
    np.save(stream, array, allow_pickle=True)
    return stream.getvalue()


def npy_with_header(header: str, data: bytes = bytes(8)) -> bytes:
    """A version 1.0 file with any header."""
    text = header.encode()
    padded = text + b" " * (-(len(text) + 11) % 64) + b"\n"
    return b"\x93NUMPY\x01\x00" + len(padded).to_bytes(2, "little") + padded + data


def swap(member: str, **fields: Any) -> Callable[[Workshop], bytes]:
    """A change of fields of a JSON member."""
    return lambda workshop: canonical_json(parse_json(workshop.members[member], where=member) | fields)


def reversed_names(workshop: Workshop) -> bytes:
    """A scaler whose names are those of the features, in another order."""
    names = parse_json(workshop.members[SCALER], where=SCALER)["names"]
    return swap(SCALER, names=names[::-1])(workshop)


def pulses(*positions: float) -> Callable[[Workshop], bytes]:
    """Pulses of both windows: wrong ones in the second."""
    good = np.arange(len(positions), dtype=np.float64)
    return lambda _: npy_saved(np.stack([good, np.array(positions)])[:, np.newaxis])


# name: (member, its new content, reason); all of them signed with the pinned key
SIGNED_NONSENSE: dict[str, tuple[str, Callable[[Workshop], bytes], str]] = {
    "NaN threshold": (THRESHOLDS, lambda w: w.members[THRESHOLDS].replace(b"3.0", b"NaN"), "json_number"),
    "infinite threshold": (THRESHOLDS, lambda w: w.members[THRESHOLDS].replace(b"3.0", b"Infinity"), "json_number"),
    "overflowing threshold": (THRESHOLDS, lambda w: w.members[THRESHOLDS].replace(b"3.0", b"1e999"), "json_number"),
    "duplicate key": (
        THRESHOLDS,
        lambda w: w.members[THRESHOLDS].replace(b'"pooled":3.0', b'"pooled":3.0,"pooled":9.0'),
        "json_duplicate_key",
    ),
    "duplicate phase": (
        THRESHOLDS,
        lambda w: w.members[THRESHOLDS].replace(b'"cruise":2.5', b'"cruise":2.5,"cruise":9'),
        "json_duplicate_key",
    ),
    "negative threshold": (THRESHOLDS, swap(THRESHOLDS, pooled=-1.0), "thresholds"),
    "k above n": (THRESHOLDS, swap(THRESHOLDS, k=6), "thresholds"),
    "domain over conditions that the spec does not have": (
        THRESHOLDS,
        swap(THRESHOLDS, domain={"conditions": [["n9_hz", 1.0, 2.0]], "phases": []}),
        "thresholds",
    ),
    "empty thresholds": (THRESHOLDS, lambda _: b"", "json_syntax"),
    "thresholds as YAML": (THRESHOLDS, lambda _: b"pooled: 3.0\n", "json_syntax"),
    "infinite scale": (SCALER, lambda w: w.members[SCALER].replace(b"1.0", b"1e400", 1), "json_number"),
    "zero scale": (SCALER, lambda w: w.members[SCALER].replace(b"1.0", b"0.0", 1), "scaler"),
    "scaler of other features": (SCALER, reversed_names, "scaler"),
    "scaler as a pickle": (SCALER, lambda _: b"\x80\x04N.", "json_text"),
    "another feature spec": (FEATURE_SPEC, swap(FEATURE_SPEC, window_s=4.0), "spec_digest"),
    "the same spec in another form": (FEATURE_SPEC, lambda w: w.members[FEATURE_SPEC] + b"\n", "spec_digest"),
    "schema of other features": (IO_SCHEMA, lambda _: IoSchema.of(3).to_json(), "io_schema"),
    "schema of another version": (IO_SCHEMA, swap(IO_SCHEMA, schema=2), "io_schema"),
    "schema without outputs": (IO_SCHEMA, swap(IO_SCHEMA, outputs=[]), "io_schema"),
    "schema with a comment": (IO_SCHEMA, swap(IO_SCHEMA, comment=""), "io_schema"),
    "schema that is a list": (IO_SCHEMA, lambda _: b"[]", "io_schema"),
    "no model": (MODEL, lambda _: b"", "onnx_ir_version"),
    "metrics with NaN": (METRICS, lambda _: b'{"auc":NaN}', "json_number"),
    "card that is no text": (MODEL_CARD, lambda _: b"\xff\xfe", "text"),
    "pickled array": (GOLDEN_SCORES, lambda _: npy_saved(np.array([{}, []], dtype=object)), "npy_header"),
    "archive of arrays": (GOLDEN_SCORES, lambda _: b"PK\x03\x04" + bytes(60), "npy_header"),
    "empty array file": (GOLDEN_SCORES, lambda _: b"", "npy_header"),
    "array of another dtype": (GOLDEN_SCORES, lambda _: npy_saved(np.zeros(2)), "npy_dtype"),
    "array of integers": (GOLDEN_SCORES, lambda _: npy_saved(np.zeros(2, dtype=np.int32)), "npy_header"),
    "array of big-endian numbers": (GOLDEN_SCORES, lambda _: npy_saved(np.zeros(2, dtype=">f4")), "npy_header"),
    "array with a huge shape": (
        GOLDEN_SCORES,
        lambda _: npy_with_header("{'descr': '<f4', 'fortran_order': False, 'shape': (999999999,), }"),
        "npy_size",
    ),
    "array with a negative shape": (
        GOLDEN_SCORES,
        lambda _: npy_with_header("{'descr': '<f4', 'fortran_order': False, 'shape': (-2,), }"),
        "npy_header",
    ),
    "array with code in its header": (
        GOLDEN_SCORES,
        lambda _: npy_with_header("__import__('os').abort()"),
        "npy_header",
    ),
    "array with a header of 64 KiB": (
        GOLDEN_SCORES,
        lambda _: npy_with_header("(" * 65_000, b"")[:60_000],
        "npy_header",
    ),
    "array whose header is not aligned": (
        GOLDEN_SCORES,
        lambda w: w.members[GOLDEN_SCORES].replace(b" \n", b"\n").replace(b"\x76\x00{", b"\x75\x00{"),
        "npy_header",
    ),
    "array that is cut": (GOLDEN_SCORES, lambda w: w.members[GOLDEN_SCORES][:-1], "npy_size"),
    "array that goes on": (GOLDEN_SCORES, lambda w: w.members[GOLDEN_SCORES] + b"\x00", "npy_size"),
    "array of NaN": (GOLDEN_SCORES, lambda _: npy_saved(np.full(2, np.nan, dtype=np.float32)), "npy_not_finite"),
    "array of other axes": (GOLDEN_SCORES, lambda _: npy_saved(np.zeros((2, 1), dtype=np.float32)), "npy_shape"),
    "array in Fortran order": (
        GOLDEN_FEATURES,
        lambda w: npy_saved(np.asfortranarray(golden(w).features)),
        "npy_header",
    ),
    "one score too many": (GOLDEN_SCORES, lambda _: npy_saved(np.zeros(3, dtype=np.float32)), "golden_shape"),
    "features of another spec": (
        GOLDEN_FEATURES,
        lambda _: npy_saved(np.zeros((2, 3), dtype=np.float32)),
        "golden_shape",
    ),
    "speeds of another spec": (GOLDEN_SPEEDS, lambda _: npy_saved(np.zeros((2, 2))), "golden_shape"),
    "pulses of another spec": (GOLDEN_PULSES, lambda _: npy_saved(np.zeros((2, 2, 1))), "golden_shape"),
    "pulses of no tachometer": (GOLDEN_PULSES, lambda _: npy_saved(np.zeros((2, 0, 0))), "golden_shape"),
    "pulses of one window too many": (GOLDEN_PULSES, lambda _: npy_saved(np.zeros((3, 1, 1))), "golden_shape"),
    "pulses filled up with NaN": (GOLDEN_PULSES, pulses(1.0, np.nan), "npy_not_finite"),
    "pulses in single precision": (GOLDEN_PULSES, lambda _: npy_saved(np.zeros((2, 1, 1), np.float32)), "npy_dtype"),
    "pulses before the window": (GOLDEN_PULSES, pulses(-0.5, 1.0), "golden_pulses"),
    "pulses after the window": (GOLDEN_PULSES, pulses(1.0, 128.0), "golden_pulses"),
    "pulses going back": (GOLDEN_PULSES, pulses(2.0, 1.0), "golden_pulses"),
    "two pulses at one place": (GOLDEN_PULSES, pulses(2.0, 2.0), "golden_pulses"),
    "pulses with a hole": (GOLDEN_PULSES, pulses(1.0, -1.0, 2.0), "golden_pulses"),
    "no pulse before a pulse": (GOLDEN_PULSES, pulses(-1.0, 2.0), "golden_pulses"),
    "samples of another spec": (
        GOLDEN_SAMPLES,
        lambda _: npy_saved(np.zeros((2, 5, 1), dtype=np.float32)),
        "golden_shape",
    ),
}


def golden(workshop: Workshop) -> GoldenVectors:
    """The honest golden vectors."""
    return GoldenVectors.from_members(workshop.members)


@pytest.mark.parametrize("name", SIGNED_NONSENSE)
def test_signed_nonsense_is_refused(workshop: Workshop, name: str) -> None:
    """A signature proves who made a member, not that it makes sense."""
    member, change, reason = SIGNED_NONSENSE[name]
    content = change(workshop)
    assert content != workshop.members[member]
    with pytest.raises(BundleError) as refusal:
        workshop.open(workshop.seal({member: content}))
    assert refusal.value.reason == reason


# name: (the spec's new content, reason); the manifest names its digest, and all is signed with the pinned key
SPECS: dict[str, tuple[Callable[[bytes], bytes], str]] = {
    "no JSON": (lambda _: b"window_s: 10", "json_syntax"),
    "nested too deep": (lambda _: b"[" * 30_000, "json_syntax"),
    "duplicate key": (lambda good: b'{"window_s":4.0,' + good[1:], "json_duplicate_key"),
    "NaN": (lambda good: good.replace(b'"window_s":2.0', b'"window_s":NaN'), "json_number"),
    "another form": (lambda good: good.replace(b",", b", "), "feature_spec"),
    "another way to write a number": (lambda good: good.replace(b"64.0", b"6.4e1"), "feature_spec"),
    "unknown field": (lambda good: b'{"comment":"",' + good[1:], "feature_spec"),
    "a list": (lambda _: b"[]", "feature_spec"),
    "impossible rate": (lambda good: good.replace(b"64.0", b"-1.0"), "feature_spec"),
    "rate beyond all numbers": (lambda good: good.replace(b"64.0", b"1e308"), "feature_spec"),
    "samples beyond all numbers": (
        lambda good: good.replace(b"64.0", b"1e308").replace(b'"record_s":1.0', b'"record_s":1e308'),
        "feature_spec",
    ),
    "rate of almost nothing": (lambda good: good.replace(b"64.0", b"1e-320"), "feature_spec"),
    "text for a number": (lambda good: good.replace(b"64.0", b'"64"'), "feature_spec"),
}


@pytest.mark.parametrize("name", SPECS)
def test_signed_specs_that_make_no_sense_are_refused(workshop: Workshop, name: str) -> None:
    """A feature spec has one form and must be possible, even where manifest and signature agree on it."""
    change, reason = SPECS[name]
    spec = change(workshop.members[FEATURE_SPEC])
    assert spec != workshop.members[FEATURE_SPEC]
    manifest = swap(MANIFEST, spec_digest=hashlib.sha256(spec).hexdigest())(workshop)
    with pytest.raises(BundleError) as refusal:
        workshop.open(workshop.seal({FEATURE_SPEC: spec, MANIFEST: manifest}))
    assert refusal.value.reason == reason


def test_no_golden_vectors_are_refused(workshop: Workshop) -> None:
    """A bundle that proves nothing on this machine is not opened, however neat its empty arrays are."""
    honest = golden(workshop)
    none = GoldenVectors(
        samples=honest.samples[:0],
        speeds=honest.speeds[:0],
        pulses=honest.pulses[:0],
        features=honest.features[:0],
        scores=honest.scores[:0],
    )
    with pytest.raises(BundleError) as refusal:
        workshop.open(workshop.seal(none.to_members()))
    assert refusal.value.reason == "golden_shape"


@pytest.mark.parametrize("name", sorted(SIGNED_MEMBERS))
def test_members_above_their_cap_are_refused(workshop: Workshop, name: str) -> None:
    """The cap is looked at before the content is."""
    with pytest.raises(BundleError) as refusal:
        workshop.open(workshop.seal({name: bytes(MEMBER_CAPS[name] + 1)}))
    assert refusal.value.reason in {"member_size", "bundle_size"}


def test_an_honest_bundle_gives_what_went_in(workshop: Workshop) -> None:
    """Every part of the bundle is what the members hold."""
    bundle = workshop.open(workshop.seal())
    assert bundle.spec.to_json() == workshop.members[FEATURE_SPEC]
    assert bundle.manifest.spec_digest == bundle.spec.digest
    assert bundle.scaler.to_json() == workshop.members[SCALER]
    assert bundle.thresholds.to_json() == workshop.members[THRESHOLDS]
    assert bundle.onnx_model == workshop.members[MODEL]
    assert bundle.metrics == workshop.members[METRICS]
    assert bundle.model_card.encode() == workshop.members[MODEL_CARD]
    assert bundle.golden.to_members().items() <= workshop.members.items()


def test_packing_twice_gives_the_same_file(workshop: Workshop) -> None:
    """The ground's packer: same members and key, same bytes, whatever the order; the digest is that of the file."""
    bundle = pack_bundle(workshop.members, workshop.key)
    assert pack_bundle(dict(reversed(list(workshop.members.items()))), workshop.key) == bundle
    assert workshop.open(bundle).digest == hashlib.sha256(bundle).hexdigest()


def test_packing_refuses_a_model_that_no_agent_runs(workshop: Workshop) -> None:
    """A mistake of the exporter is found on the ground, by the reason the agent would give."""
    with pytest.raises(SigningError, match="onnx_ir_version"):
        pack_bundle({**workshop.members, MODEL: b""}, workshop.key)


def test_golden_arrays_cannot_be_written_to(workshop: Workshop) -> None:
    """They are views of verified bytes; changing one would change what was verified."""
    with pytest.raises(ValueError, match="read-only"):
        workshop.open(workshop.seal()).golden.scores[0] = 1.0


@pytest.mark.parametrize("shape", [(3,), (0,), (2, 3), (2, 0), (2, 3, 4)])
def test_arrays_survive_a_round_trip(shape: tuple[int, ...]) -> None:
    """Our writer is ``np.save``'s format, and our reader reads both."""
    array = np.random.default_rng(SEED).standard_normal(shape).astype(np.float32)
    assert write_npy(array) == npy_saved(array)
    again = read_npy(write_npy(array), dtype=np.dtype("<f4"), ndim=len(shape), where="test")
    assert again.shape == shape
    assert again.tobytes() == array.tobytes()


def test_numpy_agrees_on_what_is_read(workshop: Workshop) -> None:
    """numpy, pickles forbidden, reads the same arrays from the same bytes."""
    data = workshop.members[GOLDEN_SAMPLES]
    expected = np.load(io.BytesIO(data), allow_pickle=False)
    assert np.array_equal(golden(workshop).samples, expected)


def policy_of(workshop: Workshop) -> CommissioningPolicy:
    """A policy that fits the honest members."""
    n_feature = len(parse_json(workshop.members[SCALER], where=SCALER)["names"])
    return CommissioningPolicy(
        flights=2,
        windows=16,
        spans=(5.0,),
        limits=(1.0,) * (n_feature - 1) + (0.0,),
        expected=ExpectedLevels(offset=(0.0,) * n_feature, columns=(), low=(), width=(), steps=()),
        pooled=1.0,
        phases=(),
        confidence=0.95,
        units=20,
        known=(),
    )


def test_the_optional_member_is_read_where_it_is_there(workshop: Workshop) -> None:
    """With it and without it a bundle is whole."""
    assert workshop.open(workshop.seal()).commissioning is None
    assert workshop.open(
        workshop.seal({COMMISSIONING_POLICY: policy_of(workshop).to_json()})
    ).commissioning == policy_of(workshop)


def test_the_optional_member_can_neither_be_added_nor_taken_out(workshop: Workshop) -> None:
    """Letting an agent learn, or forbidding it, takes the signer."""
    without = read_archive(workshop.seal())
    with_it = read_archive(workshop.seal({COMMISSIONING_POLICY: policy_of(workshop).to_json()}))
    added = {**without, COMMISSIONING_POLICY: policy_of(workshop).to_json()}
    taken = {name: content for name, content in with_it.items() if name != COMMISSIONING_POLICY}
    for members in (added, taken):
        with pytest.raises(SignatureRejected) as refusal:
            workshop.open(write_archive(members))
        assert refusal.value.reason == "signed_members"
        assert COMMISSIONING_POLICY in str(refusal.value)


def test_a_policy_for_other_features_is_refused(workshop: Workshop) -> None:
    """It would shift what it does not know."""
    other = dataclasses.replace(policy_of(workshop), spans=())
    for content in (other.to_json(), b"{}", b"[]"):
        with pytest.raises(BundleFormatError) as refusal:
            workshop.open(workshop.seal({COMMISSIONING_POLICY: content}))
        assert refusal.value.reason == "commissioning"
