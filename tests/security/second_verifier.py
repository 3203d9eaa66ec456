"""A second verifier of bundles, written from docs/reference/bundle.md alone; what models mean is beyond it."""

import base64
import hashlib
import json
import math
import re
import struct
from datetime import date

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, utils

CAPS = "MODEL_CARD.md 1024 bundle.sig 64 commissioning.json 8192 feature_spec.json 256 golden/features.npy 4096"
CAPS += " golden/pulses.npy 8192 golden/samples.npy 65536 golden/scores.npy 64 golden/speeds.npy 1024 manifest.json 16"
CAPS += " metrics.json 4096 model.onnx 32768 scaler.json 1024 signature.json 64 thresholds.json 1024"
KIB = dict(zip(CAPS.split()[::2], map(int, CAPS.split()[1::2]), strict=True))
ARRAYS = {"samples": "f3", "speeds": "d2", "pulses": "d3", "features": "f2", "scores": "f1"}
ORDER, LARGEST = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551, 2**53 - 1
WHOLE = {"_type": "https://in-toto.io/Statement/v1", "predicateType": "https://model_signing/signature/v1.0"}
SERIALIZATION = {"allow_symlinks": False, "hash_type": "sha256", "method": "files"}
INT, WORD, TYPE = "(?:0|[1-9][0-9]{0,8})", "[0-9A-Za-z-]{1,32}", "application/vnd.in-toto+json"
VERSION = rf"({INT}\.{INT}\.{INT})(?:-({WORD}(?:\.{WORD})*))?"
FORMS = {"detector": "[a-z][a-z0-9_]{0,63}", "fleet": "[a-z0-9][a-z0-9_-]{0,63}", "spec_digest": "[0-9a-f]{64}"}
FORMS |= {"release_class": "release|development", "expires": "([0-9]{4}-[0-9]{2}-[0-9]{2})?", "version": VERSION}
FORMS |= {"min_agent_version": VERSION, "bundle_id": ".*", "ecr": ".{0,256}", "part_number": ".{0,256}"}
HEADER = rf"\{{'descr': '<f([48])', 'fortran_order': False, 'shape': \(({INT},|{INT}(?:, {INT}){{1,3}})\), \}} *\n"


class Refused(ValueError):
    """The bundle is not one to run."""


def verify(data, keys, *, fleet, agent, today, lowest=0):
    """The manifest of a bundle that this agent (its version) may run, as far as we can tell; Refused in any doubt."""
    try:
        members = _read_tar(data)
        payload = _signed_payload(members["bundle.sig"], keys)
        digests = _read_statement(payload, sorted(members.keys() - {"bundle.sig"}))
        for name, digest in digests.items():
            _need(_sha256(members[name]) == digest, f"digest of {name}")
            _ = _read_json(members[name]) if name.endswith(".json") else None
        manifest = _read_manifest(members["manifest.json"])
        _need((manifest["fleet"], manifest["release_class"]) == (fleet, "release"), "fleet or class")
        _need(_precedence(agent) >= _precedence(manifest["min_agent_version"]), "agent too old")
        _need(date.fromisoformat(manifest["expires"] or "9999-12-31") >= today, "expired")
        _need((manifest.get("epoch", 0), manifest["sequence"]) >= (0, lowest), "sequence")
        _need(manifest["spec_digest"] == digests["feature_spec.json"], "another feature spec")
        members["MODEL_CARD.md"].decode("utf-8")
        lengths = {_read_array(members[f"golden/{name}.npy"], kind) for name, kind in ARRAYS.items()}
        _need(len(lengths) == 1 and lengths != {0}, "windows")
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError, InvalidSignature) as error:
        raise Refused(str(error)) from error
    return manifest


def _need(condition, what):
    if not condition:
        raise Refused(what)


def _sha256(data):
    return hashlib.sha256(data).hexdigest()


def _read_tar(data):
    _need(len(data) <= 98304 * 1024, "size of the file")
    members = {}
    while any(header := data[:512]):
        name, size = header[:100].rstrip(b"\0").decode("ascii"), int(header[124:135], 8)
        _need(0 <= size <= KIB[name] * 1024 and name > max(members, default=""), "size or order")
        front = name.encode().ljust(100, b"\0") + b"0000644\0" + b"0000000\0" * 2 + b"%011o\0%011o\0" % (size, 0)
        back = b"0" + bytes(100) + b"ustar\x0000" + bytes(64) + b"0000000\0" * 2 + bytes(167)
        _need(header == front + b"%06o\0 " % (sum(front) + 8 * 32 + sum(back)) + back, "header")
        end = 512 + -(-size // 512) * 512
        _need(len(data) >= end and not any(data[512 + size : end]), "content")
        members[name], data = data[512 : 512 + size], data[end:]
    _need(data == bytes(1024) and KIB.keys() - {"commissioning.json"} <= members.keys(), "end or members")
    return members


def _read_json(data):
    document = json.loads(
        data.decode("utf-8"),
        object_pairs_hook=lambda pairs: _need(len(dict(pairs)) == len(pairs), "a key twice") or dict(pairs),
        parse_int=lambda text: _need(len(text) <= 17 and abs(int(text)) <= LARGEST, "integer") or int(text),
        parse_float=lambda text: _need(math.isfinite(float(text)), "number") or float(text),
        parse_constant=lambda text: _need(not text, "number"),
    )
    _canonical(document)  # no lone surrogates
    return document


def _canonical(document):
    return json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode("utf-8")


def _signed_payload(data, keys):
    document = _read_json(data)
    hint, envelope = document["verificationMaterial"]["publicKey"]["hint"], document["dsseEnvelope"]
    body = base64.b64decode(envelope["payload"], validate=True)
    signature = base64.b64decode(envelope["signatures"][0]["sig"], validate=True)
    signatures = [{"keyid": "", "sig": base64.b64encode(signature).decode()}]
    envelope = {"payload": base64.b64encode(body).decode(), "payloadType": TYPE, "signatures": signatures}
    whole = {"dsseEnvelope": envelope, "verificationMaterial": {"publicKey": {"hint": hint}, "tlogEntries": []}}
    _need(data == _canonical(whole | {"mediaType": "application/vnd.dev.sigstore.bundle.v0.3+json"}), "form")
    key = {_sha256(pem): serialization.load_pem_public_key(pem) for pem in keys}[hint]
    _need(key.curve.name == "secp256r1" and utils.decode_dss_signature(signature)[1] <= ORDER // 2, "curve or s")
    key.verify(signature, b"DSSEv1 28 %s %d %s" % (TYPE.encode(), len(body), body), ec.ECDSA(hashes.SHA256()))
    return body


def _read_statement(payload, names):
    document = _read_json(payload)
    subject, digests = document["subject"][0]["name"], [each["digest"] for each in document["predicate"]["resources"]]
    _need(isinstance(subject, str) and all(re.fullmatch("[0-9a-f]{64}", each) for each in digests), "digests")
    resources = [{"algorithm": "sha256", "digest": d, "name": n} for n, d in zip(names, digests, strict=True)]
    whole = {**WHOLE, "predicate": {"resources": resources, "serialization": SERIALIZATION}}
    whole["subject"] = [{"digest": {"sha256": _sha256(b"".join(map(bytes.fromhex, digests)))}, "name": subject}]
    _need(payload == _canonical(whole), "form of the statement")
    return dict(zip(names, digests, strict=True))


def _read_manifest(data):
    fields = _read_json(data)
    numbers = ["schema", "sequence", "epoch"][: 3 if fields["schema"] == 2 else 2]
    _need(isinstance(fields, dict) and fields.keys() == FORMS.keys() | set(numbers), "fields")
    _need(all(type(fields[name]) is int and fields[name] >= 0 for name in numbers), "integers")
    _need(fields["schema"] in (1, 2) and all(re.fullmatch(FORMS[name], fields[name]) for name in FORMS), "values")
    _need(fields["bundle_id"] == "{detector}/{version}".format(**fields), "bundle_id")
    _need((fields["ecr"] + fields["part_number"]).isprintable(), "texts for people")
    return fields


def _precedence(version):
    numbers, tail = re.fullmatch(VERSION, version).groups()
    words = [(0, int(word), "") if word.isdigit() else (1, 0, word) for word in (tail or "").split(".") if word]
    return [int(number) for number in numbers.split(".")], not words, words


def _read_array(data, kind):
    start = 10 + int.from_bytes(data[8:10], "little")
    width, shape = re.fullmatch(HEADER, data[10:start].decode("ascii")).groups()
    shape = [int(part) for part in shape.split(",") if part]
    _need(data[:8] == b"\x93NUMPY\x01\0" and start % 64 == 0, "header")
    _need(f"{'fd'[width == '8']}{len(shape)}" == kind and math.prod(shape) * int(width) == len(data) - start, "size")
    _need(all(map(math.isfinite, struct.unpack(f"<{math.prod(shape)}{kind[0]}", data[start:]))), "not finite")
    return shape[0]
