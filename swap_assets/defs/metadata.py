"""What a person sees of each asset in the UI: counts, tables in Markdown, samples, paths, and the check results.

Formatting only: every number shown here was computed in the domain.
"""

import base64
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import dagster as dg

from swap_assets.defs.checks import GATE_CHECK
from swap_assets.defs.resources.processes import TrainResult
from swap_assets.domain.formats.base import Track
from swap_assets.domain.judging.decisions import Decision
from swap_assets.domain.judging.interface_choice import InterfaceChoice
from swap_assets.domain.metrics import metric_title, shown_in
from swap_assets.domain.model import Frozen
from swap_assets.domain.report.comparison import Report
from swap_assets.domain.report.layout import lay_out
from swap_assets.domain.report.tables import markdown_parts, markdown_table
from swap_assets.domain.report.wording import percent
from swap_assets.domain.scoring.evaluation import Evaluation, Served, Totals, TrackResult
from swap_assets.domain.weights import LoraAdapter, LossPoint, MergedModel, PublishedModel

Shown = dict[str, dg.MetadataValue | str | int | float]
Value = TypeVar("Value")
_AS_THEY_ARE = {
    "steps", "kept_step", "trainable_parameters", "tokens_per_second", "peak_memory_mb", "device", "adapter_hash",
    "dataset_hash", "prompt_hash",
}  # fmt: skip


def markdown(text: str) -> dg.MetadataValue:
    """Return Markdown that the UI renders."""
    return dg.MetadataValue.md(text)


def svg(image: str) -> dg.MetadataValue:
    """Return an SVG image inline; as a data address it can run no script and load nothing."""
    return markdown(f"![plots](data:image/svg+xml;base64,{base64.b64encode(image.encode()).decode()})")


def sample(rows: Sequence[Frozen]) -> dg.MetadataValue:
    """Return the first of some rows to look at."""
    return dg.MetadataValue.json(rows[0].model_dump(mode="json") if rows else {})


def table(header: Sequence[str], rows: Iterable[Sequence[Any]], *, empty: str = "none") -> dg.MetadataValue:
    """Return a Markdown table, or what `empty` says where it has no rows."""
    return markdown(markdown_table(header, rows) or empty)


def counts_table(counts: Mapping[str, int], *, of: str) -> dg.MetadataValue:
    """Return counts as a two-column table."""
    return table([of, "rows"], counts.items())


def outcome(
    value: Value, shown: Mapping[str, Any], version: str = "", *checks: dg.AssetCheckResult, asset: str | None = None
) -> dg.MaterializeResult[Value]:
    """Return a value with what is shown of it; its version names what it holds, "" leaves that to Dagster."""
    known: Any = {"data_version": dg.DataVersion(version) if version else None, "check_results": checks}
    return dg.MaterializeResult(asset_key=asset, value=value, metadata=shown, **known)


def evaluation_result(
    evaluation: Evaluation, *, run_id: str = "", checks: Sequence[dg.AssetCheckResult] = ()
) -> dg.MaterializeResult[Evaluation]:
    """Return an evaluation with its metrics table; its data version is what was measured, not when."""
    shown: Shown = {"candidate": evaluation.candidate.id, "status": evaluation.status}
    if evaluation.reason:
        shown["reason"] = evaluation.reason
    if run_id:
        shown["mlflow_run"] = run_id
    for track, result in evaluation.results.items():
        scored = (row for row in result.rows if row.field_f1 is not None)
        worst = sorted(scored, key=lambda row: (row.field_f1 or 0.0, row.case_id))
        of_track = {
            "metrics": _metrics_table(result),
            "field_f1": result.summary.value("field_f1") or 0.0,
            "rows": result.summary.cases,
            "unscored": result.summary.unscored,
            "effort": _effort_table(result.totals),
            "served": _served_table(result.served, result.prompt_hash),
            "worst_row": sample(worst),
        }
        shown |= {f"{track.value}_{name}": value for name, value in of_track.items()}
    return outcome(evaluation, shown, evaluation.evidence_hash(), *checks)


def interface_result(choice: InterfaceChoice) -> dg.MaterializeResult[InterfaceChoice]:
    """Return the chosen interfaces with what each reached on the validation rows."""
    rows = [
        [track.value, score.interface.value, "–" if score.value is None else f"{100 * score.value:.1f}",
         score.rows, score.unscored, "yes" if score.interface is chosen.interface else ""]
        for track, chosen in choice.tracks.items()
        for score in chosen.scores
    ]  # fmt: skip
    header = ["track", "interface", f"{choice.metric}, %", "validation rows", "without an answer", "chosen"]
    shown: Shown = {track.value: chosen.interface.value for track, chosen in choice.tracks.items()}
    shown |= {f"{track.value}_reason": chosen.reason for track, chosen in choice.tracks.items()}
    shown["scores"] = table(header, rows, empty="one interface is listed; nothing was asked")
    return outcome(choice, shown, choice.content())


def decision_result(decision: Decision) -> dg.MaterializeResult[Decision]:
    """Return a decision with its evidence as a table."""
    header = ["candidate", "metric", "SLM", "LLM", "LLM − SLM, points", "95 % interval", "rows"]
    rows = [
        [item.candidate_id, item.metric, f"{item.slm:.3f}", f"{item.llm:.3f}", f"{item.delta_points:+.1f}",
         f"{item.low_points:+.1f} to {item.high_points:+.1f}", item.told_rows]
        for item in (*decision.contrasts, *decision.slices)
    ]  # fmt: skip
    suggested = (f"{one.text}\n\n```yaml\n{one.entry}\n```" for one in decision.suggestions)
    shown: Shown = {
        **decision.model_dump(include={"verdict", "action", "reason", "rule"}),
        "candidates": ", ".join(decision.candidates) or "none",
        "evidence": table(header, rows),
        "missing": "; ".join(decision.missing) or "nothing",
        "rests_on": _measured_table(decision),
        "suggestions": markdown("\n\n".join(suggested)),
        "decided_by": f"{decision.decided_by}, {decision.decided_at}",
    }
    if decision.rows_needed is not None:
        shown["rows_that_would_settle_it"] = decision.rows_needed
    check = dg.AssetCheckResult(
        check_name=GATE_CHECK, passed=decision.verdict == "pass", severity=dg.AssetCheckSeverity.WARN,
        description=decision.reason, metadata={"verdict": decision.verdict, "action": decision.action},
    )  # fmt: skip
    return outcome(decision, shown, decision.content(), check)


def _measured_table(decision: Decision) -> dg.MetadataValue:
    rows = [
        [item.candidate_id, item.evidence_hash, item.dataset_hash, item.artefact_hash, *item.prompt_hashes.values()]
        for item in decision.measured
    ]
    width = max(map(len, rows), default=0)
    header = ["candidate", "figures", "rows", "weights", *["prompt"] * (width - 4)]
    return table(header, [[*row, *[""] * (width - len(row))] for row in rows], empty="nothing")


def report_result(report: Report, folder: Path, plots: Mapping[str, str]) -> dg.MaterializeResult[Report]:
    """Return the report with its verdict, main tables, plots (SVG by name) inline, and the folder of its files."""
    candidates = lay_out(report).section("candidates")
    shown: Shown = {
        "verdict": report.verdict.sentence,
        "how_sure": report.verdict.how_sure or "nothing was compared",
        "evidence": report.evidence(),
        "candidates": markdown("\n\n".join(markdown_parts(candidates))),
        "folder": dg.MetadataValue.path(str(folder)),
    }
    for track in Track:
        tables = (one for one in candidates.tables if one.name == f"main-{track.value}")
        text = "".join(markdown_table(one.header, one.rows) for one in tables)
        shown[f"{track.value}_table"] = markdown(text or "not measured")
    shown |= {f"{name}_plot": svg(image) for name, image in plots.items()}
    return outcome(report, shown, report.content())


def merged_result(
    model: MergedModel, decision: Decision, *, run_id: str, check: dg.AssetCheckResult
) -> dg.MaterializeResult[MergedModel]:
    """Return the merged model with its folders, how it scored again, and what let it through."""
    header = ["adapter", "folder", "hash", "answers equal to the adapter's", "largest logit difference"]
    rows = [
        [name, item.folder, item.merged_hash, f"{item.equal_texts} of {item.parity_rows}",
         f"{item.max_logit_difference:.2g}"]
        for name, item in model.adapters.items()
    ]  # fmt: skip
    shown: Shown = {
        "candidate": model.candidate_id,
        "base": f"{model.base}, {model.dtype}",
        "let_through_by": model.override or f"release_decision: {decision.reason}",
        "scored_again": check.description or "",
        "models": table(header, rows, empty="nothing to merge: the untouched base was named"),
        "mlflow_run": run_id or "not tracked",
        **{f"{track.value}_metrics": _metrics_table(result) for track, result in model.evaluation.results.items()},
    }
    return outcome(model, shown, model.content(), check)


def published_result(model: PublishedModel) -> dg.MaterializeResult[PublishedModel]:
    """Return where a model was published, or why it was not."""
    shown: Shown = {"candidate": model.candidate_id, "status": model.status, "reason": model.reason or "none needed"}
    if model.url:
        shown |= {"repository": dg.MetadataValue.url(model.url), "commit": model.commit, "files_uploaded": model.files}
    return outcome(model, shown, model.commit or f"{model.status}: {model.reason}")


def _metrics_table(result: TrackResult) -> dg.MetadataValue:
    found = result.summary.metrics
    rows = [[metric_title(name), percent(found[name]), found[name].n] for name in shown_in("main") if name in found]
    return table(["metric", "% [95 % interval]", "rows"], rows, empty="")


def _effort_table(totals: Totals) -> dg.MetadataValue:
    def number(value: float | None, digits: int = 3) -> str:
        return f"{value:.{digits}f}" if value is not None else "–"

    shown = {
        "answers": totals.answers, "did not end": totals.unended, "at the limit": totals.cut_length,
        "repeating": totals.cut_repetition, "in another turn": totals.cut_second_turn,
        "tokens in": totals.prompt_tokens, "tokens out": totals.completion_tokens,
        "of these thought": totals.thinking_tokens, "cost": number(totals.cost, 4),
        "p50 s": number(totals.latency_p50_s), "p95 s": number(totals.latency_p95_s),
        "p99 s": number(totals.latency_p99_s), "first token p50 s": number(totals.first_token_p50_s),
        "latency is": totals.latency_kind.replace("_", " "),
    }  # fmt: skip
    return table([*shown], [[*shown.values()]])


def _served_table(served: Served, prompt_hash: str) -> dg.MetadataValue:
    several = f" ({len(served.fingerprints)} in one run)" if len(served.fingerprints) > 1 else ""
    shown = {
        "engine": ", ".join(served.engines), "model": ", ".join(served.models),
        "deployment": ", ".join(served.deployments), "api version": ", ".join(served.api_versions),
        "fingerprint": ", ".join(served.fingerprints) + several, "seed": ", ".join(map(str, served.seeds)),
        "interface": served.interface.value, "epoch": served.epoch, "prompt": prompt_hash,
    }  # fmt: skip
    return table(["answers came from", ""], [[what, found or "–"] for what, found in shown.items()])


def skipped_adapter(adapter: LoraAdapter) -> dg.MaterializeResult[LoraAdapter]:
    """Return the record of an adapter that nobody trained, with the decision's reason."""
    shown: Shown = {"status": "skipped by decision", "reason": adapter.reason}
    return outcome(adapter, shown, f"skipped: {adapter.reason}")


def trained_adapter(adapter: LoraAdapter, result: TrainResult, *, spec_file: Path) -> dg.MaterializeResult[LoraAdapter]:
    """Return the record of a trained adapter with what the training left behind: rows, losses, speed, memory."""
    found = result.model_dump(include={"adapter_hash", "dataset_hash", "prompt_hash", "mlflow_run_id"})
    made = adapter.model_copy(update={"status": "trained", "folder": str(result.adapter), **found})
    rows = result.train_rows
    curve = [[point.step, *_losses(point)] for point in result.loss_curve[:: max(1, result.steps // 12)]]
    validation = [[f"{point.epoch:g}", *_losses(point)] for point in result.validation_curve]
    ends = "of the token that ends an answer"
    counts = {"read": rows.read, "trained on": rows.used, "cut by max_length": rows.cut, "lost to it": rows.lost}
    shown = {
        **result.model_dump(include=_AS_THEY_ARE),
        "rows": counts_table(counts, of="training rows"),
        "trained_text": markdown(f"```text\n{result.mask_preview}\n```"),
        "loss": table(["step", "training loss", ends], curve, empty=""),
        "validation_loss": table(["epoch", "validation loss", ends], validation, empty="no validation rows"),
        "untrained_tokens": ", ".join(result.untrained_tokens) or "none",
        "memory": _memory_table(result),
        "resumed_from_steps": ", ".join(map(str, result.resumed_from)) or "not interrupted",
        "reused": "yes: the same training had been finished before" if result.reused else "no",
        "trainable_percent": round(100 * result.trainable_parameters / result.parameters, 2),
        "training_seconds": result.seconds,
        "process_seconds": result.total_seconds,
        "adapter": dg.MetadataValue.path(str(result.adapter)),
        "spec": dg.MetadataValue.path(str(spec_file)),
        "mlflow_run": result.mlflow_run_id or "not tracked",
    }
    return outcome(made, shown, result.adapter_hash)


def _losses(point: LossPoint) -> tuple[str, str]:
    return f"{point.loss:.4f}", "–" if point.end is None else f"{point.end:.4f}"


def _memory_table(result: TrainResult) -> dg.MetadataValue:
    memory = result.memory
    parts = (memory.weights_mb, memory.adapter_mb, memory.activations_mb, memory.logits_mb, memory.total_mb)
    free = f"{memory.available_mb:.0f}" if memory.available_mb is not None else "not known"
    shown = [*(f"{part:.0f}" for part in parts), free, str(result.peak_memory_mb)]
    header = ["weights MB", "adapter, optimiser", "activations", "logits", "estimate", "was free", "measured peak"]
    rows = f"{result.micro_batch} rows at once, {result.rows_per_step} a step"
    kept = ", activations recomputed" if result.gradient_checkpointing else ""
    return markdown("\n\n".join((markdown_table(header, [shown]), rows + kept, *result.rungs)))
