"""Who answers: engines that turn cases into prediction records.

Those for small models stand in `ENGINES`, by the name that a model's entry gives (`domain/experiment/engines.py`);
`hosted` is asked in the calling process.
"""

import time

from swap_assets.backends.engines.generation import Job, answer_cases, read_cases
from swap_assets.backends.engines.local import LocalEngine
from swap_assets.backends.engines.transformers import TransformersEngine
from swap_assets.backends.engines.vllm import VllmEngine
from swap_assets.backends.processes.reporting import Reporter
from swap_assets.backends.processes.specs import GenerateResult, GenerateSpec

ENGINES: dict[str, type[LocalEngine]] = {engine.name: engine for engine in (TransformersEngine, VllmEngine)}


def generate(spec: GenerateSpec, *, reporter: Reporter) -> GenerateResult:
    """Answer every case of a spec into `spec.output` and return the totals.

    Raises:
        ModelUnavailableError: the model or adapter is not there. RecordsError: the files of cases cannot be used.
        AnswerLimitError: `max_new_tokens` would cut an expected answer. OutOfRoomError: no row fits into memory.
        ConstraintError: answers are to be constrained and cannot be. ServingError: the vLLM server cannot be had.
    """
    began = time.monotonic()
    engine = ENGINES[spec.engine.kind](spec, reporter.line)
    job = Job(spec.candidate_id, spec.answer_format, spec.output, spec.reuse, spec.epoch)
    done = answer_cases(engine, read_cases(spec.cases_files), job, reporter=reporter)
    speed = done.asked / done.seconds / spec.engine.paid_cards if done.seconds else 0.0
    return GenerateResult(
        **engine.figures(), **{name: getattr(done, name) for name in ("prompt_hash", "asked", "reused", "seconds")},
        engine=engine.name, output=spec.output, cases=len(done.records),
        prompt_tokens=sum(record.usage.prompt_tokens for record in done.records),
        completion_tokens=sum(record.usage.completion_tokens for record in done.records),
        rows_per_second=round(speed, 2), total_seconds=round(time.monotonic() - began, 3),
    )  # fmt: skip
