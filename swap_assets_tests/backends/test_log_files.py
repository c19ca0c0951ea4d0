"""Files of logs: two files of one batch, UTF-16, and a file of which much is set aside."""

import json

import pytest

from swap_assets.backends.datasets.files import SourceError
from swap_assets.backends.datasets.loading import load_source
from swap_assets.domain.experiment.sources import LocalSource

ASKED = [{"role": "user", "content": "Which tea?"}]


def chat(number, **more):
    answer = {"role": "assistant", "content": f"Tea {number}."}
    return {"messages": [*ASKED, answer], **more}


def written(path, rows, encoding="utf-8"):
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding=encoding)
    return str(path)


def load(*paths):
    return load_source(LocalSource(kind="local", path=paths))


def test_the_two_files_of_a_batch_are_read_as_a_pair_and_one_alone_says_what_is_missing(tmp_path):
    asked = [{"custom_id": f"c{n}", "body": {"messages": [{"role": "user", "content": f"Tea {n}?"}]}} for n in range(3)]
    told = [{"custom_id": f"c{n}", "response": {"status_code": 200, "body": {
        "choices": [{"message": {"role": "assistant", "content": f"Answer {n}"}}]}}} for n in (2, 0, 1)]  # fmt: skip
    ins, outs = written(tmp_path / "in.jsonl", asked), written(tmp_path / "out.jsonl", told)
    loaded = load(ins, outs)
    assert [row.turns[-1].text for row in loaded.conversations] == ["Answer 0", "Answer 1", "Answer 2"]
    assert (loaded.rows_in, loaded.balanced) == (3, True)
    with pytest.raises(SourceError, match="output file"):
        load(ins)
    with pytest.raises(SourceError, match="input file"):
        load(outs)


def test_utf_16_is_read(tmp_path):
    loaded = load(written(tmp_path / "wide.jsonl", [chat("ä"), chat("ö")], "utf-16"))
    assert [row.turns[-1].text for row in loaded.conversations] == ["Tea ä.", "Tea ö."]


def test_a_file_half_set_aside_says_so_in_its_first_line_with_the_reasons_by_count(tmp_path):
    rows = [chat(n, **({"extra_body": {"tools": [{"name": "f"}]}} if n % 2 else {})) for n in range(6)]
    loaded = load(written(tmp_path / "half.jsonl", rows))
    assert loaded.first_line_warning.startswith("3 OF 6 ROWS OF")
    assert "3 unread_key" in loaded.first_line_warning
