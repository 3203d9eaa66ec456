"""Targets on the agent's own disk: the state of the slots, what is known of units, its settings; and offers."""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from hypothesis import strategies as st

from edge_agent import slots_state
from edge_agent.config import load_config
from edge_agent.errors import AgentError, ConfigError, SlotRefused, UnitStateError
from edge_agent.offer import Offer, Rollout
from edge_agent.slots_disk import STATE_FILES, encode_state, read_state
from edge_agent.slots_state import PROBATION, Rejected, Slot, SlotsState
from edge_agent.strict_json import canonical_json, parse_json
from edge_agent.unit_state import LearnedFlight, OpenFlight, UnitState, nothing_learned
from tests.security.fuzz.mutation import changed_json, damaged, either
from tests.security.fuzz.target import Target, reason_of

FOLDER: Final = Path(tempfile.mkdtemp(prefix="fuzz-"))
NOTHING: Final[Mapping[str, str]] = {}
SLOTS: Final = (Slot("ab" * 32, "small/2.0.0", 2), Slot("cd" * 32, "small/1.0.0", 1))
OLD: Final = SlotsState(generation=8, stage=slots_state.GOOD, active=SLOTS[1], mark=1)
NEW: Final = SlotsState(
    generation=9, stage=PROBATION, active=SLOTS[0], previous=SLOTS[1], boots_left=2, mark=1,
    rejected=(Rejected("ef" * 32, "golden_scores"),),
)  # fmt: skip
FILES: Final = (encode_state(OLD), encode_state(NEW))
_FLIGHT: Final = LearnedFlight(flight="F1", windows=9, level=(0.5, -0.5), low=(10.0,), high=(20.0,))
UNIT: Final = UnitState(
    engine="OO-ABC/1", bundle_digest="ab" * 32, stage="known", flights=(_FLIGHT,), refused=1, shift=(0.25, 0.0),
    clipped=("rms",), open=OpenFlight(flight="F2", assessed=3, is_alarmed=False, learned=nothing_learned("F2").learned),
).to_json()  # fmt: skip
CONFIG: Final = (
    b"[agent]\nid = 'a1'\nfleet = 'test'\nstate_dir = 'state'\n[bundle]\nslots = true\nkeys = ['public.pem']\n"
    b"[broker]\nhost = 'localhost'\nport = 1883\n[limits]\ninbox_frames = 100\n"
)
PACKAGED: Final = (Path(__file__).parents[3] / "packaging" / "agent.toml").read_bytes()
OFFER: Final = canonical_json(
    Offer(
        fleets=("north",), role="active", bundle_id="small/1.0.0", sequence=3, rollout=Rollout(percent=50.0)
    ).document()
)


def check_state_files(files: tuple[bytes, bytes]) -> None:
    """Damage never makes a state that was not written: one of the two, or none at all."""
    for name, content in zip(STATE_FILES, files, strict=True):
        (FOLDER / name).write_bytes(content)
    assert read_state(FOLDER) in (OLD, NEW)


def check_summed_state(body: bytes) -> None:
    """A state with a right checksum and anything in it is a state, or none; nothing that follows from it fails."""
    (FOLDER / STATE_FILES[0]).unlink(missing_ok=True)
    (FOLDER / STATE_FILES[1]).write_bytes(hashlib.sha256(body).hexdigest().encode() + b"\n" + body + b"\n")
    state = read_state(FOLDER)
    assert SlotsState.from_document(parse_json(canonical_json(state.document()), where="fuzz")) == state
    digest = state.active.digest
    for event in (slots_state.begin_boot, slots_state.roll_back):
        reason_of(lambda event=event: event(state))
    for event in (slots_state.loaded, slots_state.mark_good, slots_state.end_cleanly):
        reason_of(lambda event=event: event(state, digest))
    reason_of(lambda: slots_state.activate(state, SLOTS[0], boots=3))


def check_unit(data: bytes) -> None:
    """What is known of a unit survives being written again."""
    state = UnitState.from_json(data, where="fuzz")
    assert UnitState.from_json(state.to_json(), where="fuzz") == state


def check_config(data: bytes) -> None:
    """Settings are settings, or an error that names them."""
    (FOLDER / "agent.toml").write_bytes(data)
    load_config(FOLDER / "agent.toml", NOTHING)


def check_offer(data: bytes) -> None:
    """An offer survives being written again."""
    offer = Offer.from_document(parse_json(data, where="fuzz"))
    assert Offer.from_document(parse_json(canonical_json(offer.document()), where="fuzz")) == offer


_BODIES: Final = [content.splitlines()[1] for content in FILES]
_WHOLE: Final = st.sampled_from(FILES)
STATE_TARGETS: Final = {
    "state": Target(
        st.tuples(
            st.one_of(st.just(FILES[0]), damaged(FILES)),
            st.one_of(st.just(FILES[1]), damaged(FILES), st.just(FILES[0])),
        ),
        check_state_files,
        (SlotRefused,),
    ),
    "summed_state": Target(either(_BODIES), check_summed_state, (SlotRefused,)),
    "unit": Target(either([UNIT]), check_unit, (UnitStateError,)),
    "config": Target(damaged([CONFIG, PACKAGED]), check_config, (ConfigError,)),
    "offer": Target(changed_json([OFFER]), check_offer, (AgentError,)),
}
