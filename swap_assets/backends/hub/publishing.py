"""Putting merged models on the hub in one commit: whole or not at all, and nothing anew where nothing changed.

Right before the commit the hub has been asked whether this token may write, and what lies there already.
"""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from swap_assets.backends.hub.access import TIMEOUT_S, endpoint, hub_token, may_use
from swap_assets.backends.hub.cards import README, merged_readme, model_card
from swap_assets.backends.models import provenance
from swap_assets.backends.models.provenance import MERGE_CARD, MergeCard, refuse_pickles
from swap_assets.backends.store.experiment_file import pasteable
from swap_assets.backends.store.whole import read_json
from swap_assets.domain.experiment.entries import Publishing
from swap_assets.domain.gates.gate import materialize
from swap_assets.domain.judging.decisions import Decision
from swap_assets.domain.keys import MERGED_MODEL, Candidate
from swap_assets.domain.model import Frozen, content_hash
from swap_assets.domain.report.comparison import Report
from swap_assets.domain.weights import MergedModel, PublishedModel

if TYPE_CHECKING:
    from huggingface_hub import HfApi

NOTE = "swap_published.json"
_NOT_OURS = (".gitattributes",)


class PublishError(RuntimeError):
    """A model cannot be published; the message is one sentence that says what to do."""


class Note(Frozen):
    """What lies in a repository, by its own word: whose model, and the hash of all its files."""

    candidate_id: str
    content: str


def publish_merged(
    model: MergedModel, decision: Decision, where: Publishing | None, *, report: Report
) -> PublishedModel:
    """Publish a merged model where the experiment says so; PublishError, with nothing changed, where it cannot be."""
    candidate = Candidate.from_id(model.candidate_id)
    if where is None:
        reason = "the experiment file has no publish: {repo_id: org/name}"
        return PublishedModel(candidate_id=candidate.id, status="skipped", reason=reason)
    if refusal := model.refusal_to_publish(decision):
        raise PublishError(pasteable(refusal))
    told = {"Let through by": model.override or decision.reason, "Beside its adapter": model.compared}
    files = release_files(model, measured=model_card(report, candidate.id), told=told)
    repo_id, token = where.repository(candidate), hub_token(os.environ)
    return publish(files, candidate_id=candidate.id, repo_id=repo_id, private=where.private, token=token)


def release_files(model: MergedModel, *, measured: str, told: Mapping[str, str]) -> dict[str, Path | bytes]:
    """Return what goes into the repository: each path with a file or its content, the card first.

    One merged adapter lies at the root; several lie in folders named after them. PublishError where a merged model is
    not there or not what was scored, PickledWeightsError where it holds a pickle.
    """
    cards: dict[str, MergeCard] = {}
    files: dict[str, Path | bytes] = {}
    for name, item in model.adapters.items():
        folder, place = Path(item.folder), f"{name}/" if len(model.adapters) > 1 else ""
        refuse_pickles(folder)
        again = pasteable(materialize(MERGED_MODEL, model.evaluation.candidate.partition))
        if not folder.is_dir() or provenance.weights_hash(item.folder) != item.merged_hash:
            raise PublishError(f"{folder} is not what was scored; make it again: {again}")
        cards[name] = read_json(folder / MERGE_CARD, MergeCard.model_validate_json, again=f"make it again: {again}")
        files |= {f"{place}{path.name}": path for path in sorted(folder.iterdir()) if path.name != README}
    return {README: merged_readme(measured, cards, told=told).encode(), **files}


def publish(
    files: Mapping[str, Path | bytes], *, candidate_id: str, repo_id: str, private: bool, token: str | None
) -> PublishedModel:
    """Make a repository of the hub hold exactly these files, in one commit; PublishError where it may not or cannot."""
    import httpx2
    from huggingface_hub import CommitOperationAdd, CommitOperationDelete, HfApi, constants
    from huggingface_hub.errors import HfHubHTTPError

    if not token:
        raise PublishError(f"publishing {repo_id} needs HUGGING_FACE_HUB_TOKEN: a token with the right to write to it")
    if constants.is_offline_mode():
        raise PublishError(f"publishing {repo_id} needs the network, and HF_HUB_OFFLINE is set; unset it")
    api = HfApi(endpoint=endpoint(), token=token)
    hashes = {
        name: content_hash(content.decode()) if isinstance(content, bytes) else provenance.file_hash(content)
        for name, content in files.items()
    }
    note = Note(candidate_id=candidate_id, content=content_hash(hashes))
    try:
        there = _there(api, repo_id, token)
        if there is None:
            api.create_repo(repo_id, private=private, exist_ok=True)
        elif _same(api, repo_id, *there, note):
            return _published(note, repo_id, there[0], files=0)
        whole: Mapping[str, Any] = {**files, NOTE: note.model_dump_json().encode()}
        put = [CommitOperationAdd(path_in_repo=name, path_or_fileobj=content) for name, content in whole.items()]
        left_over = [CommitOperationDelete(name) for name in (there[1] if there else ()) if name not in whole]
        message = f"{note.candidate_id}, content {note.content}"
        done = api.create_commit(repo_id, operations=[*put, *left_over], commit_message=message)
        return _published(note, repo_id, done.oid, files=len(whole))
    except HfHubHTTPError as error:
        raise PublishError(_explained(error, repo_id)) from None
    except (OSError, httpx2.HTTPError) as error:
        why = f"{endpoint()} does not answer ({type(error).__name__})"
        raise PublishError(f"{why}; nothing of {repo_id} was changed, try again later") from None


def _there(api: "HfApi", repo_id: str, token: str) -> tuple[str, list[str]] | None:
    """Return the repository's commit and files that may be ours, None where there is no such repository."""
    from huggingface_hub.errors import RepositoryNotFoundError

    try:
        info = api.model_info(repo_id, timeout=TIMEOUT_S)
    except RepositoryNotFoundError:
        return None
    may_use(repo_id, token, write=True)
    return info.sha or "", [item.rfilename for item in info.siblings or () if item.rfilename not in _NOT_OURS]


def _same(api: "HfApi", repo_id: str, commit: str, names: Sequence[str], note: Note) -> bool:
    """Whether the last commit holds these very files; refuse to write over somebody else's."""
    if not names:
        return False
    if NOTE not in names:
        raise PublishError(f"{repo_id} holds files that were not published from here; give publish.repo_id a new name")
    path = api.hf_hub_download(repo_id, NOTE, revision=commit or None)
    found = Note.model_validate_json(Path(path).read_text(encoding="utf-8"))
    if found.candidate_id != note.candidate_id:
        raise PublishError(
            f"{repo_id} holds {found.candidate_id}; put {{model}}, {{scale}} or {{approach}} into publish.repo_id, or "
            "delete that repository first"
        )
    return found == note


def _published(note: Note, repo_id: str, commit: str, *, files: int) -> PublishedModel:
    status, url = "published" if files else "unchanged", f"{endpoint()}/{repo_id}"
    return PublishedModel(
        candidate_id=note.candidate_id, status=status, repo_id=repo_id, url=url, commit=commit, files=files
    )


def _explained(error: Exception, repo_id: str) -> str:
    status = getattr(getattr(error, "response", None), "status_code", 0)
    if status == 401:
        return "the hub does not know this token: make one with the right to write and set HUGGING_FACE_HUB_TOKEN to it"
    if status == 403:
        return (
            f"this token may not write to {repo_id}: give it the right in the hub's settings under Access Tokens, or "
            "name a repository of its account in publish.repo_id"
        )
    return f"the hub refused {repo_id} with {status}; nothing was changed: {str(error).strip().splitlines()[0]}"
