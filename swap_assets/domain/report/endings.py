"""Whether a candidate's answers end by themselves: figures of answers that were cut say little of the model."""

from collections.abc import Iterable

from swap_assets.domain.report.wording import TRACK_TITLES, display_name
from swap_assets.domain.scoring.evaluation import Evaluation

_MOST = 0.1  # of the answers may be cut


def unended(evaluation: Evaluation) -> str:
    """Return a sentence on the tracks in which more than a tenth of the answers do not end, "" where there is none."""
    tracks = ((track, result.totals) for track, result in evaluation.results.items())
    told = [f"{found.unended} of {found.answers} answers in {TRACK_TITLES[track].lower()} do not end by themselves "
            f"({found.cut_length} ran to the limit, {found.cut_repetition} repeated themselves, "
            f"{found.cut_second_turn} began another turn)"
            for track, found in tracks if found.unended > _MOST * found.answers]  # fmt: skip
    return "; ".join(told)


def whose_answers_do_not_end(evaluations: Iterable[Evaluation]) -> list[str]:
    """Return what a report opens with: whose answers do not end."""
    found = ((each.candidate.id, unended(each)) for each in evaluations)
    return [f"{display_name(name)}: {told}: its figures are those of cut answers" for name, told in found if told]
