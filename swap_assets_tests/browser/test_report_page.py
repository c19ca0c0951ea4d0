"""The report in a real browser: hostile text is text, nothing runs or loads, everybody can read it at every width."""

import itertools

import pytest

from swap_assets.backends.report.archive import write_report
from swap_assets_tests.domain.reports import full_report

pytestmark = pytest.mark.slow
HOSTILE = "\n".join(
    [
        "<script>document.title='owned'; alert(1)</script>",
        "<img src=http://evil.example/x.png onerror=\"document.title='owned'\">",
        "<svg onload=alert(1)><style>body{display:none}</style>",
        "</td></table><iframe src=https://evil.example></iframe>",
        "<a href=javascript:alert(1)>click</a> <form action=https://evil.example><input></form>",
        "</style><link rel=stylesheet href=https://evil.example/x.css> {{ 7 * 7 }} {% raw %}",
        "<meta http-equiv=refresh content='0;url=https://evil.example'>",
        "**bold** [link](javascript:alert(1)) \u202etxet desrever\u202c \x1b[31mred\x07 \x00",
    ]
)


@pytest.fixture(scope="module")
def pages(tmp_path_factory):
    made = {"plain": full_report(), "hostile": full_report(HOSTILE)}
    return {name: write_report(report, tmp_path_factory.mktemp(name)) / "report.html" for name, report in made.items()}


def test_hostile_text_is_shown_as_text_and_nothing_runs_or_loads(pages, watch):
    seen = watch()
    seen.page.goto(pages["hostile"].as_uri())
    seen.page.wait_for_load_state("networkidle")
    assert [url for url in seen.requests if not url.startswith("data:")] == [pages["hostile"].as_uri()]
    assert seen.said == []
    assert seen.violations() == []
    assert seen.page.title().endswith("can a small model take over?")
    assert (
        seen.page.locator("script, iframe, form, link, object, embed, main svg, main a:not([href^='#'])").count() == 0
    )
    text = seen.page.locator("main").text_content()
    assert "<script>document.title='owned'; alert(1)</script>" in text
    assert "{{ 7 * 7 }} {% raw %}" in text
    assert "⟨U+202E⟩txet desrever" in text
    assert "⟨U+001B⟩[31mred⟨U+0007⟩" in text


def test_the_policy_stops_what_somebody_would_add_to_the_page(pages, watch, tmp_path):
    added = "<script>document.title='owned'</script><img src='https://evil.example/x.png'><p style='color:red'>x</p>"
    page = tmp_path / "changed.html"
    page.write_text(pages["plain"].read_text(encoding="utf-8").replace("</main>", f"{added}</main>"), encoding="utf-8")
    seen = watch()
    seen.page.goto(page.as_uri())
    assert {name.split("-")[0] for name in seen.violations()} == {"script", "img", "style"}
    assert seen.page.title() != "owned"
    assert seen.stopped == {"https://evil.example/x.png": "csp"}


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_no_serious_violation(pages, watch, scheme):
    axe = pytest.importorskip(
        "axe_core_python.sync_playwright", reason="axe-core-python is not installed: the ui extra"
    )
    seen = watch(scheme=scheme)
    seen.page.goto(pages["hostile"].as_uri())
    seen.page.locator("details").evaluate_all("all => all.forEach(one => one.open = true)")
    found = axe.Axe().run(seen.page)["violations"]
    told = [
        f"{item['id']}: {item['nodes'][0]['html'][:120]}" for item in found if item["impact"] in ("serious", "critical")
    ]
    assert told == []


@pytest.mark.parametrize("width", [1280, 390])
def test_only_tables_and_plots_scroll_sideways_never_the_page(pages, watch, width):
    seen = watch(width=width)
    for page in pages.values():
        seen.page.goto(page.as_uri())
        wide = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
        assert seen.page.evaluate(wide) == 0


def test_every_plot_is_shown_in_either_scheme(pages, watch):
    for scheme in ("light", "dark"):
        seen = watch(scheme=scheme)
        seen.page.goto(pages["plain"].as_uri())
        drawn = seen.page.locator("figure img").evaluate_all("all => all.map(one => one.naturalWidth)")
        assert len(drawn) >= 7
        assert all(drawn)


def test_headings_go_down_one_level_at_a_time(pages, watch):
    seen = watch()
    seen.page.goto(pages["plain"].as_uri())
    levels = seen.page.locator("h1, h2, h3").evaluate_all("all => all.map(one => Number(one.tagName[1]))")
    assert levels[0] == 1 and levels.count(1) == 1
    assert all(after - before <= 1 for before, after in itertools.pairwise(levels))
