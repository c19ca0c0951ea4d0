"""What a person does in Dagster's UI, in headless Chromium: `make test-ui`. Off by default; it takes a browser.

With SWAP_UI_SCREENSHOTS set to a folder, the pictures of the README are written there.
"""

import contextlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from swap_assets.cli.environment import dagster_service
from swap_assets_tests.conftest import EXPERIMENT

REPOSITORY = Path(__file__).parents[2]
MODULE = "swap_assets_tests.end_to_end.quick_definitions"
GROUPS = ("dataset", "test_splits", "baselines", "training", "evaluation", "comparison", "release", "monitoring")
_PATIENCE_MS = 120_000


def _chromium() -> str:
    if not os.environ.get("SWAP_TEST_UI"):
        pytest.skip("the UI is driven by `make test-ui` only (SWAP_TEST_UI is not set)")
    pytest.importorskip("playwright", reason="playwright is not installed: pip install -e '.[ui]'")
    found = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if not found:
        pytest.skip("no Chromium on this machine: install chromium, or google-chrome, with the system's packages")
    return found


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    """A page of the UI of a small experiment whose conversations are there, and nothing else."""
    chromium, folder = _chromium(), tmp_path_factory.mktemp("ui")
    from playwright.sync_api import sync_playwright

    shutil.copy(REPOSITORY / "dagster.yaml", folder / "dagster.yaml")
    environment = {
        **os.environ, "SWAP_CONFIG": str(EXPERIMENT), "DAGSTER_HOME": str(folder), "PYTHONPATH": str(REPOSITORY),
    }  # fmt: skip
    patch = pytest.MonkeyPatch()
    patch.chdir(folder)
    root = "hermes_conversations,quarantined_conversations"
    command = [Path(sys.executable).with_name("dagster"), "asset", "materialize", "-m", MODULE, "--select", root]
    subprocess.run(command, env=environment, check=True, capture_output=True, timeout=300)
    with (
        dagster_service(environment, log=folder / "dagster.log", module=MODULE) as service,
        sync_playwright() as playwright,
    ):
        browser = playwright.chromium.launch(
            executable_path=chromium, args=["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
        )
        opened = browser.new_page(
            viewport={"width": 1500, "height": 950}, base_url=service.address, device_scale_factor=2
        )
        opened.set_default_timeout(_PATIENCE_MS)
        yield opened
        browser.close()
    patch.undo()


def _picture(page, name: str) -> None:
    if folder := os.environ.get("SWAP_UI_SCREENSHOTS"):
        page.wait_for_timeout(1500)  # lets what is drawn come to rest
        page.screenshot(path=Path(folder) / f"{name}.png")


def _until(page, address: str, text: str) -> None:
    """Open a page until it shows a text: some pages do not follow what happens behind them."""
    for _ in range(12):
        page.goto(address)
        with contextlib.suppress(Exception):
            page.get_by_text(text).first.wait_for(timeout=12_000)
            return
    raise AssertionError(f"{address} never showed '{text}'")


def test_the_lineage_shows_every_group(page):
    page.goto("/asset-groups")
    for group in GROUPS:
        page.get_by_text(group, exact=True).first.wait_for()
    # The picture: less around the graph, and the graph drawn anew to fit, clear of the buttons on its right.
    page.get_by_text("Hide navigation").click()
    page.set_viewport_size({"width": 1300, "height": 560})
    page.reload()
    page.get_by_text(GROUPS[-1], exact=True).first.wait_for()
    page.wait_for_timeout(1500)
    page.mouse.move(600, 520)
    page.mouse.down()
    page.mouse.move(578, 500, steps=5)
    page.mouse.up()
    _picture(page, "lineage")
    page.set_viewport_size({"width": 1500, "height": 950})


def test_a_partition_is_materialised_by_clicking_and_its_tables_and_checks_are_read(page):
    page.goto("/assets/dataset_split?view=partitions&partition=tiny")
    page.get_by_role("button", name="Materialize…").click()
    page.get_by_role("dialog").get_by_text("1 partition").wait_for()
    page.get_by_role("button", name="Launch 1 run").click()
    page.get_by_role("dialog").wait_for(state="hidden")  # leaving the page before would take the request back
    _until(page, "/assets/dataset_split?view=partitions&partition=tiny", "content_hash")
    sizes = page.locator("table", has_text="validation").first.inner_text()
    assert [sizes.split()[sizes.split().index(name) + 1] for name in ("train", "validation", "test")] == ["6", "3", "8"]
    _picture(page, "partition")
    page.goto("/assets/dataset_split?view=checks&partition=tiny")
    page.get_by_text("no training row is a near-duplicate of a test row").wait_for()
    page.get_by_text("Passed").first.wait_for()


def test_a_sensor_that_is_switched_on_says_in_each_tick_why_it_starts_nothing(page):
    page.goto(f"/locations/{MODULE}/sensors/model_baseline_gate")
    page.locator("label", has=page.locator("input[type=checkbox]")).first.click()
    # The ticks' table: the second place where a tick says so is the link to its reason.
    page.locator("table", has_text="Timestamp").get_by_text("0 runs requested").nth(1).click()
    page.get_by_text("llm_baseline for tiny is absent").first.wait_for()
    _picture(page, "sensor")
