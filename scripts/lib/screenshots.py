"""Pictures of the demo, taken with a headless Chromium."""

import asyncio
from collections.abc import AsyncIterator
import contextlib
import json
from pathlib import Path
import shutil
import time

from playwright.async_api import Error, Page, ViewportSize, async_playwright

from . import cards, dashboard
from .cards import Device
from .home_assistant import HomeAssistant, InstanceError
from .report import say
from .simulation import Simulation

BROWSERS = ("chromium", "chromium-browser", "google-chrome")
WIDTH = 1440
DASHBOARD: ViewportSize = {"width": 1760, "height": 1240}
DEVICE_HEIGHT = 1200
ENERGY: ViewportSize = {"width": 640, "height": 960}
DIALOG: ViewportSize = {"width": 1000, "height": 760}
WIDE_DIALOG: ViewportSize = {"width": 1000, "height": 1000}
CHARTS_SECONDS = 4.0
CHARGING_SECONDS = 30.0
DIALOG_SECONDS = 1.5
PATIENCE_SECONDS = 900.0


async def take(
    home_assistant: HomeAssistant, simulation: Simulation, directory: Path
) -> int:
    """Take every picture into the directory, as soon as there is a life to show."""
    await dashboard.install(home_assistant)
    directory.mkdir(parents=True, exist_ok=True)
    found = await cards.devices(home_assistant)
    chargers = dashboard.chargers_of(found)
    stream = dashboard.stream_of(found)
    say("Waiting until every car has charged once and is back (about 8 minutes)")
    await _wait_for_life(home_assistant, simulation, chargers)
    devices = "/config/devices/device"
    try:
        async with browser_page(home_assistant) as page:
            await page.set_viewport_size(DASHBOARD)
            await _page(page, f"/{dashboard.URL_PATH}", directory / "dashboard.png")
            await page.set_viewport_size(ENERGY)
            await _page(page, "/energy", directory / "energy.png")
            await page.set_viewport_size({"width": WIDTH, "height": DEVICE_HEIGHT})
            pictured = {"charger": chargers[0], "stream": stream}
            if (vehicle := dashboard.vehicle_of(found)) is not None:
                pictured["vehicle"] = vehicle
            for name, device in pictured.items():
                path = f"{devices}/{device.device_id}"
                await _page(page, path, directory / f"{name}.png")
            await _config_flow(page, directory)
            await _mapping(page, directory)
    except Error as error:
        raise InstanceError(f"the browser failed: {error}") from error
    return 0


async def _wait_for_life(
    home_assistant: HomeAssistant, simulation: Simulation, chargers: list[Device]
) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not (
        all(simulation.sessions().values())
        and all([await _is_charging(home_assistant, each) for each in chargers])
    ):
        simulation.raise_if_broken()
        if time.monotonic() > deadline:
            raise InstanceError("the cars did not come back in time")
        await asyncio.sleep(2)
    await asyncio.sleep(CHARGING_SECONDS)


async def _is_charging(home_assistant: HomeAssistant, charger: Device) -> bool:
    mode = await home_assistant.get(f"states/{charger.entities['charger_op_mode']}")
    return bool(mode["state"] == "charging")


@contextlib.asynccontextmanager
async def browser_page(home_assistant: HomeAssistant) -> AsyncIterator[Page]:
    """Yield a browser's page in which the user is logged in."""
    executable = next(filter(None, map(shutil.which, BROWSERS)), None)
    if executable is None:
        raise InstanceError("no Chromium found: scripts/setup screenshots installs one")
    tokens = json.dumps(json.dumps(home_assistant.browser_tokens))
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(
            executable_path=executable,
            args=["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"],
        )
        context = await browser.new_context(
            base_url=home_assistant.url,
            service_workers="block",
            locale="en-GB",
            timezone_id="Europe/Zurich",
        )
        await context.add_init_script(f"localStorage.setItem('hassTokens', {tokens})")
        try:
            yield await context.new_page()
        finally:
            await browser.close()


async def _page(page: Page, path: str, picture: Path) -> None:
    await page.goto(path)
    await page.locator("home-assistant-main").wait_for(state="attached")
    panel = page.locator("hui-root, ha-config-device-page, ha-panel-energy")
    await panel.first.wait_for()
    await asyncio.sleep(CHARTS_SECONDS)
    await page.screenshot(path=picture)
    say(f"Took {picture}")


async def _config_flow(page: Page, directory: Path) -> None:
    await page.set_viewport_size(DIALOG)
    await page.goto(f"/config/integrations/dashboard/add?domain={cards.DOMAIN}")
    await page.get_by_role("button", name="OK").click()
    dialog = page.locator("dialog-data-entry-flow")
    await dialog.locator("step-flow-menu").wait_for()
    await asyncio.sleep(DIALOG_SECONDS)
    await page.screenshot(path=directory / "flow_menu.png")
    await dialog.get_by_text("Easee").first.click()
    await dialog.locator("step-flow-form").wait_for()
    await asyncio.sleep(DIALOG_SECONDS)
    await page.screenshot(path=directory / "flow_easee.png")
    say(f"Took {directory / 'flow_easee.png'}")


async def _mapping(page: Page, directory: Path) -> None:
    """Map a value of the car, up to the preview."""
    await page.set_viewport_size(WIDE_DIALOG)
    await page.goto(f"/config/integrations/integration/{cards.DOMAIN}")
    # The first button folds the vehicle's row, the second is its gear.
    await page.locator("ha-config-sub-entry-row ha-icon-button").nth(1).click()
    dialog = page.locator("dialog-data-entry-flow")
    await dialog.get_by_text("Add a sensor").click()
    await dialog.locator("ha-generic-picker").first.click()
    await asyncio.sleep(DIALOG_SECONDS)
    await page.screenshot(path=directory / "mapping_paths.png")
    await page.get_by_text("energies[type=Electric].level = ").first.click()
    await page.get_by_role("button", name="Submit").click()
    await dialog.get_by_text("Transformation", exact=True).wait_for()
    await page.get_by_role("button", name="Submit").click()
    await dialog.locator("step-flow-menu").wait_for()
    await asyncio.sleep(DIALOG_SECONDS)
    await page.screenshot(path=directory / "mapping_preview.png")
    say(f"Took {directory / 'mapping_preview.png'}")
