"""Data files of a dataset on the Hugging Face hub, at one commit, with their hash checked."""

import contextlib
import hashlib
import os
import socket
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import getproxies

from swap_assets.backends.datasets.files import SourceError
from swap_assets.domain.experiment.sources import HubSource

_TIMEOUT = 10  # seconds for the first answer of the hub
_PROBE_TIMEOUT = 5  # seconds to connect; the client's own retries take 24 s before they give up


class HubUnreachableError(SourceError):
    """The hub gave no file; a source may allow the generator to step in for this and for nothing else."""


def fetch(source: HubSource, config: str) -> Path:
    """Return the local path of a config's data file, downloaded or from the cache.

    `HF_ENDPOINT` names another hub, `HF_HUB_OFFLINE=1` allows the cache alone, `HF_TOKEN` opens gated datasets.

    Raises:
        HubUnreachableError: the hub can't be reached, or has no such dataset, revision or file.
        SourceError: the file is not the one whose hash is expected.
    """
    from huggingface_hub import constants, hf_hub_download

    name = source.files[config]
    endpoint = os.environ.get("HF_ENDPOINT") or constants.ENDPOINT
    with _explained(f"{source.dataset}/{name} at revision {source.revision}"):
        path = hf_hub_download(
            source.dataset,
            name,
            repo_type="dataset",
            revision=source.revision,
            endpoint=endpoint,
            etag_timeout=_TIMEOUT,
            local_files_only=not _answers(endpoint),
        )
    _check_hash(Path(path), source, config)
    return Path(path)


@contextlib.contextmanager
def _explained(where: str) -> Iterator[None]:
    """Say in one sentence why a file of the hub can't be had."""
    from huggingface_hub.errors import EntryNotFoundError, HfHubHTTPError, LocalEntryNotFoundError

    try:
        yield
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


def _answers(endpoint: str) -> bool:
    """Whether something listens at the hub's address; behind a proxy that can't be told, so it counts as yes."""
    if getproxies():
        return True
    address = urlsplit(endpoint)
    port = address.port or (443 if address.scheme == "https" else 80)
    try:
        with socket.create_connection((address.hostname or "", port), timeout=_PROBE_TIMEOUT):
            return True
    except OSError:
        return False


def _check_hash(path: Path, source: HubSource, config: str) -> None:
    expected = source.expected_sha256(config)
    if not expected:
        return
    with path.open("rb") as stream:
        found = hashlib.file_digest(stream, "sha256").hexdigest()
    if found != expected:
        raise SourceError(
            f"{source.files[config]} has SHA-256 {found} and not {expected} as expected; "
            f"delete it from the hub cache and fetch it again, or set source.sha256.{config} if the change is wanted"
        )
