"""How an expected problem becomes one sentence in the UI, and which problems pass by themselves."""

import contextlib
from collections.abc import Iterator

import dagster as dg

from swap_assets.backends.processes.transient import is_transient

RETRIES, RETRY_AFTER_S = 3, 30


@contextlib.contextmanager
def explained(*kinds: type[Exception]) -> Iterator[None]:
    """Show an expected problem as one sentence instead of a traceback."""
    try:
        yield
    except kinds as error:
        raise dg.Failure(description=str(error), allow_retries=is_transient(error)) from None


def passes(error: Exception) -> bool:
    """Whether doing the same again later may help."""
    return bool(error.allow_retries) if isinstance(error, dg.Failure) else is_transient(error)
