"""What the hub says of a model (may it be read, which files has it; never the weights), and the files of a data set.

Every request ends after `TIMEOUT_S` seconds. HF_ENDPOINT names another hub, HF_HUB_OFFLINE forbids the network, the
token opens what is gated.
"""

import contextlib
import os
import socket
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import getproxies

from swap_assets.backends.datasets.files import SourceError
from swap_assets.backends.store.whole import sha256
from swap_assets.domain.experiment.sources import HubSource
from swap_assets.domain.model import Frozen

TOKEN_VARIABLES = ("HUGGING_FACE_HUB_TOKEN", "HF_TOKEN")
TIMEOUT_S = 8.0
_PROBE_S = 5.0  # to connect; the client's own retries take 24 s before they give up


class HubRefusalError(RuntimeError):
    """The hub said no; the message says what to do."""


class HubSilentError(RuntimeError):
    """The hub was not asked or did not answer in time; the message says which."""


class HubUnreachableError(SourceError):
    """The hub gave no file; a source may allow the generator to step in for this and for nothing else."""


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
        raise _model_refused(error, repo_id, revision, token) from None
    except OfflineModeIsEnabled:
        raise HubSilentError("HF_HUB_OFFLINE is set") from None
    except (OSError, httpx2.HTTPError) as error:
        raise HubSilentError(f"{endpoint()} does not answer ({type(error).__name__})") from None
    sizes = {item.rfilename: item.size or 0 for item in info.siblings or ()}
    return HubModel(repo_id=repo_id, files=sizes, commit=info.sha or "")


def may_use(repo_id: str, token: str | None, *, write: bool = False) -> None:
    """Ask whether a model's files may be read, or written; the hub's HfHubHTTPError says that they may not."""
    from huggingface_hub import get_session
    from huggingface_hub.utils import build_hf_headers, hf_raise_for_status

    # Not HfApi.auth_check: it waits without end for a hub that accepts the connection and says nothing.
    address = f"{endpoint()}/api/models/{repo_id}/auth-check{'/write' if write else ''}"
    hf_raise_for_status(get_session().get(address, headers=build_hf_headers(token=token or False), timeout=TIMEOUT_S))


def _model_refused(error: Exception, repo_id: str, revision: str, token: str | None) -> Exception:
    from huggingface_hub.errors import GatedRepoError, RepositoryNotFoundError, RevisionNotFoundError

    page = f"{endpoint()}/{repo_id}"
    status = getattr(getattr(error, "response", None), "status_code", 0)
    if status >= 500 or status == 429:
        return HubSilentError(f"{endpoint()} answers with {status}; try again later")
    if isinstance(error, RevisionNotFoundError):
        told = f"{repo_id} has no revision '{revision}'; correct the model's revision"
    elif isinstance(error, GatedRepoError) or status == 403:
        told = (
            f"{repo_id} is gated and this token's account may not read it: open {page}, click 'Agree and access', and "
            "give a fine-grained token the right to read gated repositories"
        )
        if not token:
            then = f"open {page}, accept its terms, and set {TOKEN_VARIABLES[0]} to a token of that account"
            told = f"{repo_id} is gated and no token is set: {then}"
    elif status == 401 and token and not isinstance(error, RepositoryNotFoundError):
        told = f"the hub does not know this token: make a new one and set {TOKEN_VARIABLES[0]} to it"
    else:
        why = "this token may not read it" if token else "no token is set"
        told = f"the hub has no model {repo_id}, or it is private and {why}; correct the model's hub_id"
    return HubRefusalError(told)


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
    how = {"revision": model.commit or None, "token": token or False, "endpoint": endpoint()}
    try:
        return Path(hf_hub_download(model.repo_id, name, etag_timeout=TIMEOUT_S, **how))
    except (OSError, httpx2.HTTPError, HfHubHTTPError):
        return None


def is_cached(source: HubSource, config: str) -> bool:
    """Whether the hub's cache holds a config's data file at its commit."""
    from huggingface_hub import try_to_load_from_cache

    name = source.files[config]
    found = try_to_load_from_cache(source.dataset, name, revision=source.revision, repo_type="dataset")
    return isinstance(found, str)


def fetch(source: HubSource, config: str) -> Path:
    """Return the local path of a config's data file at its commit, downloaded or from the cache, its hash checked.

    Raises:
        HubUnreachableError: the hub can't be reached, or has no such dataset, revision or file.
        SourceError: the file is not the one whose hash is expected.
    """
    from huggingface_hub import hf_hub_download
    from huggingface_hub.errors import EntryNotFoundError, HfHubHTTPError, LocalEntryNotFoundError

    name = source.files[config]
    how = {"repo_type": "dataset", "revision": source.revision, "endpoint": endpoint(), "etag_timeout": TIMEOUT_S}
    where = f"{source.dataset}/{name} at revision {source.revision}"
    try:
        path = Path(hf_hub_download(source.dataset, name, local_files_only=not _answers(endpoint()), **how))
    except LocalEntryNotFoundError:
        raise HubUnreachableError(
            f"the hub can't be reached for {where} and it is not in the cache; check the network, "
            "use `kind: local` with a file of your own, or set `fallback: synthetic`"
        ) from None
    except EntryNotFoundError:
        raise HubUnreachableError(f"the hub has no {where}; correct `files` or `revision` under `source`") from None
    except HfHubHTTPError as error:
        status = getattr(error.response, "status_code", "no answer")
        raise HubUnreachableError(
            f"the hub refused {where} ({status}); check the dataset's name and, if it is gated, HF_TOKEN"
        ) from None
    except (OSError, ValueError) as error:
        raise HubUnreachableError(f"the hub can't be reached for {where} ({error}); check the network") from None
    expected = source.expected_sha256(config)
    if expected and (found := sha256(path)) != expected:
        raise SourceError(
            f"{name} has SHA-256 {found} and not {expected} as expected; delete it from the hub cache and fetch it "
            f"again, or set source.sha256.{config} if the change is wanted"
        )
    return path


def _answers(address_of_hub: str) -> bool:
    """Whether something listens at the hub's address; behind a proxy that can't be told, so it counts as yes."""
    if getproxies():
        return True
    address = urlsplit(address_of_hub)
    port = address.port or (443 if address.scheme == "https" else 80)
    with contextlib.suppress(OSError), socket.create_connection((address.hostname or "", port), timeout=_PROBE_S):
        return True
    return False
