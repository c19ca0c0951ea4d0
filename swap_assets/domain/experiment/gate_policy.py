"""The gates' thresholds and what counts: typed form of `gates:` in the experiment file.

"points" are absolute (100 x a share), "percent of the LLM" is relative. The metrics that gates read are over the rows
on which a call is right; the rows on which none is have a rule of their own.
"""

from typing import Literal

from pydantic import Field, field_validator

from swap_assets.domain.metrics import METRICS, GateMetric, as_read
from swap_assets.domain.model import Frozen


class CoreMetric(Frozen):
    """A metric that gates read; `rate` is a share of rows, `score` a mean of per-row values in [0, 1]."""

    unit: Literal["rate", "score"]


class CallRule(Frozen):
    """What any candidate reaches by itself where a call is right: field F1 in percent, as `reads` reads it.

    Being level with the LLM is not enough where the LLM is bad. A candidate that measures below it fails, and to pass
    takes the whole 95 % interval. A model that never calls, or calls at random, is near 0.
    """

    floor_percent: float = Field(default=20.0, ge=0, le=100)


class NoCallRule(Frozen):
    """What any candidate reaches on the rows where no call is right: the share of them on which it makes none.

    So many percent at least, so many points behind the LLM at most; fewer than `rows` such rows block nothing.
    """

    floor_percent: float = Field(default=50.0, ge=0, le=100)
    margin_points: float = Field(default=10.0, ge=0, le=100)
    rows: int = Field(default=10, ge=1)


class FineTuneRule(Frozen):
    """Fine-tune when the SLM trails the LLM by more than so many points on any core metric."""

    trails_by_points: float = Field(default=10.0, ge=0, le=100)
    when_inconclusive: Literal["train", "skip"] = "train"


class ScaleUpRule(Frozen):
    """Scale up when a candidate reaches so many percent of the LLM on the primary metric."""

    reaches_percent: float = Field(default=90.0, gt=0, le=200)
    when_inconclusive: Literal["scale_up", "iterate"] = "scale_up"


class DistanceRule(Frozen):
    """The guide's "delta to the LLM <= 10 %", a success criterion and no gate.

    `points` reads it as LLM - SLM (80 % against 72 % is 8), `percent` in percent of the LLM's figure (it is 10).
    """

    at_most: float = Field(default=10.0, ge=0, le=100)
    unit: Literal["points", "percent"] = "points"


class ReleaseRule(Frozen):
    """Release when LLM - SLM is at most `max_delta_points` and the interval of SLM - LLM stays above -margin.

    Inconclusive evidence never releases, nor do sealed rows of which less than `real_share` are real (0 to 1): the
    others were generated. A pass waits for a person, who says so by `swap-assets approve` (`approval: command`), or
    there or in Dagster's UI (`ui`); `none` asks nobody.
    """

    max_delta_points: float = Field(default=0.0, ge=-100, le=100)
    margin_points: float = Field(default=5.0, ge=0, le=100)
    real_share: float = Field(default=0.5, ge=0, le=1)
    approval: Literal["command", "ui", "none"] = "command"


class GatePolicy(Frozen):
    """All gates. `reads` says whether they judge lenient calls (ability) or strict ones (ability and format)."""

    reads: Literal["lenient", "strict"] = "lenient"
    primary_metric: GateMetric = "field_f1"
    core_metrics: dict[GateMetric, CoreMetric] = Field(default_factory=lambda: {
        "field_f1": CoreMetric(unit="score"), "exact_match": CoreMetric(unit="rate"),
        "name_match": CoreMetric(unit="rate"),
    })  # fmt: skip
    calls: CallRule = CallRule()
    no_call: NoCallRule = NoCallRule()
    fine_tune: FineTuneRule = FineTuneRule()
    scale_up: ScaleUpRule = ScaleUpRule()
    llm_delta: DistanceRule = DistanceRule()
    release: ReleaseRule = ReleaseRule()

    @field_validator("core_metrics")
    @classmethod
    def _as_registered(cls, value: dict[str, CoreMetric]) -> dict[str, CoreMetric]:
        if not value:
            raise ValueError("name at least one core metric, for example {field_f1: {unit: score}}")
        for name, metric in value.items():
            if metric.unit != (unit := METRICS[name].unit):
                raise ValueError(f"{name} is a {unit}, no {metric.unit}: write {{unit: {unit}}}")
        return value

    @property
    def floor(self) -> str:
        """The metric that no candidate may be low in, under the reading that gates use."""
        return as_read("field_f1", self.reads)

    @property
    def primary(self) -> str:
        """The primary metric's name in a summary under the reading that gates use."""
        return as_read(self.primary_metric, self.reads)

    @property
    def core(self) -> tuple[str, ...]:
        """The core metrics' names in a summary under the reading that gates use."""
        return tuple(as_read(name, self.reads) for name in self.core_metrics)
