"""Views of a data set: its rows' lengths in tokens, and its profile as SVG.

Lengths are by a model's own tokenizer, without torch or transformers. The same profile gives the same bytes.
"""

from collections.abc import Sequence
from io import StringIO
from pathlib import Path
from typing import TYPE_CHECKING

from swap_assets.domain.formats.base import PromptStyle
from swap_assets.domain.formats.hermes import HERMES
from swap_assets.domain.formats.prompts import render_messages
from swap_assets.domain.model import Conversation
from swap_assets.domain.profile import DatasetProfile, LengthProfile, length_profile

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# A chat template's own tokens around a message: role, beginning and end marks. Phi-4-mini has 3, Llama 3.1 has 5.
_TOKENS_PER_MESSAGE = 5
_BATCH = 1000
_LABELS = ("domain", "single_turn", "multi_turn", "turn")
_BLUE, _RED = "#3b6ea5", "#b5483a"


def token_lengths(
    tokenizer_file: Path, conversations: Sequence[Conversation], *, name: str, style: PromptStyle = PromptStyle.HERMES,
    limit: int | None = None,
) -> LengthProfile:  # fmt: skip
    """Measure whole conversations in tokens as they would be trained on, by a `tokenizer.json`.

    The messages' text is counted exactly, the chat template's marks as 5 tokens a message. `limit` is the `max_length`
    of the model's training; `style` is how its prompts describe tools.
    """
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(str(tokenizer_file))
    tokenizer.no_padding()
    tokenizer.no_truncation()
    lengths: list[int] = []
    for start in range(0, len(conversations), _BATCH):
        batch = conversations[start : start + _BATCH]
        rendered = [
            render_messages(row.tools, row.turns, answer_format=HERMES, style=style, system=row.system) for row in batch
        ]
        texts = ["\n".join(message["content"] for message in messages) for messages in rendered]
        encoded = tokenizer.encode_batch_fast(texts, add_special_tokens=False)
        marks = [_TOKENS_PER_MESSAGE * len(messages) for messages in rendered]
        lengths += [len(tokens.ids) + more for tokens, more in zip(encoded, marks, strict=True)]
    return length_profile(name, lengths, unit="tokens", limit=limit)


def profile_svg(profile: DatasetProfile) -> str:
    """Return one SVG image: label counts on the left, a histogram for each measured length on the right."""
    import matplotlib as mpl
    from matplotlib.backends.backend_svg import FigureCanvasSVG
    from matplotlib.figure import Figure

    labels = [label for label in _LABELS if profile.labels.get(label)]
    rows = max(len(labels), len(profile.lengths), 1)
    with mpl.rc_context({"svg.hashsalt": "profile", "svg.fonttype": "none", "font.size": 8}):
        figure = Figure(figsize=(11, 2.1 * rows), layout="constrained")
        FigureCanvasSVG(figure)
        axes = figure.subplots(rows, 2, squeeze=False)
        for row in range(rows):
            left, right = axes[row]
            _draw_label(left, labels[row], profile) if row < len(labels) else left.set_axis_off()
            _draw_lengths(right, profile.lengths[row]) if row < len(profile.lengths) else right.set_axis_off()
        image = StringIO()
        figure.savefig(image, format="svg", metadata={"Date": None})
    return image.getvalue()


def _draw_label(axes: "Axes", label: str, profile: DatasetProfile) -> None:
    counts = profile.labels[label]
    axes.bar(list(counts), list(counts.values()), color=_BLUE)
    axes.set_title(f"{label} (cases)", loc="left")
    axes.tick_params(axis="x", rotation=30)


def _draw_lengths(axes: "Axes", lengths: LengthProfile) -> None:
    width = lengths.edges[1] - lengths.edges[0] if len(lengths.edges) > 1 else 1
    axes.bar(lengths.edges, lengths.counts, width=width, align="edge", color=_BLUE)
    title = f"{lengths.name} ({lengths.unit}), p50 {lengths.p50:,}, p95 {lengths.p95:,}"
    if lengths.limit is not None:
        axes.axvline(lengths.limit, color=_RED)
        title += f"; {lengths.over_limit:,} of {lengths.count:,} over {lengths.limit:,}"
    axes.set_title(title, loc="left")
