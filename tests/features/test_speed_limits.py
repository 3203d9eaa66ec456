"""The speeds at which orders can be measured, from the resolution of record and segments."""

from __future__ import annotations

import numpy as np
import pytest

from shared_features.errors import SpecError
from shared_features.rotation import RotationLog
from shared_features.spec import (
    Carrier,
    ChannelSpec,
    FeatureSpec,
    OrderBand,
    OrdersGroup,
    ShaftOrders,
    ShaftSpec,
    SpectrumGroup,
)
from shared_features.speed_limits import speed_limits_hz

GROUP = OrdersGroup(True, (ShaftOrders("n1"),), (), 300.0)


def make_spec(orders):
    """Two shafts, records of 1 s at 1 kHz, lines 5 Hz apart."""
    return FeatureSpec(
        sampling_rate_hz=1000.0,
        record_s=1.0,
        window_s=1.0,
        hop_s=1.0,
        channels=(ChannelSpec("acc", "g"),),
        spectrum=SpectrumGroup(200, 100, ()),
        shafts=(ShaftSpec("n1"), ShaftSpec("n2")),
        orders=orders,
    )


@pytest.mark.parametrize(
    ("orders", "limits_hz"),
    [
        (GROUP, (20.0, 100.0)),
        (OrdersGroup(True, (ShaftOrders("n1", (2.0, 2.1)),), (), 300.0), (40.0, 300.0 / 2.1)),
        (OrdersGroup(True, (ShaftOrders("n1", (), (Carrier(9.0, 1),)),), ()), (4.0, 496.0 / (10.0 * 1.01))),
        (OrdersGroup(True, (), (OrderBand("n1", 2.0, 2.5),)), (10.0, 200.0)),
        (OrdersGroup(True, (ShaftOrders("n2"),), (), 300.0), (0.0, np.inf)),
        (OrdersGroup(), (0.0, np.inf)),
    ],
    ids=["half-order", "close orders", "carrier", "band", "another shaft", "no orders"],
)
def test_limits_of_the_speed(orders, limits_hz):
    """With 1 s and lines of 5 Hz: the lowest order at 10 Hz, 4 Hz between two, a line in a band; max_hz and Nyquist."""
    assert speed_limits_hz(make_spec(orders), "n1") == pytest.approx(limits_hz, rel=1e-12)


@pytest.mark.parametrize(("speed_hz", "inside"), [(19.9, False), (20.0, True), (100.0, True), (100.1, False)])
def test_speeds_outside_the_limits_have_a_reason(speed_hz, inside):
    """Orders that cannot be told apart, or pass max_hz, are not assessed."""
    log = RotationLog(make_spec(GROUP))
    log.note(0, np.array([speed_hz, speed_hz]), {})
    assert log.rotations(0)[0].reason == ("" if inside else "speed_out_of_range")


@pytest.mark.parametrize(
    "orders",
    [
        OrdersGroup(True, (ShaftOrders("n1", (0.1, 8.0)),), (), 300.0),
        OrdersGroup(True, (ShaftOrders("n1", (1.0, 1.01)),), (), 300.0),
        OrdersGroup(True, (ShaftOrders("n1", (1.0,), (Carrier(600.0, 1),)),), (), 300.0),
    ],
)
def test_orders_that_no_speed_allows_are_refused(orders):
    """Refused when the spec is built, not at run time."""
    with pytest.raises(
        SpecError, match=r"shafts\.n1: expected orders and bearing faults that can be measured at some speed"
    ):
        make_spec(orders)
