"""An edge node of Sparkplug B: births, deaths, sequence numbers and the last values of its devices. No I/O."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import Final

from ground.bridge.payload import NO_SEQ, Datatype, Metric, Payload, encode_payload
from ground.bridge.topic import (
    DEVICE_BIRTH,
    DEVICE_DATA,
    DEVICE_DEATH,
    NO_DEVICE,
    NODE_BIRTH,
    NODE_COMMAND,
    NODE_DEATH,
    SparkplugTopic,
)

REBIRTH: Final = "Node Control/Rebirth"
_BD_SEQ: Final = "bdSeq"
_NUMBERS: Final = 256
_MS_PER_S: Final = 1_000


@dataclass(frozen=True, slots=True)
class Message:
    """What is to be published; not retained."""

    topic: str
    payload: bytes


class EdgeNode:
    """One node; every message it gives must be sent in this order, or none until the next ``birth``.

    Args:
        group: Its group.
        name: Its name.
        next_number: Gives the number of the next connection (``bdSeq``).
        now_s: The wall clock.
    """

    def __init__(
        self, group: str, name: str, next_number: Callable[[], int], now_s: Callable[[], float] = time.time
    ) -> None:
        self._group = group
        self._name = name
        self._now_s = now_s
        self._next_number = next_number
        self._bd_seq = 0
        self._seq = 0
        self._devices: dict[str, dict[str, Metric]] = {}
        self._born = False

    @property
    def command_topic(self) -> str:
        """Where hosts send commands."""
        return str(SparkplugTopic(self._group, NODE_COMMAND, self._name))

    @property
    def is_born(self) -> bool:
        """Whether hosts know of it on this connection."""
        return self._born

    def next_death(self) -> Message:
        """The will of the next connection; each has a number of its own."""
        self._bd_seq = self._next_number()
        self._born = False
        return self.death()

    def death(self) -> Message:
        """What ends this connection: left as its will, and sent before a goodbye."""
        return self._message(NODE_DEATH, NO_DEVICE, [self._bd_seq_metric()], seq=NO_SEQ)

    def birth(self) -> list[Message]:
        """The births of the node and of all its devices, with all they have; numbers begin anew."""
        self._seq, self._born = 0, True
        rebirth = Metric(name=REBIRTH, datatype=Datatype.BOOLEAN, value=False, timestamp_ms=self._now_ms())
        births = [self._message(NODE_BIRTH, NO_DEVICE, [self._bd_seq_metric(), rebirth], seq=self._next_seq())]
        return births + [self._device_birth(device) for device in self._devices]

    def tell(self, device: str, metrics: Iterable[Metric]) -> list[Message]:
        """What a device has to say: its birth, where it is new, else the values that are others than before.

        What is historical changes no value, and waits for none: of a device that is not born it is not told. What has
        no time is of now: no metric of a birth or of data may lack one (tck-id-payloads-name-birth-data-requirement).
        """
        now_ms = self._now_ms()
        told = tuple(each if each.timestamp_ms else replace(each, timestamp_ms=now_ms) for each in metrics)
        current = {metric.name: metric for metric in told if not metric.is_historical}
        known = self._devices.get(device)
        if known is None:
            if current:
                self._devices[device] = current
            return [self._device_birth(device)] if self._born and current else []
        fresh = [each for each in told if each.is_historical or _is_other(each, known.get(each.name))]
        known.update(current)
        if not self._born or not fresh:
            return []
        return [self._message(DEVICE_DATA, device, fresh, seq=self._next_seq())]

    def bury(self, device: str) -> list[Message]:
        """A device is gone; it is born again when it next has something to say."""
        if self._devices.pop(device, None) is None or not self._born:
            return []
        return [self._message(DEVICE_DEATH, device, [], seq=self._next_seq())]

    def knows(self, device: str) -> bool:
        """Whether a device lives."""
        return device in self._devices

    @property
    def n_devices(self) -> int:
        """Devices that live."""
        return len(self._devices)

    def _device_birth(self, device: str) -> Message:
        return self._message(DEVICE_BIRTH, device, self._devices[device].values(), seq=self._next_seq())

    def _bd_seq_metric(self) -> Metric:
        return Metric(name=_BD_SEQ, datatype=Datatype.INT64, value=self._bd_seq, timestamp_ms=self._now_ms())

    def _message(self, kind: str, device: str, metrics: Iterable[Metric], *, seq: int) -> Message:
        topic = SparkplugTopic(self._group, kind, self._name, device)
        payload = Payload(timestamp_ms=self._now_ms(), seq=seq, metrics=tuple(metrics))
        return Message(str(topic), encode_payload(payload))

    def _next_seq(self) -> int:
        seq, self._seq = self._seq, (self._seq + 1) % _NUMBERS
        return seq

    def _now_ms(self) -> int:
        return round(self._now_s() * _MS_PER_S)


def rebirth_command(group: str, node: str, timestamp_ms: int) -> Message:
    """What asks another node to be born again."""
    metric = Metric(name=REBIRTH, datatype=Datatype.BOOLEAN, value=True, timestamp_ms=timestamp_ms)
    payload = Payload(timestamp_ms=timestamp_ms, seq=NO_SEQ, metrics=(metric,))
    return Message(str(SparkplugTopic(group, NODE_COMMAND, node)), encode_payload(payload))


def _is_other(metric: Metric, known: Metric | None) -> bool:
    return known is None or replace(metric, timestamp_ms=0) != replace(known, timestamp_ms=0)
