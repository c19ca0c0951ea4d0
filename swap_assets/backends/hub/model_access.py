"""What the hub says of a model: whether it may be read, and which files it has. Never the weights themselves.

Every request ends after `TIMEOUT_S` seconds. HF_ENDPOINT names another hub, HF_HUB_OFFLINE forbids the network.
"""

import os
from collections.abc import Mapping
from pathlib import Path

from swap_assets.domain.model import Frozen

TOKEN_VARIABLES = ("HUGGING_FACE_HUB_TOKEN", "HF_TOKEN")
TIMEOUT_S = 8.0


class HubRefusalError(RuntimeError):
    """The hub said no; the message says what to do."""


class HubSilentError(RuntimeError):
    """The hub was not asked or did not answer in time; the message says which."""


class HubModel(Frozen):
    """A repository's files with their sizes in bytes, and the commit that they are of."""

    repo_id: str
    files: dict[str, int]
    commit: str = ""


def hub_token(environment: Mapping[str, str]) -> str | None:
    """Return the token to use, None where there is none: from the environment, else what `hf auth login` left."""
    from huggingface_hub import get_token

    found = next((environment[name] for name in TOKEN_VARIABLES if environment.get(name)), None)
    return found or (get_token() if environment is os.environ else None)


def endpoint() -> str:
    """Return the hub's address."""
    return (os.environ.get("HF_ENDPOINT") or "https://huggingface.co").rstrip("/")


def look_up(repo_id: str, revision: str, *, token: str | None) -> HubModel:
    """Ask the hub for a model's files and whether this token may read them.

    Raises:
        HubRefusalError: no such model or revision, a wrong token, or a gate that this account has not passed.
        HubSilentError: no network, no answer in time, or HF_HUB_OFFLINE is set.
    """
    import httpx2
    from huggingface_hub import HfApi, constants
    from huggingface_hub.errors import HfHubHTTPError, OfflineModeIsEnabled

    if constants.is_offline_mode():
        raise HubSilentError("HF_HUB_OFFLINE is set")
    try:
        api = HfApi(endpoint=endpoint(), token=token or False)
        info = api.model_info(repo_id, revision=revision or None, timeout=TIMEOUT_S, files_metadata=True)
        if info.gated:
            may_use(repo_id, token)
    except HfHubHTTPError as error:
        raise _explained(error, repo_id, revision, token) from None
    except OfflineModeIsEnabled:
        raise HubSilentError("HF_HUB_OFFLINE is set") from None
    except (OSError, httpx2.HTTPError) as error:
        raise HubSilentError(f"{endpoint()} does not answer ({type(error).__name__})") from None
    sizes = {item.rfilename: item.size or 0 for item in info.siblings or ()}
    return HubModel(repo_id=repo_id, files=sizes, commit=info.sha or "")


def may_use(repo_id: str, token: str | None, *, write: bool = False) -> None:
    """Ask whether a model's files may be read, or written; a gated model's list of files may be read by anybody.

    Raises:
        huggingface_hub.errors.HfHubHTTPError: they may not.
    """
    from huggingface_hub import get_session
    from huggingface_hub.utils import build_hf_headers, hf_raise_for_status

    # Not HfApi.auth_check: it waits without end for a hub that accepts the connection and says nothing.
    address = f"{endpoint()}/api/models/{repo_id}/auth-check{'/write' if write else ''}"
    hf_raise_for_status(get_session().get(address, headers=build_hf_headers(token=token or False), timeout=TIMEOUT_S))


def _explained(error: Exception, repo_id: str, revision: str, token: str | None) -> Exception:
    from huggingface_hub.errors import GatedRepoError, RepositoryNotFoundError, RevisionNotFoundError

    page = f"{endpoint()}/{repo_id}"
    status = getattr(getattr(error, "response", None), "status_code", 0)
    if status >= 500 or status == 429:
        return HubSilentError(f"{endpoint()} answers with {status}; try again later")
    if isinstance(error, RevisionNotFoundError):
        return HubRefusalError(f"{repo_id} has no revision '{revision}'; correct the model's revision")
    if isinstance(error, GatedRepoError) or status == 403:
        if not token:
            return HubRefusalError(
                f"{repo_id} is gated and no token is set: open {page}, accept its terms, and set "
                f"{TOKEN_VARIABLES[0]} to a token of that account"
            )
        return HubRefusalError(
            f"{repo_id} is gated and this token's account may not read it: open {page}, click 'Agree and access', and "
            "give a fine-grained token the right to read gated repositories"
        )
    if status == 401 and token and not isinstance(error, RepositoryNotFoundError):
        return HubRefusalError(f"the hub does not know this token: make a new one and set {TOKEN_VARIABLES[0]} to it")
    why = "or it is private and this token may not read it" if token else "or it is private and no token is set"
    return HubRefusalError(f"the hub has no model {repo_id}, {why}; correct the model's hub_id")


def cached_folder(repo_id: str, revision: str) -> Path | None:
    """Return the folder of the hub's cache that holds a model's config, None where there is none."""
    from huggingface_hub import try_to_load_from_cache

    found = try_to_load_from_cache(repo_id, "config.json", revision=revision or None)
    return Path(found).parent if isinstance(found, str) else None


def fetch_small(model: HubModel, name: str, *, token: str | None) -> Path | None:
    """Fetch one small file into the hub's cache and return it; None where the model has none or it does not come."""
    import httpx2
    from huggingface_hub import hf_hub_download
    from huggingface_hub.errors import HfHubHTTPError

    if name not in model.files:
        return None
    try:
        return Path(
            hf_hub_download(
                model.repo_id, name, revision=model.commit or None, token=token or False, endpoint=endpoint(),
                etag_timeout=TIMEOUT_S,
            )
        )  # fmt: skip
    except (OSError, httpx2.HTTPError, HfHubHTTPError):
        return None
