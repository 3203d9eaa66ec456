"""The demo's dataset: a real agent on a real broker, and a console that finds the alert and its waveform."""

from __future__ import annotations

from edge_agent.decision import RAISED
from edge_agent.result import decode_result
from edge_agent.wire import encode_frame
from ground.console.data.alert_list import AlertFilter, alert_page
from ground.console.data.fleet_index import FleetIndex
from ground.console.data.waveforms import Waveforms
from ground.demo.agent import running_agent
from ground.demo.fleet_dataset import fetch_waveforms, keep_dataset
from ground.demo.listener import listening
from ground.publish import Broker

FLIGHTS = ("F1", "F2")


def test_the_demo_keeps_what_the_console_shows(tmp_path, broker, peer, small_bundle):
    """Two flights, the first with a fault: one alert, one waveform, two engines' worth of nothing else."""
    where = Broker("127.0.0.1", broker.port)
    with listening(where) as listener:
        agent = running_agent(
            tmp_path / "agent", bundle=small_bundle.path, key=small_bundle.key, fleet=small_bundle.fleet, broker=where,
            listener=listener,
        )  # fmt: skip
        with agent:
            sent = []
            for flight in FLIGHTS:
                faulty_from_s = 20.0 if flight == "F1" else float("inf")
                sent += small_bundle.frames(40.0, flight=flight, faulty_from_s=faulty_from_s)
            peer.flood("aircraft/OO-ABC/engine/1/vibration", [encode_frame(frame) for frame in sent])
            listener.wait_for_results(2 * 39)
            assert fetch_waveforms(listener, where) == 1
    keep_dataset(tmp_path / "fleet", listener)
    index = FleetIndex(tmp_path / "fleet", days=90)
    index.refresh()
    assert index.banners == ()
    with index.cursor() as cursor:
        (line,) = alert_page(cursor, AlertFilter()).alerts
        evidence_id, agent_name = cursor.execute("SELECT evidence_id, agent FROM alerts").fetchone()
        assert cursor.execute("SELECT count(*) FROM flights").fetchone() == (2,)
    assert line.has_waveform
    recording = Waveforms(index).find(evidence_id, agent_name)
    index.close()
    raised = [decode_result(payload).assessment for payload in listener.alerts]
    (alert,) = [each for each in raised if each.event == RAISED]
    (stretch,) = recording.stretches
    first = (alert.start_ns - sent[0].t_ns) * 1000 // 10**9
    begun = (stretch.start_ns - sent[0].t_ns) * 1000 // 10**9
    window = [sample for frame in sent[: len(sent) // 2] for sample in frame.samples[:, 0].tolist()][
        first : first + 2000
    ]
    assert stretch.samples[first - begun : first - begun + 2000, 0].tolist() == window
