"""Sections that say how good the candidates are: side by side, against criteria and LLM, by label, domain and form."""

from swap_assets.domain.formats.base import Track
from swap_assets.domain.metrics import metric_title, over_domains, shown_in
from swap_assets.domain.report import wording
from swap_assets.domain.report.comparison import Report
from swap_assets.domain.report.figures import ALL, failure_counts, pivot, select
from swap_assets.domain.report.tables import Frame, Section, Table, frame, section
from swap_assets.domain.report.verdict import WITHIN_POINTS, compared_in, surpasses, within
from swap_assets.domain.report.wording import ABSENT, IN_PERCENT, TRACK_TITLES

_VERDICTS = {"pass": "✓ passed", "fail": "✗ failed", "inconclusive": "? inconclusive", "not_measured": ABSENT}
_SPREAD = {"domain_deviation": "as measured", "domain_lowest": "lowest domain",
           "domain_deviation_corrected": "without sampling noise [95 % interval]"}  # fmt: skip
_OWN_SECTION = ("single_turn", "multi_turn", "domain", "", "failures", "wins", "tracks", "scales", "effort")


def candidates(report: Report, figures: Frame) -> Section:
    """Return who was compared, with the main figures."""
    absent = [(wording.display_name(note.candidate_id), note.status, note.reason or "no reason was kept")
              for note in report.candidates if note.status != "evaluated"]  # fmt: skip
    lead = ("Whole answers, field F1 and name match are over the rows on which a call is right; no-call accuracy is "
            "over the others.",)  # fmt: skip
    tables = [main_table(report, figures, track) for track in Track]
    tables.append(Table("not-evaluated", "Candidates that were not measured",
                        frame(("candidate", "status", "why"), absent)))  # fmt: skip
    plots = (("scores", "Field F1 of every candidate's tool calls with its 95 % interval; the figures are below."),)
    return section("candidates", "Candidates at a glance", *tables, lead=lead, plots=plots)


def main_table(report: Report, figures: Frame, track: Track) -> Table:
    """Return one track's comparison of all candidates; it has no rows where none was measured in it."""
    own = select(figures, track=track)
    ids, known = own["candidate_id"].unique(), set(own["metric"])
    versus = {item.candidate_id: item for item in compared_in(report.comparisons, report.metric, track)}
    shares = {name: f"{item.percent_of_llm:.0f} %" for name, item in versus.items() if item.percent_of_llm is not None}
    titles = {name: metric_title(name) for name in shown_in("main") if name in known}
    table = pivot(own, {"name": "candidate", "asked": "rows"}, titles)
    table["LLM − SLM, points"] = ["–" if name == report.llm_id else wording.points(versus.get(name)) for name in ids]
    table["of the LLM"] = ["–" if name == report.llm_id else shares.get(name, ABSENT) for name in ids]
    note = f"Answers are written as {', '.join(sorted(own['format'].unique()))}."
    return Table(f"main-{track.value}", f"{TRACK_TITLES[track]}: every candidate. {IN_PERCENT}", table, note=note)


def criteria(report: Report) -> Section:
    """Return all success criteria of every candidate with value, interval, threshold and verdict."""
    header = ("criterion", "verdict", "value [95 % interval]", "asked", "rows", "in words")
    best_first = sorted(report.criteria.items(), key=lambda entry: entry[0] != report.best_id)
    tables = (
        Table(f"criteria-{index}", f"Success criteria of {wording.display_name(candidate)}", frame(header, (
            (each.description, _VERDICTS[each.verdict], wording.criterion_value(each),
             wording.in_unit(each.threshold, each.unit), str(each.rows), each.sentence) for each in results
        )), folded=candidate != report.best_id)
        for index, (candidate, results) in enumerate(best_first, start=1)
    )  # fmt: skip
    found = {wording.display_name(key): [item.verdict for item in results] for key, results in report.criteria.items()}
    counts = ((name, *(verdicts.count(verdict) for verdict in _VERDICTS)) for name, verdicts in found.items())
    verdicts = ("candidate", "passed", "failed", "inconclusive", ABSENT)
    lead = ("Passed means that the whole 95 % interval reaches what is asked; failed, that none of it does; "
            "inconclusive, that too few rows were asked to tell.",)  # fmt: skip
    summary = Table("criteria-counts", "Criteria by verdict", frame(verdicts, counts))
    return section("criteria", "Success criteria", summary, *tables, lead=lead)


def llm_comparison(report: Report) -> Section:
    """Return every candidate's distance to the LLM on identical rows."""
    header = ("candidate", "metric", "SLM %", "LLM %", "LLM − SLM, points [95 % interval]",
              f"within {WITHIN_POINTS:g} points", "surpasses the LLM", "identical rows")  # fmt: skip
    rows = {
        track: [(wording.display_name(item.candidate_id), metric_title(item.metric), f"{100 * item.slm:.1f}",
                 f"{100 * item.llm:.1f}", wording.points(item), within(item), surpasses(item), item.rows)
                for item in sorted(report.comparisons, key=lambda item: wording.display_name(item.candidate_id))
                if item.track is track]
        for track in Track
    }  # fmt: skip
    caption = f"{{}}: distance to {wording.display_name(report.llm_id)}"
    tables = (Table(f"llm-{track.value}", caption.format(TRACK_TITLES[track]), frame(header, rows[track]))
              for track in Track)  # fmt: skip
    lead = ("Each candidate and the LLM are compared row by row on rows that both answered; positive points mean that "
            "the small model is behind.",)  # fmt: skip
    plots = (("comparison", "Points behind the LLM with 95 % intervals; the figures are in the tables below."),)
    return section("llm", "Against the LLM, on identical rows", *tables, lead=lead, plots=plots)


def by_label(figures: Frame, split: str, anchor: str, title: str) -> Section:
    """Return one test split by its labels; `anchor` is the section's id."""
    caption = f"{{}}: {title.lower()}. {IN_PERCENT}"
    tables = (Table(f"{anchor}-{track.value}", caption.format(TRACK_TITLES[track]), _labels(figures, split, track))
              for track in Track)  # fmt: skip
    words = f"Field F1 of tool calls by label, {title.lower()}; the figures are in the tables below."
    return section(anchor, title, *tables, plots=((split, words),))


def _labels(figures: Frame, split: str, track: Track) -> Frame:
    own = select(figures, split, track=track)
    own = own.assign(label=own["label"].map(lambda label: "all of them" if label == ALL else wording.spaced(label)))
    titles = {"rows": "rows", **{name: metric_title(name) for name in shown_in("labels")}}
    return pivot(own, {"label": "rows of kind", "name": "candidate"}, titles)


def other_splits(figures: Frame) -> Section:
    """Return real and synthetic rows apart, and the test splits without a section of their own."""
    names = sorted(set(figures["split"]) - set(_OWN_SECTION), key=lambda name: (name != "origin", name))
    tables = (
        Table(f"split-{name.replace('_', '-')}", f"Tool calls by {wording.spaced(name)}. {IN_PERCENT}",
              _labels(figures, name, Track.TOOLCALL), folded=name != "origin")
        for name in names
    )  # fmt: skip
    return section("splits", "Real and synthetic rows, and other splits", *tables)


def json_quality(figures: Frame) -> Section:
    """Return how clean the answers are."""
    table = pivot(select(figures, metrics=shown_in("json")), {"name": "candidate", "format": "form"},
                  {name: metric_title(name) for name in shown_in("json")})  # fmt: skip
    caption = f"JSON quality by candidate and form of answer. {IN_PERCENT}"
    return section("json", "JSON quality", Table("json-quality", caption, table))


def domains(figures: Frame) -> Section:
    """Return the heat map of field F1 over the domains, and how even candidates are."""
    titles = {name: _SPREAD.get(name, metric_title(name)) for name in over_domains()}
    spread = pivot(select(figures, metrics=over_domains()), {"name": "candidate", "form": "form"}, titles)
    caption = "How even candidates are over the domains (standard deviation of field F1, 0 to 1)"
    maps = (_heat_map(figures, track) for track in Track)
    return section("domains", "By domain", *maps, Table("domain-spread", caption, spread))


def _heat_map(figures: Frame, track: Track) -> Table:
    own = select(figures, "domain", track=track)
    own = own[own["label"] != ALL]
    found = own[own["metric"] == "field_f1"].set_index(["label", "name"])["value"]
    texts = found.map(lambda value: ABSENT if value is None else f"{100 * value:.0f}").unstack("name")
    texts = texts.reindex(columns=own["name"].unique()).sort_index().fillna(ABSENT)
    rows = own[own["metric"] == "rows"].groupby("label")["value"].last()
    texts.insert(0, "rows", rows.map(str))
    shown = texts.rename_axis(index="domain", columns=None).reset_index()
    note = "A domain has few rows; the table below says how much of the spread is more than chance."
    caption = f"{TRACK_TITLES[track]}: field F1 by domain, in percent"
    return Table(f"domains-{track.value}", caption, shown, note=note, heat=True)


def no_call(figures: Frame) -> Section:
    """Return how candidates do where no call is right."""
    wrong = ["called_when_it_should_not", "missing_call", "empty"]
    counts = failure_counts(figures).reindex(columns=wrong, fill_value=0)
    titles = {"no_call_accuracy": "right not to call"}
    found = select(figures, metrics=[*titles])
    table = pivot(found, {"name": "candidate", "form": "form", "n": "rows"}, titles)
    table["called all the same"] = counts["called_when_it_should_not"].to_list()
    table["silent where a call was right"] = (counts["missing_call"] + counts["empty"]).to_list()
    lead = ("A model that calls a function when it should ask back or answer in words does harm by itself.",)
    shown = Table("no-call", f"Rows on which no call is right. {IN_PERCENT}", table)
    return section("no-call", "Knowing when not to call", shown, lead=lead)


def tracks(figures: Frame) -> Section:
    """Return structured answers against tool calls on identical rows."""
    titles = {"structured": "structured", "toolcall": "tool calls",
              "difference": "structured − tool calls, points [95 % interval]"}  # fmt: skip
    table = pivot(select(figures, "tracks"), {"name": "candidate", "n": "rows"}, titles)
    table = table[[*table.columns.drop("rows"), "rows"]]
    caption = "The same rows answered in both forms: field F1 in percent"
    return section("tracks", "Structured answers against tool calls", Table("tracks", caption, table))
