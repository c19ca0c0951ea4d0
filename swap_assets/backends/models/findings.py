"""One line of a preflight check: what was looked at, whether it will do, and what to do where it won't."""

from typing import Literal

from swap_assets.domain.model import Frozen

State = Literal["ok", "warn", "fail"]


class Finding(Frozen):
    """One line of `swap-assets doctor`."""

    what: str
    state: State
    detail: str
