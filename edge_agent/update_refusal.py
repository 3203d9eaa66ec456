"""Why python-tuf refuses, in our words: each kind of its errors has one reason."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from tuf.api import exceptions

from edge_agent.errors import RepositoryUnreachable, UpdateError
from edge_agent.update_fetch import CutShort


@contextmanager
def told(wrong_version: str) -> Iterator[None]:
    """Tells in our words why python-tuf refuses.

    Args:
        wrong_version: The reason where a version is not the one that was to come.

    Raises:
        UpdateError: Refused.
        RepositoryUnreachable: No answer, not in time, or not whole.
    """
    try:
        yield
    except exceptions.SlowRetrievalError as error:
        raise RepositoryUnreachable(
            "deadline", f"repository: expected all of it in time, got {error}; look at the link, or raise deadline_s"
        ) from error
    except (exceptions.RepositoryError, exceptions.DownloadError) as error:
        raise _refusal(error, wrong_version) from error
    except OSError as error:
        raise UpdateError(
            "disk_error", f"update: expected a disk that takes it, got {error}; make room or mend it, then try again"
        ) from error


def _refusal(error: Exception, wrong_version: str) -> UpdateError:
    reasons = (
        (exceptions.ExpiredMetadataError, "expired"),
        (exceptions.BadVersionNumberError, wrong_version),
        (exceptions.LengthOrHashMismatchError, "hash_mismatch"),
        (exceptions.UnsignedMetadataError, "under_threshold"),
        (exceptions.RepositoryError, "malformed"),
        (exceptions.DownloadLengthMismatchError, "too_long"),
    )
    for kind, reason in reasons:
        if isinstance(error, kind):
            return UpdateError(reason, f"repository: expected metadata that holds, got: {error}; nothing was taken")
    if isinstance(error, exceptions.DownloadHTTPError):
        text = f"repository: expected a file, got {error}; is it whole, and is this its place?"
        return RepositoryUnreachable("missing", text)
    reason = "cut_short" if isinstance(error, CutShort) else "unreachable"
    return RepositoryUnreachable(reason, f"repository: expected an answer, got {error}; it is tried again later")
