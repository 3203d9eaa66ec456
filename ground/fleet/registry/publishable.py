"""What of a registry may be offered to agents."""

from __future__ import annotations

from edge_agent.offer import ROLES
from ground.errors import RegistryError
from ground.fleet.registry.registry import Registry


def publishable(registry: Registry, name: str, role: str) -> bytes:
    """The bundle of a version whose state is the role that it is offered in.

    Args:
        registry: Where it is registered.
        name: ``<detector>/<version>``.
        role: ``active`` or ``shadow``.

    Raises:
        RegistryError: It has another state, is not registered, or its bundle is missing or changed.
    """
    state = registry.version(name).state.value
    if state != role:
        others = f"--role {state}, or " if state in ROLES else ""
        raise RegistryError(
            f"{name}: expected a version that is {role} in the registry, got one in {state}; {others}"
            "`ground registry promote` it first"
        )
    return registry.bundle(name)
