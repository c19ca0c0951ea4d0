"""Before anything starts: what a file of rows holds, an experiment file for it, what it would cost, and is all there.

`swap-assets profile`, `init` and `new` need no clone of the repository; `plan` and `doctor` start nothing.
"""

import json
import os
import re
import shutil
from pathlib import Path
from typing import Annotated

import typer
import yaml
from rich.console import Console
from rich.table import Column, Table

from swap_assets.backends.datasets.loading import load_source, try_splits, without_download
from swap_assets.backends.models.preflight import examine
from swap_assets.backends.models.provenance import Finding
from swap_assets.backends.processes.hardware import gpus
from swap_assets.backends.store.experiment_file import CONFIG_VARIABLE, experiment_path, storage_root
from swap_assets.backends.store.whole import DamagedError, read_json
from swap_assets.cli.environment import PROJECT, Config, experiment_or_exit, fail
from swap_assets.domain.experiment.experiment import Experiment, ExperimentError, parse_experiment
from swap_assets.domain.experiment.gpu_hours import card_named
from swap_assets.domain.experiment.plan import HERMES_LENGTHS, Plan, TextLengths, build_plan, measured_lengths
from swap_assets.domain.experiment.sources import LoadedSource, LocalSource, Notices
from swap_assets.domain.profile import ProposedSizes, profile_markdown, profile_source, propose_sizes
from swap_assets.domain.splits.capabilities import eval_cases
from swap_assets.domain.splits.leakage_index import LeakageIndex, repetitions
from swap_assets.domain.splits.similarity import requests_in

_SEED = 42
_TOLD_EVERY = 500  # rows between two updates of the count on the terminal
_MANY_ROWS = 20_000  # from here on looking for near-duplicates takes more than ten seconds
_COLOURS = {"ok": "green", "warn": "yellow", "fail": "red"}


def init(
    log: Annotated[list[Path], typer.Option("--from", help="the log: OpenAI chat completions, Hermes, glaive or BFCL")],
    out: Annotated[Path, typer.Option(help="the experiment file to write")] = Path("my-agent.yaml"),
    template: Annotated[
        Path | None, typer.Option(help="the experiment file that models, approaches and gates are taken from")
    ] = None,
    force: Annotated[bool, typer.Option(help="replace the file if it is there")] = False,
) -> None:
    """Profile your own log and write an experiment file for it."""
    if out.exists() and not force:
        raise fail(f"{out} is there already; give --force to replace it or --out for another name")
    source = LocalSource(path=tuple(map(str, log)), origin="production")
    loaded = load_visibly(source)
    proposed = propose_sizes(loaded.conversations, seed=_SEED)
    here = experiment_path()  # the file in force, or the package's where none is named and none lies here
    in_force = here if os.environ.get(CONFIG_VARIABLE) or here.exists() else PROJECT / "swap.yaml"
    # A name that partition keys and folders can hold.
    name = re.sub(r"[^a-z0-9]+", "-", out.stem.lower()).strip("-") or "my-agent"
    text = _experiment_text(template or in_force, name, source, proposed)
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(text, encoding="utf-8")
    typer.echo(profile_markdown(profile_source(loaded)))
    sizes = "; ".join(f"{name} {one.train}/{one.validation}/{one.test}" for name, one in proposed.scales.items())
    typer.echo(f"Wrote {out}: train/validation/test {sizes}, release test {proposed.release_test}.")
    typer.echo(f"Next: set hosted_model to the model that made this log, then  swap-assets plan --config {out}")


def _experiment_text(template: Path, name: str, source: LocalSource, proposed: ProposedSizes) -> str:
    """Return the template with its data replaced, all else as it stands; one that is unusable ends the command."""
    try:
        text = template.read_text(encoding="utf-8")
    except OSError as error:
        raise fail(
            f"cannot read the experiment file {template} ({error.strerror}), whose models and gates would be taken; "
            "give --template"
        ) from None
    blocks = {"name": name, "storage": f".swap/{name}",
              "source": {"kind": "local"} | source.model_dump(mode="json", exclude_defaults=True),
              "scales": {key: sizes.model_dump(exclude_unset=True) for key, sizes in proposed.scales.items()},
              "release_test": proposed.release_test}  # fmt: skip
    for key, value in blocks.items():
        text = replace_block(text, key, value)
    try:
        parse_experiment(yaml.safe_load(text))
    except (ExperimentError, yaml.YAMLError) as error:
        raise fail(f"{template} is no template for this log: {error}") from None
    return text


def replace_block(text: str, key: str, value: object) -> str:
    """Replace a top-level key of a YAML text with its indented lines; a key that is not there is put at the end."""
    if isinstance(value, dict):  # JSON is YAML too; a line for each entry reads like the file around it
        lines = (f"  {name}: {json.dumps(inner, ensure_ascii=False)}\n" for name, inner in value.items())
        block = f"{key}:\n" + "".join(lines)
    else:
        block = f"{key}: {value}\n"
    pattern = re.compile(rf"^{re.escape(key)}:.*\n(?:(?:[ \t].*)?\n)*", re.MULTILINE)
    found = pattern.search(text)
    if found is None:
        return f"{text.rstrip()}\n\n{block}"
    blank = "\n" if found.group(0).endswith("\n\n") else ""
    return text[: found.start()] + block + blank + text[found.end() :]


def new(folder: Annotated[Path, typer.Argument(help="where to lay the files; it is made if it is not there")]) -> None:
    """Lay down swap.yaml, workspace.yaml, dagster.yaml and .env.example."""
    wanted = sorted(PROJECT.iterdir())
    there = [file.name for file in wanted if (folder / file.name).exists()]
    if there:
        raise fail(f"{folder} holds {', '.join(there)} already; name another folder, or move those files away")
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise fail(f"cannot make the folder {folder} ({error.strerror}); name another one") from None
    for file in wanted:
        shutil.copyfile(file, folder / file.name)
    typer.echo(f"Laid down in {folder}: {', '.join(file.name for file in wanted)}.")
    typer.echo(f"Next: cd {folder}, set hosted_model and models in swap.yaml, then  swap-assets doctor")


def profile(
    files: Annotated[
        list[Path],
        typer.Argument(help="JSON, JSON Lines or Parquet, gzipped or not: Hermes, glaive, OpenAI logs, BFCL"),
    ],
    svg: Annotated[Path | None, typer.Option(help="also draw labels and lengths into this SVG file")] = None,
    against: Annotated[
        Path | None, typer.Option(help="the leakage index of an experiment: name the rows that repeat its test rows")
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="print the numbers as JSON")] = False,
) -> None:
    """Print counts per label, repairs, duplicates and lengths; what can't be read is counted by its reason."""
    loaded = load_visibly(LocalSource(path=tuple(map(str, files))))
    made = profile_source(loaded, look_for_near_duplicates=loaded.rows_in < _MANY_ROWS)
    typer.echo(made.model_dump_json(indent=2) if json else profile_markdown(made), nl=json)
    if svg is not None:
        from swap_assets.backends.datasets.views import profile_svg

        svg.write_text(profile_svg(made), encoding="utf-8")
    if against is not None:
        _tell_repetitions(against, loaded)


def _tell_repetitions(index_file: Path, loaded: LoadedSource) -> None:
    """Print which rows repeat a test row; any makes the command end with code 1, so that a script can stop there."""
    try:
        index = read_json(index_file, LeakageIndex.model_validate_json, again="materialise dataset_split again")
    except DamagedError as error:
        raise fail(str(error)) from None
    except (OSError, ValueError):
        raise fail(
            f"{index_file} is no leakage index; it lies in the experiment's folder under work/leakage_index, named "
            "after the scale, once dataset_split has been materialised"
        ) from None
    found = repetitions(index, loaded.conversations)
    for item in found:
        told = f"{item.conversation_id} repeats test row {item.test_id} (similarity {item.similarity:.2f})"
        typer.echo(told, err=True)
    counts = f"{len(found)} of {len(loaded.conversations)} rows repeat one of {len(index.fingerprints)} test rows"
    typer.echo(counts, err=True)
    if found:
        raise typer.Exit(1)


def load_visibly(source: LocalSource) -> LoadedSource:
    """Load a source with a count of rows on the terminal; a SourceError says in one sentence what to do."""
    with Console(stderr=True).status("reading") as status:

        def tell(rows: int) -> None:
            if rows % _TOLD_EVERY == 0:
                status.update(f"{rows:,} rows read")

        return load_source(source, progress=tell)


def plan(config: Config = None) -> None:
    """Print calls, tokens, cost, GPU hours and waiting time of an experiment; nothing is started or downloaded."""
    experiment = experiment_or_exit(config)
    lengths = _lengths(experiment)  # ends the command where the rows can't fill the sizes
    found = [card for card in (card_named(gpu.name) for gpu in gpus()) if card]
    card = found[0] if found else card_named(experiment.prices.card)
    assert card  # the experiment file was checked
    made = build_plan(experiment, lengths, card)
    console = Console()
    size = f"{len(experiment.models)} models x {len(experiment.scales)} scales"
    console.print(f"[bold]{experiment.name}[/]: {size}, beside {experiment.hosted_model.key}")
    console.print(f"Text lengths: {made.lengths.basis}. Calls are an upper bound.\n")
    console.print(_answers(experiment, made))
    console.print(_trainings(made))
    if made.gpu_hours is None or made.wall_hours is None:
        return
    cost = "" if made.gpu_cost is None else f", {made.gpu_cost:.2f} {experiment.prices.currency}"
    console.print(
        f"GPU time in all, if every gate opens: {made.gpu_hours:.1f} hours on {card.name}"
        f"{' (this machine)' if found else ' (prices.card)'}{cost}; done in {made.wall_hours:.1f} hours with at most "
        f"{made.cards} card{'s' * (made.cards > 1)} at work (gpus, model_processes).",
        highlight=False,
    )


def _lengths(experiment: Experiment) -> TextLengths:
    """Split the sources' rows for every scale and measure them; rows that lie on the hub are taken by their medians."""
    if not without_download(experiment.all_sources):
        typer.echo("The rows are not on this machine yet, so the split is not tried.")
        return HERMES_LENGTHS
    loaded, splits = try_splits(experiment)
    notices = Notices.of(loaded)
    typer.echo("\n".join(filter(None, (notices.warning, f"Source: {notices.source}"))))
    rows = {row.id: row for row in loaded.conversations}
    for scale, split in splits.items():
        asked = sum(len(eval_cases(rows[name])) for name in split.test)
        different = requests_in(rows[name] for name in split.train)
        typer.echo(
            f"{scale}: {len(split.train)} train (of {different} different requests), {len(split.validation)} "
            f"validation, {len(split.test)} test rows, asked {asked} times in each track; "
            f"{'; '.join((split.told_of_cut, *split.short))}"
        )
    return measured_lengths(loaded.conversations)


def _answers(experiment: Experiment, made: Plan) -> Table:
    table = Table("what", Column("LLM calls", no_wrap=True), "tokens in, out", "cost", "local answers", "GPU hours")
    for scale, estimate in made.hosted.items():
        cost = "no price" if estimate.cost is None else f"{estimate.cost:.2f} {experiment.prices.currency}"
        tokens = f"{estimate.prompt_tokens:,}, {estimate.completion_tokens:,}"
        local = (f"{made.local_answers[scale]:,}", _hours(made.answering[scale]))
        table.add_row(scale, f"{estimate.calls:,}", tokens, cost, *local)
    return table


def _trainings(made: Plan) -> Table:
    table = Table("training", "adapters x rows x epochs", "trains", "GPU hours")
    for item in made.trainings:
        amount = f"{item.adapters} x {item.rows} x {item.epochs}"
        table.add_row(f"{item.model} at {item.scale}, {item.approach}", amount, item.condition, _hours(item.gpu_hours))
    return table


def _hours(hours: float | None) -> str:
    return "–" if hours is None else f"{hours:.2f}"


def doctor(
    config: Config = None,
    rows: Annotated[bool, typer.Option("--rows", help="print the first row of each kind, trained text in ⟦⟧")] = False,
) -> None:
    """Check Python, disk, memory, GPU, keys (never printing one), hub, source and ports; ask the hosted model once."""
    experiment = experiment_or_exit(config)
    findings = [*examine(experiment, config or experiment_path()), *_pools_in_use(experiment)]
    table = Table("", "what", "detail", box=None, pad_edge=False)
    for finding in findings:
        table.add_row(f"[{_COLOURS[finding.state]}]{finding.state}[/]", finding.what, finding.detail)
    Console().print(table)
    for text in (finding.rows for finding in findings if rows and finding.rows):
        typer.echo(f"\n{text}")
    failed = [finding for finding in findings if finding.state == "fail"]
    typer.echo(f"{len(failed)} of {len(findings)} need your attention." if failed else "Everything needed is here.")
    raise typer.Exit(1 if failed else 0)


def _pools_in_use(experiment: Experiment) -> list[Finding]:
    """Say who works, and so lets others wait; runs that were killed have been freed by now."""
    if not (home := storage_root(experiment) / "dagster").exists():
        return []
    import dagster as dg

    from swap_assets.defs.lost_runs import holders

    with dg.DagsterInstance.from_config(str(home)) as instance:
        pools = sorted(instance.event_log_storage.get_concurrency_keys())
        return [Finding(f"pool {pool}", "ok", told) for pool in pools if (told := holders(instance, pool))]
