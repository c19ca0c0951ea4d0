import json
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from swap_assets.backends.datasets.views import profile_svg, token_lengths
from swap_assets.domain.experiment.sources import LoadedSource
from swap_assets.domain.profile import length_profile, profile_source
from swap_assets.domain.synthetic.generator import GeneratorSettings, generate
from swap_assets_tests.domain.data_rows import request


@pytest.fixture(scope="module")
def profile():
    rows = tuple(generate(GeneratorSettings(rows=60)))
    loaded = LoadedSource(conversations=rows, quarantined=(), rows_in=60)
    lengths = [length_profile("phi-4-mini", [100, 900, 4000], unit="tokens", limit=2048)]
    return profile_source(loaded, lengths=lengths, look_for_near_duplicates=False)


def test_the_same_profile_gives_the_same_svg_to_the_byte(profile):
    image = profile_svg(profile)
    assert image == profile_svg(profile)
    assert ET.fromstring(image).tag.endswith("svg")
    assert "1 of 3 over 2,048" in image


def test_a_profile_without_labels_still_draws(profile):
    assert "<svg" in profile_svg(profile.model_copy(update={"labels": {}, "lengths": ()}))


def test_token_lengths_count_every_word_and_ignore_the_tokenizers_own_cut(tmp_path: Path):
    from tokenizers import Tokenizer, models, pre_tokenizers

    tokenizer = Tokenizer(models.WordLevel({"[UNK]": 0}, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()  # type: ignore[assignment]
    tokenizer.enable_truncation(4)
    tokenizer.enable_padding(length=9)
    tokenizer.save(str(tmp_path / "tokenizer.json"))
    rows = [request("one two three"), request("one two three four")]
    made = token_lengths(tmp_path / "tokenizer.json", rows, name="tiny", limit=10)
    assert made.longest - made.p50 == 1 + 1  # a word more in the request, and again in the call's argument
    assert made.over_limit == 2
    assert json.loads(made.model_dump_json())["unit"] == "tokens"
