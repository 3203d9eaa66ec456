"""Patience with a store: what fails now may be there in some seconds."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final, TypeVar

from ground.errors import StoreError

Result = TypeVar("Result")

PAUSES_S: Final = (1.0, 5.0)


def patiently(read: Callable[[], Result]) -> Result:
    """What ``read`` gives; after each ``StoreError`` but the last it is asked again.

    Raises:
        StoreError: The store fails still.
    """
    for pause_s in PAUSES_S:
        try:
            return read()
        except StoreError:
            time.sleep(pause_s)
    return read()
