"""A host and a gateway made with pysparkplug, which needs paho-mqtt 1 and so an environment of its own.

It prints a line of JSON for each message of the node ``enginear``, and sends samples as the device ``pump`` of the node
``gateway`` once that node is born.
"""

from __future__ import annotations

import json
import sys
import threading
from typing import Any

import pysparkplug as spb  # type: ignore[import-not-found]

GROUP = "plant"


def say(line: str) -> None:
    """A line for the test."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def tell(_client: Any, message: Any) -> None:
    """Print a message of the bridge's node; answer its birth with samples."""
    topic, payload = message.topic, message.payload
    if topic.edge_node_id != "enginear":
        return
    metrics = payload.metrics if hasattr(payload, "metrics") else ()
    said = {
        "kind": str(topic.message_type.value),
        "device": topic.device_id or "",
        "metrics": {metric.name: metric.value for metric in metrics},
    }
    say(json.dumps(said))
    if topic.message_type == spb.MessageType.DDATA:
        threading.Thread(target=send_samples).start()


def send_samples() -> None:
    """Samples of the gateway's device, once."""
    now = spb.get_current_timestamp()
    device = spb.Device(device_id="pump", metrics=(array(now, ()),))
    node = spb.EdgeNode(group_id=GROUP, edge_node_id="gateway", metrics=())
    node.register(device)
    node.connect("127.0.0.1", port=int(sys.argv[1]))
    threading.Event().wait(1.0)
    node.update_device("pump", (array(now, (1.0, 2.0, 3.0)),))


def array(timestamp: int, values: tuple[float, ...]) -> Any:
    """A metric of samples."""
    return spb.Metric(timestamp=timestamp, name="vibration/x", datatype=spb.DataType.FLOAT_ARRAY, value=values)


def main() -> None:
    """Listen until the process is killed."""
    client = spb.Client()
    client.subscribe(spb.Topic(group_id=GROUP, message_type="#"), spb.QoS.AT_LEAST_ONCE, tell)
    client.connect("127.0.0.1", port=int(sys.argv[1]), callback=lambda _client: say("listening"))
    threading.Event().wait()


if __name__ == "__main__":
    main()
