"""paho's client, but no property of a message ends its connection."""

from __future__ import annotations

import struct
from typing import Final

import paho.mqtt.client as mqtt
from paho.mqtt import MQTTException
from paho.mqtt.enums import MQTTErrorCode
from paho.mqtt.properties import VariableByteIntegers

_QOS_BITS: Final = 0x06
_NO_CONTENT_TYPE: Final = bytes((3, 3, 0, 0))
"""Properties of three bytes: a content type (3), which is empty."""


class LenientClient(mqtt.Client):
    """A client to which messages come whose properties it cannot read: their content type is empty then.

    paho closes the connection on U+FEFF, say, which MQTT 5.0 (section 1.5.4) lets anybody send and brokers pass on. Not
    acknowledged, the message would come first after every reconnect, and nothing behind it ever.
    """

    def _handle_publish(self) -> MQTTErrorCode:
        try:
            return super()._handle_publish()
        # Beside paho's own: text that is no UTF-8, a property that it does not know, one that is cut.
        except (MQTTException, ValueError, LookupError, struct.error):
            packet = self._in_packet["packet"]
            self._in_packet["packet"] = _without_properties(
                packet, numbered=bool(self._in_packet["command"] & _QOS_BITS)
            )
            return super()._handle_publish()


def _without_properties(packet: bytearray, *, numbered: bool) -> bytearray:
    """A PUBLISH after its fixed header (MQTT 5.0, section 3.3.2), of whose properties an empty content type is left."""
    begin = 2 + int.from_bytes(packet[:2]) + (2 if numbered else 0)
    n, n_length = VariableByteIntegers.decode(packet[begin:])  # type: ignore[no-untyped-call]
    return packet[:begin] + _NO_CONTENT_TYPE + packet[begin + n_length + n :]
