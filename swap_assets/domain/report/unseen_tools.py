"""What an adapter gives up: how it does on tools that no training row offered, beside the LLM on the same rows."""

from collections.abc import Sequence

from swap_assets.domain.formats.base import Track
from swap_assets.domain.report.capabilities import LabelRow
from swap_assets.domain.report.names import metric_title


def cautions(labels: Sequence[LabelRow], *, llm_id: str, metric: str) -> dict[str, str]:
    """Return a sentence by candidate id, for those that measure below the LLM on tools never shown in training."""
    rows = {
        item.candidate_id: item
        for item in labels
        if (item.split, item.label, item.track) == ("tools", "unseen", Track.TOOLCALL)
    }
    llm = _value(rows[llm_id], metric) if llm_id in rows else None
    told = {}
    for name, item in rows.items():
        value = _value(item, metric)
        if llm is not None and value is not None and name != llm_id and value < llm:
            told[name] = (
                f" On the {item.rows} test rows that ask for tools never shown in training it has {100 * value:.1f}, "
                f"the LLM {100 * llm:.1f} ({metric_title(metric)}): the answer holds for the tools it was trained on."
            )
    return told


def _value(item: LabelRow, metric: str) -> float | None:
    found = item.metrics.get(metric)
    return found.value if found else None
