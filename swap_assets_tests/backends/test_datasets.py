import contextlib
import gzip
import json
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from swap_assets.backends.datasets.files import SourceError
from swap_assets.backends.datasets.loading import load_source, load_sources
from swap_assets.backends.store.artefacts import read_rows, write_rows
from swap_assets.domain.experiment.sources import LocalSource, SyntheticSource
from swap_assets.domain.model import Conversation
from swap_assets.domain.synthetic.generator import GeneratorSettings
from swap_assets_tests.domain.data_rows import LIGHT_CALL, call_text, hermes_row

ROWS = [hermes_row(call_text(LIGHT_CALL), human=f"Light {index}.", id=str(index)) for index in range(4)]
LINES = "".join(json.dumps(row) + "\n" for row in ROWS)


def _load(path: Path | str, **options):
    return load_source(LocalSource(path=str(path), **options))


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.jsonl", LINES.encode()),
        ("a.json", json.dumps(ROWS).encode()),
        ("b.json", json.dumps({"data": ROWS}, indent=1).encode()),
        ("c.json", b"\xef\xbb\xbf" + LINES.encode()),
        ("d.json", LINES.replace("\n", "\r\n\r\n").encode()),
        ("a.jsonl.gz", gzip.compress(LINES.encode())),
        ("strange.ending", gzip.compress(json.dumps(ROWS).encode())),
    ],
)
def test_json_and_json_lines_are_read_gzipped_or_not_whatever_the_ending(tmp_path: Path, name, content):
    (tmp_path / name).write_bytes(content)
    loaded = _load(tmp_path / name)
    assert [row.turns[0].text for row in loaded.conversations] == [f"Light {index}." for index in range(4)]
    assert [row.provenance.row for row in loaded.conversations] == [0, 1, 2, 3]
    assert loaded.balanced


def test_several_sources_are_one_and_a_row_that_two_of_them_have_stands_once(tmp_path: Path):
    log = [hermes_row(call_text(LIGHT_CALL), human=text) for text in ("Light 1.", "Light of mine.")]
    for name, rows in (("hub.jsonl", ROWS), ("log.jsonl", log)):
        (tmp_path / name).write_text("".join(json.dumps(row) + "\n" for row in rows))
    sources = [
        LocalSource(name="hub", path=str(tmp_path / "hub.jsonl")),
        LocalSource(name="team", path=str(tmp_path / "log.jsonl"), origin="production"),
        SyntheticSource(name="made", generator=GeneratorSettings(rows=3)),
    ]
    loaded = load_sources(sources)
    places = [(row.provenance.source, row.provenance.origin) for row in loaded.conversations]
    assert places == [("hub", "real")] * 4 + [("team", "production")] + [("made", "synthetic")] * 3
    assert [(row.source, row.reason) for row in loaded.quarantined] == [("team", "exact_duplicate")]
    assert loaded.balanced and loaded.rows_in == 9
    assert loaded.notes == ("hub: 4 rows", "team: 2 rows", "made: 3 rows")


def test_parquet_is_read(tmp_path: Path):
    import pyarrow as pa
    import pyarrow.parquet as pq

    pq.write_table(pa.Table.from_pylist(ROWS), tmp_path / "a.parquet")
    assert len(_load(tmp_path / "a.parquet").conversations) == 4


def test_trap_arrow_fills_missing_keys_with_none_and_they_are_left_out_again(tmp_path: Path):
    import pyarrow as pa
    import pyarrow.parquet as pq

    def tool(name: str, **properties: dict) -> dict:
        return {"name": name, "description": "d", "parameters": {"type": "object", "properties": properties}}

    tools = [tool("a", x={"type": "string"}), tool("b", y={"type": "integer", "minimum": 1})]
    messages = [{"role": "user", "content": "go"}, {"role": "assistant", "content": "Which?"}]
    pq.write_table(pa.Table.from_pylist([{"messages": messages, "tools": tools}]), tmp_path / "a.parquet")
    (row,) = _load(tmp_path / "a.parquet").conversations
    assert [spec.parameters["properties"] for spec in row.tools] == [
        {"x": {"type": "string"}},
        {"y": {"type": "integer", "minimum": 1}},
    ]


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.sampled_from([b"", b"\x1f\x8b\x08\x00", b"PAR1", b"[", b"{", b'{"messages": ', b"\xff\xfe"]),
    st.binary(max_size=60),
)
def test_any_bytes_are_rows_or_one_sentence_and_never_a_traceback(tmp_path: Path, head: bytes, rest: bytes):
    for content in (head + rest, gzip.compress(head + rest), gzip.compress(LINES.encode())[: len(rest) + 20] + rest):
        (tmp_path / "x").write_bytes(content)
        with contextlib.suppress(SourceError):
            assert _load(tmp_path / "x").balanced


def test_one_row_as_a_json_object_is_a_row(tmp_path: Path):
    (tmp_path / "a.json").write_text(json.dumps(ROWS[0], indent=2))
    assert len(_load(tmp_path / "a.json").conversations) == 1


def test_a_line_separator_inside_a_string_does_not_end_the_line(tmp_path: Path):
    row = hermes_row(call_text(LIGHT_CALL), human="one\u2028two")
    (tmp_path / "a.jsonl").write_text(json.dumps(row, ensure_ascii=False), encoding="utf-8")
    assert _load(tmp_path / "a.jsonl").conversations[0].turns[0].text == "one\u2028two"


def test_every_row_is_kept_or_quarantined_with_its_reason(tmp_path: Path):
    (tmp_path / "a.jsonl").write_text(LINES + '{"half": \n\n[1]\n{"text": "x"}\n' + json.dumps(ROWS[0]) + "\n")
    loaded = _load(tmp_path / "a.jsonl")
    assert loaded.rows_in == 8
    assert len(loaded.conversations) == 4
    assert [row.reason for row in loaded.quarantined] == [
        "line_not_json",
        "not_an_object",
        "unknown_shape",
        "exact_duplicate",
    ]
    assert loaded.balanced


def test_globs_name_several_files_and_the_stem_is_the_config(tmp_path: Path):
    for name, row in (("b.x.jsonl", ROWS[0]), ("a.jsonl", ROWS[1])):
        (tmp_path / name).write_text(json.dumps(row))
    loaded = _load(tmp_path / "*.jsonl", origin="production")
    assert [row.provenance.config for row in loaded.conversations] == ["a", "b"]
    assert {row.provenance.origin for row in loaded.conversations} == {"production"}


def test_a_log_that_repeats_earlier_turns_in_every_line_gives_whole_conversations_only(tmp_path: Path):
    turns = [{"role": role, "content": f"{role} {index}"} for index in range(3) for role in ("user", "assistant")]
    lines = [json.dumps({"messages": turns[:end]}) for end in (2, 4, 6)]
    (tmp_path / "log.jsonl").write_text("\n".join(lines))
    loaded = _load(tmp_path / "log.jsonl", origin="production")
    assert [len(row.turns) for row in loaded.conversations] == [6]
    assert [row.reason for row in loaded.quarantined] == ["continued_elsewhere"] * 2
    assert "is continued by row 1 of log" in loaded.quarantined[0].detail
    assert loaded.balanced
    assert len(_load(tmp_path / "log.jsonl").conversations) == 3


def test_max_rows_reads_only_the_first_rows(tmp_path: Path):
    (tmp_path / "a.jsonl").write_text(LINES)
    assert _load(tmp_path / "a.jsonl", max_rows=2).rows_in == 2


def test_trap_configs_do_not_share_columns_so_each_is_read_by_its_own_file(tmp_path: Path):
    schema = {"title": "Film", "type": "object", "properties": {"year": {"type": "integer"}}}
    json_mode = hermes_row('{"year": 1}', system="Answer in JSON.") | {
        "schema": json.dumps(schema),
        "__index_level_0__": 3,
    }
    (tmp_path / "func_calling.json").write_text(json.dumps(ROWS))
    (tmp_path / "json_mode.json").write_text(json.dumps([json_mode]))
    loaded = _load(tmp_path / "*.json")
    assert len(loaded.conversations) == 5
    assert loaded.conversations[-1].tools[0].name == "Film"


def test_trap_strings_that_look_like_numbers_dates_or_objects_stay_strings_from_file_to_store(tmp_path: Path):
    arguments = {"zip": "02139", "flag": "true", "day": "2024-05-01T00:00:00", "mixed": ["1", 1, "{}"], "room": "x"}
    row = hermes_row(call_text({"name": "set_light", "arguments": arguments}))
    (tmp_path / "a.jsonl").write_text(json.dumps(row))
    rows = _load(tmp_path / "a.jsonl").conversations
    (read,) = read_rows(write_rows(tmp_path / "s.parquet", rows, Conversation), Conversation)
    assert json.dumps(read.turns[1].calls[0].arguments) == json.dumps(arguments)


def test_bfcl_answers_are_found_beside_the_questions(tmp_path: Path):
    row = {"id": "s_0", "question": [[{"role": "user", "content": "go"}]], "function": [{"name": "f"}]}
    (tmp_path / "possible_answer").mkdir()
    (tmp_path / "B.json").write_text(json.dumps(row))
    (tmp_path / "possible_answer" / "B.json").write_text(json.dumps({"id": "s_0", "ground_truth": [{"f": {"a": [1]}}]}))
    assert _load(tmp_path / "B.json").conversations[0].turns[1].calls[0].arguments == {"a": 1}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "there is no file .*correct `path`"),
        (b"", "is empty; give"),
        (b"[]", "holds no rows"),
        (b"name,age\n", "neither JSON, JSON Lines nor Parquet"),
        (b'{"text": "x"}\n', "none of the 1 rows .* can be read .*expected rows with `conversations`"),
        (b"\x1f\x8b broken", "damaged gzip"),
        (b"PAR1 broken", "damaged Parquet"),
    ],
)
def test_a_source_that_cannot_be_used_is_one_sentence_that_says_what_to_do(tmp_path: Path, content, message):
    if content is not None:
        (tmp_path / "a.json").write_bytes(content)
    with pytest.raises(SourceError, match=message) as error:
        _load(tmp_path / "a.json")
    assert "\n" not in str(error.value)


def test_a_folder_is_refused_with_a_hint(tmp_path: Path):
    with pytest.raises(SourceError, match="is a folder"):
        _load(tmp_path)


def test_the_generator_is_a_source_and_progress_is_told(tmp_path: Path):
    seen: list[int] = []
    loaded = load_source(SyntheticSource(generator=GeneratorSettings(rows=20)), progress=seen.append)
    assert loaded.rows_in == 20
    assert seen == list(range(1, 21))
    assert loaded.first_line_warning == ""
