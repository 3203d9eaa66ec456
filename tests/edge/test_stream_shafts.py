"""What a stream hands to the features of a frame's shafts: speeds in the spec's order, pulses of the spec's tachs."""

from __future__ import annotations

import numpy as np
import pytest

from edge_agent.frame import Frame
from edge_agent.stream import WindowStream
from shared_features.groups import ShaftSpec
from shared_features.spec import ChannelSpec, FeatureSpec, SpectrumGroup

PULSES = {"n1": np.array([3.25, 50.5]), "n2": np.array([7.0])}


def spec_of(conditions=(), shafts=()):
    """A spec of one channel with these conditions and shafts."""
    return FeatureSpec(
        sampling_rate_hz=1000.0, record_s=0.1, window_s=0.1, hop_s=0.1, channels=(ChannelSpec("a", "g"),),
        conditions=conditions, shafts=shafts, spectrum=SpectrumGroup(50, 25, ((20.0, 200.0),)),
    )  # fmt: skip


def frame(**changes):
    """A frame of a hundred samples."""
    fields = {
        "aircraft": "a1", "engine": "e1", "flight": "f1", "phase": "cruise", "t_ns": 0, "seq": 0, "rate_hz": 1000.0,
        "unit": "g", "channels": ("a",), "samples": np.zeros((100, 1), dtype=np.float32),
        "speed_hz": {"n1": 80.0, "n2": 230.0}, "tach": PULSES,
    }  # fmt: skip
    return Frame(**{**fields, **changes})


def handed_over(spec, item):
    """Speeds and pulses that the extractor gets of a frame."""
    stream = WindowStream(spec)
    calls = []
    stream._extractor.push = lambda samples, speeds, pulses: calls.append((samples, speeds, pulses)) or []
    stream.push(item)
    ((_, speeds, pulses),) = calls
    return speeds, pulses


SPEEDS = {
    "nothing asked": ((), (), []),
    "a condition": (("n2_hz",), (), [230.0]),
    "conditions in their order": (("n2_hz", "n1_hz"), (), [230.0, 80.0]),
    "a shaft": ((), (ShaftSpec("n2"),), [230.0]),
    "conditions before shafts": (("n2_hz",), (ShaftSpec("n1"),), [230.0, 80.0]),
    "a shaft that is a condition": (("n2_hz",), (ShaftSpec("n1"), ShaftSpec("n2")), [230.0, 80.0]),
    "a shaft by tachometer reports nothing": ((), (ShaftSpec("n1", "tach"),), []),
    "but may be a condition": (("n1_hz",), (ShaftSpec("n1", "tach"),), [80.0]),
}


@pytest.mark.parametrize(("conditions", "shafts", "expected"), SPEEDS.values(), ids=SPEEDS.keys())
def test_speeds_in_the_order_of_the_spec(conditions, shafts, expected):
    """Conditions first, then the other reported shafts, each once."""
    spec = spec_of(conditions, shafts)
    speeds, _ = handed_over(spec, frame())
    assert speeds.dtype == np.float64
    assert speeds.tolist() == expected
    assert len(speeds) == len(spec.speeds)


def test_a_speed_that_is_not_reported_is_unknown():
    """NaN, never zero: the window is then not assessed."""
    speeds, _ = handed_over(spec_of(("n1_hz",), (ShaftSpec("n2"),)), frame(speed_hz={"n1": 80.0}))
    assert speeds[0] == 80.0
    assert np.isnan(speeds[1])


TACHS = {
    "no shaft": ((), []),
    "one": ((ShaftSpec("n1", "tach"),), ["n1"]),
    "both": ((ShaftSpec("n2", "tach"), ShaftSpec("n1", "tach")), ["n1", "n2"]),
    "only the one by tachometer": ((ShaftSpec("n1"), ShaftSpec("n2", "tach")), ["n2"]),
}


@pytest.mark.parametrize(("shafts", "expected"), TACHS.values(), ids=TACHS.keys())
def test_pulses_of_the_shafts_that_have_a_tach(shafts, expected):
    """The frame's own positions, to the bit; pulses that no shaft of the spec asks for stay behind."""
    _, pulses = handed_over(spec_of((), shafts), frame())
    assert sorted(pulses) == expected
    assert all(pulses[shaft].tobytes() == PULSES[shaft].tobytes() for shaft in expected)


def test_a_frame_without_its_tach_brings_no_pulses():
    """A sender that lost its tachometer leaves it out; that is for the features to judge."""
    _, pulses = handed_over(spec_of((), (ShaftSpec("n1", "tach"),)), frame(tach={}))
    assert pulses == {}
