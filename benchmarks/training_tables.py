"""What the training benchmark prints: rates and memory, rows lost, loss curves side by side."""

from __future__ import annotations

from collections.abc import Sequence

from benchmarks.training_rows import Lengths
from benchmarks.training_ways import Measured, OutOfMemory, Way

OPERATIONS = 4  # a frozen weight and token: forward, and backward to what it was given
Result = Measured | OutOfMemory


def speed_table(
    chosen: Sequence[Way], results: Sequence[Result], lengths: Lengths, *, card: tuple[int, float | None] | None
) -> str:
    """Return rates and memory; `card` are the frozen weights in the layers' maps and the card's operations a second."""
    columns = ["way", "tokens/s", "trained tokens/s", "against plain trl", "against the row above", "peak MB", "before"]
    columns += ["utilisation"] if card else []
    lines = [f"| {' | '.join(columns)} |", "|" + " --- |" * len(columns)]
    first = above = None
    for way, result in zip(chosen, results, strict=True):
        if isinstance(result, OutOfMemory):
            lines.append(f"| {way.label} | out of memory: {result.plan} |" + " |" * (len(columns) - 2))
            continue
        rate = lengths.tokens / sum(result.seconds)
        first, above = first or rate, above or rate
        cells = [f"{rate:,.0f}", f"{rate * lengths.trained / lengths.tokens:,.0f}", f"{rate / first:.2f}x"]
        cells += ["" if way.packing else f"{rate / above:.2f}x", f"{result.peak_mb:,}", f"{result.start_mb:,}"]
        if card:
            frozen, peak = card
            cells.append(f"{OPERATIONS * frozen * rate / peak:.0%}" if peak else "card not known")
        lines.append(f"| {way.label} ({result.plan}) | " + " | ".join(cells) + " |")
        above = rate
    return "\n".join(lines)


def lost_rows(chosen: Sequence[Way], results: Sequence[Result], lengths: Lengths) -> str:
    """Return how many rows vanished without a word, in plain trl and in ours."""
    cap, other = lengths.lost
    text = f"\nThe cap of {cap} takes the whole answer of {lengths.lost[cap]} of {lengths.read} rows"
    text += f" (trl's default, {other}: of {lengths.lost[other]}, and cuts {lengths.cut[other]}). Lost without a word: "
    silent = [
        f"{lengths.read - result.rows - result.told} in {'ours' if way.ours else way.label}"
        for way, result in zip(chosen, results, strict=True)
        if isinstance(result, Measured) and not way.packing and (way.ours or way is chosen[0])
    ]
    return text + ", ".join(silent) + "; ours counts and shows them."


def curves_agree(chosen: Sequence[Way], results: Sequence[Result], *, tolerance: float, target: float) -> bool:
    """Print the loss curves side by side, and return whether they agree; packed ones are of another recipe."""
    same = [
        (way, result)
        for way, result in zip(chosen, results, strict=True)
        if isinstance(result, Measured) and not way.packing
    ]
    print("\n| step | " + " | ".join(way.label for way, _ in same) + " |\n|" + " --- |" * (len(same) + 1))
    for step, losses in enumerate(zip(*(result.losses for _, result in same), strict=False), start=1):
        print(f"| {step} | " + " | ".join(f"{loss:.5f}" for loss in losses) + " |")
    worst = difference([result.losses for _, result in same])
    agree = worst <= tolerance
    print(f"\nlargest difference {worst:.1e} nats, {'within' if agree else 'BEYOND'} {tolerance:.0e}", flush=True)
    ours = [sum(result.seconds) for way, result in same if way.ours]
    if ours and not same[0][0].ours:
        print(f"ours is {sum(same[0][1].seconds) / ours[0]:.2f}x as fast as {same[0][0].label}, the target {target}x")
    return agree


def difference(curves: Sequence[Sequence[float]]) -> float:
    """Return the largest distance of any curve to the first at the same step; infinite where their lengths differ."""
    if not curves or len({len(curve) for curve in curves}) != 1 or not curves[0]:
        return float("inf")
    return max(abs(one - first) for curve in curves for one, first in zip(curve, curves[0], strict=True))
