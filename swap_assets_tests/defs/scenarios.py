"""Recorded evidence for the sensors: evaluations and decisions written into a folder, on a real ephemeral instance."""

import dagster as dg

from swap_assets.definitions import resources_of
from swap_assets.defs.gates import sensors
from swap_assets.defs.resources.store import ExperimentStore
from swap_assets.domain.gates.fine_tune import fine_tune
from swap_assets.domain.gates.replacement import release
from swap_assets.domain.gates.scale_up import scale_up
from swap_assets.domain.judging.decisions import Decision
from swap_assets.domain.keys import Candidate, base, hosted, tuned
from swap_assets.domain.scoring.evaluation import Evaluation
from swap_assets_tests.domain.evaluations import evaluation, shares

ROWS = 100
MODELS = ("little", "little-r4")
SENSORS_BY_NAME = {sensor.name: sensor for sensor in sensors()}


class Scenario:
    """An experiment that has come so far; the numbers are right answers of a hundred rows."""

    def __init__(self, instance: dg.DagsterInstance) -> None:
        self.instance, self.store = instance, ExperimentStore()
        self.resources = resources_of(self.store)

    def root(self, version: str = "v1") -> None:
        """Report the conversations as materialised, with a data version."""
        self.instance.report_runless_asset_event(
            dg.AssetMaterialization("hermes_conversations", tags={"dagster/data_version": version})
        )

    def tracks(self, version: str, scale: str = "tiny") -> None:
        """Report a scale's training rows as materialised, with a data version."""
        for name in ("structured_track", "toolcall_track"):
            self.instance.report_runless_asset_event(
                dg.AssetMaterialization(name, partition=scale, tags={"dagster/data_version": version})
            )

    def measure(self, candidate: Candidate, right: int) -> None:
        """Record a candidate's evaluation."""
        value = evaluation(candidate, shares(right, ROWS))
        self.store.write(candidate.evaluation_asset, candidate.evaluation_partition, value, kind=Evaluation)

    def baselines(self, *, llm: int, slm: int, scale: str = "tiny") -> None:
        """Record the LLM and every untouched model, and decide on training."""
        self.measure(hosted("big", scale), llm)
        for model in self.store.experiment.models:
            self.measure(base(model, scale), slm)
        self.decide_training(scale)

    def decide_training(self, scale: str = "tiny") -> None:
        """Decide on every model's training from what is recorded."""
        evidence = self.store.evidence(scale)
        for model in self.store.experiment.models:
            self.decide(fine_tune(evidence.base(model), evidence.llm, self.store.experiment.gates))

    def trained(self, right: dict[tuple[str, str], int], scale: str = "tiny") -> None:
        """Record what tuned candidates answered, by model and approach."""
        for (model, approach), count in right.items():
            self.measure(tuned(model, scale, approach), count)

    def decide_scale_up(self, scale: str = "tiny") -> Decision:
        """Decide on scaling up from what is recorded."""
        evidence, experiment = self.store.evidence(scale), self.store.experiment
        following = experiment.next_scale(scale)
        made = scale_up(evidence.contenders(), evidence.llm, experiment.gates, scale=scale, next_scale=following)
        return self.decide(made)

    def decide_release(self, model: str, scale: str, *, sealed: int | None) -> Decision:
        """Decide on a release; `sealed` are the candidate's right answers where the LLM has all right."""
        evidence = self.store.evidence(scale)
        candidates, llm = evidence.of_model(model), evidence.llm
        opened = None
        if sealed is not None:
            best = max((one for one in candidates if one.status == "evaluated"), key=lambda one: one.candidate.id)
            opened = (evaluation(best.candidate, shares(sealed, ROWS)), evaluation(llm.candidate, shares(ROWS, ROWS)))
        policy = self.store.experiment.gates
        return self.decide(release(candidates, llm, policy, model=model, scale=scale, sealed=opened))

    def decide(self, decision: Decision) -> Decision:
        """Record a decision."""
        made = decision.model_copy(update={"decided_at": self.store.now()})
        self.store.write(decision.name, decision.partition, made, kind=Decision)
        return made

    def ask(self, sensor: str) -> list[dg.RunRequest] | str:
        """Return what a sensor requests, or why it skips."""
        context = dg.build_sensor_context(instance=self.instance, resources={"store": self.store})
        answer = SENSORS_BY_NAME[sensor](context)
        if isinstance(answer, dg.SkipReason):
            return answer.skip_message or ""
        assert isinstance(answer, list)
        return answer

    def asked(self, sensor: str) -> list[tuple[str | None, str | None]]:
        """Return job and partition of each run that a sensor requests."""
        answer = self.ask(sensor)
        return [] if isinstance(answer, str) else [(one.job_name, one.partition_key) for one in answer]

    def run(self, sensor: str, status: dg.DagsterRunStatus = dg.DagsterRunStatus.SUCCESS) -> int:
        """Record the runs that a sensor requests, as the daemon would, with a status; return how many."""
        answer = self.ask(sensor)
        if isinstance(answer, str):
            return 0
        for one in answer:
            tags = {**one.tags, "dagster/run_key": one.run_key or "", "dagster/partition": one.partition_key or ""}
            self.instance.add_run(dg.DagsterRun(job_name=one.job_name or "", status=status, tags=tags))
        return len(answer)


def nothing_left_to_do(scenario: Scenario) -> None:
    """Record a whole experiment: everything measured, decided, and acted on by every sensor."""
    experiment = scenario.store.experiment
    scenario.root()
    for scale in experiment.scales:
        scenario.tracks("v1", scale)
        scenario.baselines(llm=100, slm=20, scale=scale)
        scenario.trained({(model, name): 100 for model in experiment.models for name in experiment.approaches}, scale)
        scenario.decide_scale_up(scale)
    for model in experiment.models:
        scenario.decide_release(model, scale, sealed=60)
    while sum(scenario.run(name) for name in SENSORS_BY_NAME):
        pass


def trained_all(scenario: Scenario, right: int, scale: str = "tiny") -> None:
    """Record the evaluations of every model's adapters, all equally good."""
    scenario.trained({(model, approach): right for model in MODELS for approach in ("paper", "fledgling")}, scale)


def at_the_last_scale(scenario: Scenario, right: int = 100) -> None:
    """Record everything up to the last scale's decision to scale up."""
    scenario.root()
    for scale in ("tiny", "small"):
        scenario.baselines(llm=100, slm=20, scale=scale)
        trained_all(scenario, right, scale)
        scenario.decide_scale_up(scale)
