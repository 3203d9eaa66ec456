"""Checks of the bundle: its keys, its signature, its golden vectors and its speed on this machine."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import date
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from edge_agent.bundle import Bundle
from edge_agent.command_selftest import score_noise
from edge_agent.detector import Detector
from edge_agent.doctor_slots import advice_on
from edge_agent.errors import AgentError, BundleError, ConfigError, SignatureRejected, UpdateError
from edge_agent.finding import Finding, fail, fine, warn
from edge_agent.load import prove_model
from edge_agent.manifest import DEVELOPMENT
from edge_agent.policy import CLOCK_UNKNOWN
from edge_agent.signers import accepted_keys
from edge_agent.startup import keys_of_config, load_second, open_configured, today
from edge_agent.trust import TrustedKeys

if TYPE_CHECKING:
    from edge_agent.config import AgentConfig

WINDOWS: Final = 20
"""So many windows of noise are scored to see how fast the machine is."""
AMPLE: Final = 2.0
"""The deadline should be so many times what a window takes: other work wants the processor, too."""
_SOON_DAYS = 30

_CAL_SEGMENT_N = 4_096
_CAL_SECOND_N = 25_600
_CAL_REPEATS = 5
_MS_PER_S = 1e3


def check_bundle(config: AgentConfig) -> Iterator[Finding]:
    """Keys, bundle, golden vectors and speed; each only where the one before holds."""
    try:
        keys = keys_of_config(config)
        accepted = accepted_keys(config)
    except ConfigError as error:
        yield fail("keys", str(error), "give the signer's public key to bundle.keys")
        return
    except UpdateError as error:
        # Nobody knows what was revoked: what is in the slots runs on, and nothing is taken.
        yield fail("keys", f"{error.reason}: {error}", "remove the files that it names, then update")
        accepted = keys
    else:
        yield _trusted(accepted)
    try:
        bundle = open_configured(config, keys)
        yield _verified(bundle, _why_not_taken(config, accepted))
        model = prove_model(bundle)
    except BundleError as error:
        advice = advice_on(error.reason, "install a bundle that `edge-agent verify` accepts")
        yield fail("bundle", f"{error.reason}: {error}", advice)
        return
    yield fine("golden vectors", f"{len(bundle.golden.scores)} windows reproduced on this machine")
    tally = score_noise(Detector(model), model, WINDOWS)
    yield _speed(config.agent.deadline_ms, float(np.percentile(tally.latencies_ms, 99)), cal_s() * _MS_PER_S)


def check_shadow(config: AgentConfig) -> Iterator[Finding]:
    """The bundle of ``[shadow]``, where there is one."""
    if not config.shadow.wanted:
        return
    try:
        model = load_second(config)
    except AgentError as error:
        advice = "install one that `edge-agent verify` accepts, or take [shadow] out, then restart; the agent runs on"
        yield warn("shadow", f"{config.shadow.path}: {error}", advice)
    else:
        yield fine("shadow", f"{model.bundle_id}, digest {model.bundle_digest[:16]}")


def cal_s() -> float:
    """Thread CPU time of one calibration loop, the unit in which docs/reference/benchmarks.md tells costs, s.

    Welch's method over one second at 25.6 kHz: 11 segments of 4096 samples, Hann, 50 % overlap; the fastest of five.
    """
    samples = np.random.default_rng(1).standard_normal(_CAL_SECOND_N)
    taper = np.hanning(_CAL_SEGMENT_N + 1)[:-1]
    segments = sliding_window_view(samples, _CAL_SEGMENT_N)[:: _CAL_SEGMENT_N // 2]
    times_s = []
    for _ in range(_CAL_REPEATS):
        started_s = time.thread_time()
        lines = np.fft.rfft(segments * taper, axis=1)
        np.add.reduce(lines.real * lines.real + lines.imag * lines.imag, axis=0)
        times_s.append(time.thread_time() - started_s)
    return min(times_s)


def _trusted(keys: TrustedKeys) -> Finding:
    trusted = [hint[:16] for hint in keys.by_hint if hint not in keys.revoked]
    revoked = [hint[:16] for hint in keys.by_hint if hint in keys.revoked]
    text = f"{len(trusted)} trusted: {', '.join(trusted) or 'none'}"
    if not trusted:
        return fail(
            "keys", f"{text}; all that are pinned are revoked", "give another signer's public key to bundle.keys"
        )
    if revoked:
        # Not before: what lies in the slots by such a key would not be started any more.
        advice = "take them out of bundle.keys once a bundle of another key is good"
        return warn("keys", f"{text}; pinned, but revoked: {', '.join(revoked)}", advice)
    return fine("keys", text)


def _why_not_taken(config: AgentConfig, accepted: TrustedKeys) -> str:
    """Why what runs would not be taken any more, where its key is the reason; empty otherwise."""
    try:
        open_configured(config, accepted)
    except SignatureRejected as error:
        return error.reason
    return ""


def _verified(bundle: Bundle, not_taken: str) -> Finding:
    manifest = bundle.manifest
    text = f"{manifest.bundle_id}, {manifest.release_class}, digest {bundle.digest[:16]}"
    if manifest.release_class == DEVELOPMENT:
        return warn("bundle", f"{text}: not all of its gates are decided", "fly a release bundle")
    if not_taken:
        advice = "release a bundle of another key: this one runs on, and is not taken a second time"
        return warn("bundle", f"{text}, by a key that signs nothing new any more ({not_taken})", advice)
    left_days = _days_left(manifest.last_day)
    if left_days < 0:
        return warn("bundle", f"{text}, expired on {manifest.expires}", "install a newer one; this one runs on")
    if left_days < _SOON_DAYS:
        return warn("bundle", f"{text}, expires in {left_days} days", "have the next one installed before that")
    return fine("bundle", text)


def _days_left(last_day: date) -> int:
    now = today()
    return _SOON_DAYS if now == CLOCK_UNKNOWN else (last_day - now).days


def _speed(deadline_ms: float, p99_ms: float, cal_ms: float) -> Finding:
    text = (
        f"a window takes {p99_ms:.2f} ms (p99 of {WINDOWS}), the deadline of {deadline_ms:g} ms is "
        f"{deadline_ms / p99_ms:.1f} times as long; cal {cal_ms:.2f} ms, a deadline is {deadline_ms / cal_ms:.0f} cal"
    )
    if p99_ms > deadline_ms:
        return fail("speed", text, "take a faster machine, fewer channels or features, or a longer deadline_ms")
    if p99_ms * AMPLE > deadline_ms:
        return warn("speed", text, "look for other load on this machine; `edge-agent selftest` measures longer")
    return fine("speed", text)
