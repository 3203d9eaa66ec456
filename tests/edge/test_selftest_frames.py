"""The frames of the selftest fit any spec: whatever it follows, its windows can be assessed."""

from __future__ import annotations

from itertools import islice

import numpy as np
import pytest

from edge_agent.command_selftest import _payloads
from edge_agent.domain import INSIDE, OperatingDomain
from edge_agent.stream import WindowStream
from edge_agent.wire import decode_frame
from shared_features.groups import OrderBand, OrdersGroup, ShaftOrders, ShaftSpec
from shared_features.spec import ChannelSpec, FeatureSpec, SpectrumGroup

SLOW = OrdersGroup(enabled=True, shafts=(ShaftOrders("n2", (0.5, 1.0)),), max_hz=100.0)
FAST = OrdersGroup(enabled=True, shafts=(ShaftOrders("n1", (0.25, 0.5)),), max_hz=400.0)
BAND = OrdersGroup(enabled=True, bands=(OrderBand("n2", 0.5, 6.5),))
SPECS = {
    "no shafts": ((), OrdersGroup(), 1.0),
    "reported, too fast at the usual speed": ((ShaftSpec("n2"),), SLOW, 1.0),
    "tach, too fast at the usual speed": ((ShaftSpec("n2", "tach"),), SLOW, 1.0),
    "reported, too slow at the usual speed": ((ShaftSpec("n1"),), FAST, 0.1),
    "tach, too slow at the usual speed": ((ShaftSpec("n1", "tach", 6.0),), FAST, 0.1),
    "tach behind a gear": ((ShaftSpec("n1"), ShaftSpec("n2", "tach", 0.37)), BAND, 1.0),
    "both": ((ShaftSpec("n1", "tach"), ShaftSpec("n2", "tach", 3.0)), BAND, 1.0),
}


@pytest.mark.parametrize(("shafts", "orders", "record_s"), SPECS.values(), ids=SPECS.keys())
def test_every_window_can_be_assessed(shafts, orders, record_s):
    """Speeds lie where the orders can be measured, and no pulse is lost or doubled between frames."""
    segment_n = round(1000 * record_s)
    spec = FeatureSpec(
        sampling_rate_hz=2000.0, record_s=record_s, window_s=2 * record_s, hop_s=record_s, conditions=("n1_hz",),
        channels=(ChannelSpec("a", "g"),), shafts=shafts, orders=orders,
        spectrum=SpectrumGroup(segment_n, segment_n // 2, ()),
    )  # fmt: skip
    stream = WindowStream(spec)
    frames = [decode_frame(payload) for payload in islice(_payloads(spec, OperatingDomain()), 200)]
    windows = [window for frame in frames for window in stream.push(frame)]
    assert len(windows) == 19
    assert {window.reason for window in windows} == {""}
    for shaft in (shaft for shaft in shafts if shaft.source == "tach"):
        starts = np.cumsum([0, *(len(frame.samples) for frame in frames[:-1])])
        pulses = np.concatenate([frame.tach[shaft.name] + n for frame, n in zip(frames, starts, strict=True)])
        expected = 2000.0 / (frames[0].speed_hz[shaft.name] * shaft.pulses_per_rev)
        np.testing.assert_allclose(np.diff(pulses), expected, rtol=0, atol=1e-9)


DOMAINS = {
    "slower than usual": OperatingDomain(conditions={"n1_hz": (19.0, 31.0)}),
    "faster than usual": OperatingDomain(conditions={"n1_hz": (70.0, 80.0)}),
    "other phases": OperatingDomain(phases=("climb", "cruise")),
}


@pytest.mark.parametrize("domain", DOMAINS.values(), ids=DOMAINS.keys())
def test_every_window_lies_in_the_domain(domain):
    """A bundle that knows other speeds and phases is tried where it knows something."""
    spec = FeatureSpec(
        sampling_rate_hz=2000.0, record_s=1.0, window_s=1.0, hop_s=1.0, conditions=("n1_hz",),
        channels=(ChannelSpec("a", "g"),), spectrum=SpectrumGroup(1000, 500, ()),
    )  # fmt: skip
    stream = WindowStream(spec)
    frames = [decode_frame(payload) for payload in islice(_payloads(spec, domain), 50)]
    windows = [window for frame in frames for window in stream.push(frame)]
    assert len(windows) == 5
    assert {domain.reason_of(window.phase, window.values) for window in windows} == {INSIDE}
