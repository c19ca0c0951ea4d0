"""Which failures pass by themselves: the network, a busy service, a lost process. All others say what to change."""

import sys
from collections.abc import Iterator

from swap_assets.backends.hub.access import HubUnreachableError
from swap_assets.backends.processes.supervision import WorkerError


def is_transient(error: BaseException) -> bool:
    """Say whether doing the same again later may help."""
    return any(_passes(found) for found in _chain(error))


def _passes(error: BaseException) -> bool:
    if isinstance(error, WorkerError):
        return error.lost
    if isinstance(error, HubUnreachableError | ConnectionError | TimeoutError):
        return True
    if "openai" not in sys.modules:  # nobody has asked a hosted model, so it is not its error
        return False
    import openai

    from swap_assets.backends.hosted.clients import passes

    return isinstance(error, openai.APIError) and passes(error)


def _chain(error: BaseException) -> Iterator[BaseException]:
    """Yield an error and those that led to it."""
    found: BaseException | None = error
    seen: set[int] = set()
    while found is not None and id(found) not in seen:
        seen.add(id(found))
        yield found
        found = found.__cause__ or found.__context__
