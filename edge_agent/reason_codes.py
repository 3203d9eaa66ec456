"""What the reason codes of MQTT 5 (section 2.4) ask an operator to do."""

from __future__ import annotations

from typing import Final

PROTOCOL_ERROR: Final = 0x82
UNSUPPORTED_PROTOCOL: Final = 0x84
KEEP_ALIVE_TIMEOUT: Final = 0x8D
SESSION_TAKEN_OVER: Final = 0x8E
SESSION_TAKEN_OVER_LABEL: Final = "ended.session_taken_over"

_ANYTHING_ELSE = "see the broker's log"
_ADVICE = {
    0x85: "check broker.client_id",
    0x86: "check broker.username and broker.password_file",
    0x87: "check broker.username, broker.password_file, the certificate and the broker's rules",
    0x88: "wait, or see the broker's log",
    0x89: "wait, or relieve the broker",
    0x8A: "ask who runs the broker",
    0x8B: "wait until the broker is back",
    SESSION_TAKEN_OVER: "another client has come with our client id: give each agent an id of its own",
    0x93: "see the broker's log for its receive maximum",
    0x95: "raise the broker's limit on packets",
    0x96: "raise the broker's limit on rates",
    0x97: "raise the broker's quota",
    0x98: "ask who runs the broker",
    0x9A: "have the broker keep retained messages: status and will are retained",
    0x9C: "set broker.host to the other server",
    0x9D: "set broker.host to the new server",
    0x9F: "raise the broker's limit on connections",
}


def advice(code: int) -> str:
    """What to do about a reason code."""
    return _ADVICE.get(code, _ANYTHING_ELSE)


def label(name: str) -> str:
    """The name of a reason code as a counter's label: ``Not authorized`` is ``not_authorized``."""
    return name.lower().replace(" ", "_").replace("-", "_")
