"""The gates of the automation: what is recorded in, the runs that are due and the reasons for waiting out.

Each is one sensor's whole mind. None of them looks at a clock or remembers anything: asked twice about the same state
they say the same, and the run keys see to it that it is done once.
"""

from collections.abc import Callable

from swap_assets.domain.automation.progress import (
    BASELINE,
    MODEL_BASELINE,
    RELEASE,
    REPORT,
    SEALED_TEST,
    TRAIN,
    Found,
    Outcome,
    Progress,
    Step,
)
from swap_assets.domain.judging.approval import standing, standing_sentence
from swap_assets.domain.keys import Candidate, evaluation_asset, model_and_scale, models_of, partition_key

NOTHING_READ = "hermes_conversations has not been materialised yet: nothing is admitted"
Gate = Callable[[Progress], Outcome]


class Book:
    """What a gate has found so far."""

    def __init__(self) -> None:
        self.steps: list[Step] = []
        self.waits: list[str] = []

    def outcome(self) -> Outcome:
        """Return it as a value."""
        return Outcome(steps=tuple(self.steps), waits=tuple(self.waits))


def scale_up_gate(progress: Progress) -> Outcome:
    """Start a scale: splits, tracks and the LLM's answers. The first when the conversations are there."""
    book, scales = Book(), list(progress.experiment.scales)
    if not progress.root:
        return Outcome(waits=(NOTHING_READ,))
    because = "the conversations are there, and the first scale needs no decision"
    book.steps.append(Step(job=BASELINE, partition=scales[0], because=because, evidence=(progress.root,)))
    for before, scale in zip(scales, [*scales[1:], None], strict=True):
        if before not in progress.admitted():
            break
        decision = progress.decision("scale_up_decision", before)
        if decision is None:
            book.waits.append(f"scale_up_decision for {before} has not been made")
        elif stale := progress.stale(decision):
            book.waits.append(stale)
        elif scale and decision.action == "scale_up":
            book.steps.append(
                Step(job=BASELINE, partition=scale, because=decision.reason, evidence=(decision.content(),))
            )
        else:
            book.waits.append(f"{before}: {decision.action.replace('_', ' ')}. {decision.reason}")
    return book.outcome()


def model_baseline_gate(progress: Progress) -> Outcome:
    """Measure each admitted model untouched, and decide on its training, once the LLM's answers are there."""
    book = Book()
    for scale, models in progress.admitted().items():
        llm = progress.llm.get(scale)
        if llm is None or llm.status != "evaluated":
            book.waits.append(f"llm_baseline for {scale} is {llm.status if llm else 'absent'}")
        elif progress.running(BASELINE, scale):
            book.waits.append(f"{BASELINE} for {scale} is still running")
        else:
            for model in models:
                _model_baseline(progress, book, llm, partition_key(model, scale))
    return book.outcome() if progress.root else Outcome(waits=(NOTHING_READ,))


def _model_baseline(progress: Progress, book: Book, llm: Found, key: str) -> None:
    base, decision = progress.base.get(key), progress.decision("fine_tune_decision", key)
    measured = base is not None and base.status == "evaluated"
    if base is None or not measured or base.dataset_hash != llm.dataset_hash:
        why = "has not been measured" if not measured else "was measured on other rows than the LLM"
        # A failure changes the record, and must not act as new evidence.
        seen = base.evidence_hash if base and measured else "none"
        step = Step(job=MODEL_BASELINE, partition=key, because=f"{key} {why}", evidence=(llm.dataset_hash, seen))
    elif decision is None or progress.stale(decision):
        why = progress.stale(decision) if decision else f"fine_tune_decision for {key} has not been made"
        step = Step(
            job=MODEL_BASELINE,
            partition=key,
            assets=("fine_tune_decision",),
            because=why,
            evidence=(llm.evidence_hash, base.evidence_hash),
        )
    else:
        book.waits.append(f"{key} is measured and decided on")
        return
    if progress.running_at(MODEL_BASELINE, key):
        book.waits.append(f"{MODEL_BASELINE} for {key} is running")
    else:
        book.steps.append(step)


def fine_tune_gate(progress: Progress) -> Outcome:
    """Train and evaluate each admitted model whose decision says so, with the approaches that are admitted."""
    book = Book()
    for scale, models in progress.admitted().items():
        for model, approaches in models.items():
            _training(progress, book, partition_key(model, scale), approaches)
    return book.outcome() if progress.root else Outcome(waits=(NOTHING_READ,))


def _training(progress: Progress, book: Book, key: str, approaches: tuple[str, ...]) -> None:
    decision = progress.decision("fine_tune_decision", key)
    if decision is None:
        book.waits.append(f"fine_tune_decision for {key} has not been made")
        return
    if stale := progress.stale(decision):
        book.waits.append(stale)
        return
    if progress.running_at(MODEL_BASELINE, key):
        book.waits.append(f"{MODEL_BASELINE} for {key} is still running")
        return
    model, scale = model_and_scale(key)
    if progress.running(BASELINE, scale):
        book.waits.append(f"{BASELINE} for {scale} is still running: its rows may be others")
        return
    due = tuple(name for name in approaches if trains(progress, name, key, decision.action))
    if not due:
        book.waits.append(f"{key}: no training needed. {decision.reason}")
        return
    ways = progress.experiment.small_model(model).decoding
    evaluations = (evaluation_asset(name, way) for name in due for way in ways)
    assets = (*progress.experiment.adapter_assets(*due), *evaluations)
    evidence = (decision.content(), progress.rows.get(scale, ""))
    book.steps.append(Step(job=TRAIN, partition=key, assets=assets, because=decision.reason, evidence=evidence))


def trains(progress: Progress, approach: str, key: str, action: str) -> bool:
    """Whether an approach trains a model under a fine-tune decision's action."""
    settings = progress.experiment.approach_for(approach, model=model_and_scale(key)[0])
    return action == "train" or settings.trains == "always"


def report_ready(progress: Progress) -> Outcome:
    """Write a scale's report, and decide on scaling up, once nothing that is expected of the scale is outstanding."""
    book = Book()
    for scale in progress.admitted():
        llm = progress.llm.get(scale)
        if llm is None or llm.status != "evaluated":
            book.waits.append(f"{scale}: the LLM has not been measured")
        elif outstanding := list(_outstanding(progress, scale)):
            book.waits.append(f"{scale}: waiting for {', '.join(outstanding)}")
        else:
            seen = [llm, *_contenders(progress, scale)]
            evidence = tuple(sorted(f"{item.candidate_id} {item.evidence_hash}" for item in seen))
            because = f"all {len(seen) - 1} expected candidates of {scale} are evaluated, skipped or failed"
            book.steps.append(Step(job=REPORT, partition=scale, because=because, evidence=evidence))
            _report_again(progress, book, scale)
    return book.outcome() if progress.root else Outcome(waits=(NOTHING_READ,))


def _report_again(progress: Progress, book: Book, scale: str) -> None:
    """Write the report anew where decisions or approvals have come after it; nothing is measured for that."""
    if progress.running(REPORT, scale):
        return
    decision = progress.decision("scale_up_decision", scale)
    if decision is None or progress.stale(decision):
        return
    keys = [partition_key(model, scale) for model in progress.experiment.models]
    releases = [found for key in keys if (found := progress.decision("release_decision", key))]
    words = [progress.approvals[key].content() for key in keys if key in progress.approvals]
    evidence = (decision.content(), *(item.content() for item in releases if not progress.stale(item)), *words)
    because = "the report shows the decisions that were made after it"
    step = Step(job=REPORT, partition=scale, assets=("comparison_report",), because=because, evidence=evidence)
    book.steps.append(step)


def _contenders(progress: Progress, scale: str) -> list[Found]:
    keys = [partition_key(model, scale) for model in progress.admitted().get(scale, {})]
    return [item for key in keys for item in (progress.base.get(key), *progress.tuned.get(key, ())) if item]


def _outstanding(progress: Progress, scale: str):
    """Yield what a scale still waits for; what broke or was skipped by a decision is no longer waited for."""
    for model, approaches in progress.admitted()[scale].items():
        key = partition_key(model, scale)
        if progress.running_at(MODEL_BASELINE, key) or progress.running_at(TRAIN, key):
            yield f"a run for {key}"
            continue
        decision = progress.decision("fine_tune_decision", key)
        if decision is None or progress.stale(decision):
            if f"{MODEL_BASELINE}/{key}" not in progress.broken:
                yield f"fine_tune_decision for {key}"
            continue
        absent = [item.candidate_id for item in progress.tuned.get(key, ()) if item.status == "absent"]
        expected = [name for name in approaches if trains(progress, name, key, decision.action)]
        if f"{TRAIN}/{key}" not in progress.broken:
            yield from (name for name in absent if Candidate.from_id(name).recipe in expected)


def release_gate(progress: Progress) -> Outcome:
    """Ask the sealed rows after the last scale, and release what passed and, where asked for, was approved."""
    book, last = Book(), list(progress.experiment.scales)[-1]
    decision = progress.decision("scale_up_decision", last) if last in progress.admitted() else None
    if decision is None:
        return Outcome(waits=(f"scale_up_decision for the last scale, {last}, has not been made",))
    if stale := progress.stale(decision):
        return Outcome(waits=(stale,))
    if not decision.candidates:
        return Outcome(waits=(f"{last}: {decision.action}. {decision.reason}",))
    for model in models_of(decision.candidates):
        key = partition_key(model, last)
        released = progress.decision("release_decision", key)
        if released is None or progress.stale(released):
            because = progress.stale(released) if released else decision.reason
            book.steps.append(Step(job=SEALED_TEST, partition=key, because=because, evidence=(decision.content(),)))
        else:
            _release(progress, book, key)
    return book.outcome()


def _release(progress: Progress, book: Book, key: str) -> None:
    decision, approval = progress.decisions[f"release_decision/{key}"], progress.approvals.get(key)
    required = progress.experiment.gates.release.approval == "required"
    if decision.action != "release":
        book.waits.append(f"{key}: wait. {decision.reason}")
        return
    told = standing_sentence(decision, approval, required=required)
    where = standing(decision, approval, required=required)
    if where not in ("approved", "not_required"):
        book.waits.append(f"{key}: {told}")
        return
    word = approval.content() if approval and where == "approved" else ""
    book.steps.append(Step(job=RELEASE, partition=key, because=told, evidence=(decision.content(), word)))
