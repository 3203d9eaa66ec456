"""The bridge between agents and Sparkplug B: two connections, one thread that decides."""

from __future__ import annotations

import threading
import time
import traceback
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from queue import Empty, SimpleQueue
from typing import Final

from ground.bridge.client import Arrived, BridgeClient, BridgeError, Connected, Ended, Event
from ground.bridge.config import BridgeConfig
from ground.bridge.inward import Inward
from ground.bridge.node import REBIRTH, EdgeNode, Message
from ground.bridge.outward import Outward
from ground.bridge.payload import SparkplugError, decode_payload
from ground.bridge.session_number import SessionNumber
from ground.bridge.vital_signs import VitalSigns

AGENTS: Final = "agents"
PLANT: Final = "plant"
_POLL_S: Final = 0.2
_LOOK_EVERY_S: Final = 1.0
"""So often it is looked for devices that fell silent."""
_QOS_PLANT: Final = 0
"""Births and data of Sparkplug (3.0, section 6.4): a number that is missing tells of what was lost."""
_QOS_COMMAND: Final = 0
_QOS_FRAMES: Final = 1


@dataclass(slots=True)
class Tally:
    """What a bridge has done.

    Attributes:
        out: Messages sent to the plant.
        frames: Frames sent to agents.
        births: Times that the node was born.
        faults: Messages on which the bridge's own code failed.
    """

    out: int = 0
    frames: int = 0
    births: int = 0
    faults: int = 0


class Bridge:
    """Carries messages both ways until it is told to stop.

    Args:
        config: Its config.
        tell: Told of what a person would want to know, in a line.

    Attributes:
        tally: What it has done.
    """

    def __init__(self, config: BridgeConfig, tell: Callable[[str], object]) -> None:
        self._config = config
        self._tell = tell
        self._events: SimpleQueue[Event] = SimpleQueue()
        self._node = EdgeNode(config.group, config.node, SessionNumber(config.session_file, tell).next)
        self._outward = Outward(self._node, config.agent_topics, VitalSigns(config.silent_after_s))
        self._inward = Inward(config)
        self._told: set[str] = set()
        self._look_s = 0.0
        self.tally = Tally()
        own = f"enginear-bridge-{config.group}-{config.node}"
        out_filters = self._outward.filters if config.outward else ()
        self._agents = BridgeClient(
            AGENTS, config.agents, client_id=f"{own}-agents", filters=out_filters, events=self._events
        )
        commands = (self._node.command_topic,) if config.outward else ()
        self._plant = BridgeClient(
            PLANT,
            config.plant,
            client_id=f"{own}-plant",
            filters=(*commands, *self._inward.filters),
            events=self._events,
        )

    def run(self, stopping: threading.Event) -> None:
        """Carry messages until ``stopping`` is set; brokers that go away are waited for.

        Raises:
            BridgeError: A broker is not there at the beginning, or refuses the bridge.
        """
        self._plant.open(self._node.next_death if self._config.outward else None)
        try:
            self._agents.open()
            while not stopping.is_set():
                self._turn()
        finally:
            last = [self._node.death()] if self._node.is_born else []
            try:
                self._plant.close(last, qos=_QOS_PLANT)
            finally:
                self._agents.close()

    def left_out(self) -> dict[str, int]:
        """Messages that were not carried, by reason."""
        counts = self._outward.left_out + self._inward.left_out
        counts["overflowed"] = self._agents.overflowed + self._plant.overflowed
        counts["lost_on_the_way"] = self._inward.lost
        counts["internal_errors"] = self.tally.faults
        return {reason: n for reason, n in counts.items() if n}

    def _turn(self) -> None:
        """Handle the next event and bury who fell silent; a fault of our own costs a message, never the bridge."""
        try:
            with suppress(Empty):
                self._handle(self._events.get(timeout=_POLL_S))
            if time.monotonic() >= self._look_s:
                self._look_s = time.monotonic() + _LOOK_EVERY_S
                self._send_out(self._outward.bury_silent())
        except BridgeError:
            raise
        except Exception as error:  # noqa: BLE001 - the loop's one catch-all: one message must not end all
            self.tally.faults += 1
            kind = type(error).__name__
            if kind not in self._told:
                self._told.add(kind)
                self._tell(f"internal error, the bridge goes on; please report it:\n{traceback.format_exc()}".rstrip())

    def _handle(self, event: Event) -> None:
        if isinstance(event, Arrived):
            self._carry(event)
        elif isinstance(event, Connected):
            self._tell(f"{event.side}: connected")
            if event.side == PLANT:
                self._begin_anew()
        else:
            self._note_end(event)

    def _note_end(self, event: Ended) -> None:
        if event.is_refused:
            raise BridgeError(f"{event.side}: {event.text}; check username, password_file and the broker's rules")
        self._tell(f"{event.side}: connection lost: {event.text}")
        if event.side == AGENTS:
            self._send_out(self._outward.bury_all())

    def _begin_anew(self) -> None:
        if self._config.outward:
            self._be_born()
        self._plant.send(self._inward.lose_sight().commands, qos=_QOS_COMMAND)

    def _be_born(self) -> None:
        self._send_out(self._node.birth())
        self.tally.births += 1

    def _carry(self, message: Arrived) -> None:
        if message.side == AGENTS:
            self._send_out(self._outward.take(message.topic, message.payload))
        elif message.topic == self._node.command_topic:
            if _asks_for_birth(message.payload):
                self._be_born()
        else:
            inbound = self._inward.take(message.topic, message.payload)
            self._agents.send(inbound.frames, qos=_QOS_FRAMES)
            self._plant.send(inbound.commands, qos=_QOS_COMMAND)
            self.tally.frames += len(inbound.frames)

    def _send_out(self, messages: Sequence[Message]) -> None:
        self._plant.send(messages, qos=_QOS_PLANT)
        self.tally.out += len(messages)


def _asks_for_birth(payload: bytes) -> bool:
    try:
        return any(metric.name == REBIRTH and metric.value is True for metric in decode_payload(payload).metrics)
    except SparkplugError:
        return False
