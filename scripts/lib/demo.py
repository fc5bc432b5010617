"""The demo: simulated chargers, cars and a fleet, and a real Home Assistant."""

import argparse
import asyncio
from collections.abc import Iterator
import contextlib
from dataclasses import dataclass
from datetime import UTC, datetime
import fcntl
from pathlib import Path
import shutil
import signal
import sys
import tempfile

import certifi

from simulator.ports import BrokerError

from . import cards, check, dashboard, fleet, outage, partner, past, screenshots
from .configuration import CHECKOUT
from .fleet import Fleet
from .fleet_check import FleetCheck
from .home_assistant import (
    RESTART_EXIT_CODE,
    HomeAssistant,
    InstanceError,
    free_port,
    port_is_free,
)
from .partner import Partner, PartnerCheck, connect
from .report import print_results, print_tail, say, tell
from .simulation import Simulation, SimulationError

DIRECTORY = CHECKOUT / ".demo"
HOURS = (past.PAST.lead + past.AWAY) / past.HOUR
PORT = 8123
EPILOGUE = """\

  Home Assistant   http://localhost:{port}
  user, password   {username}, {password}

  Look at          "Charging", where you arrive: what two chargers did while Home
                   Assistant was not there, how their cars come, charge and leave
                   now, and how the stream that tells of it fares. Beside them a
                   car of a Stellantis partner account, which tells of itself.
                   "Fleet" beside it: two vehicles of an INVERS fleet, the outlets of
                   an Etrel location and of an AMPECO tenant, with the {past} hours
                   before. Three minutes after the first start one vehicle is
                   charged, a car leaves the location, another one comes, and a
                   session stops at the tenant.
                   Energy: the chargers as individual devices, each past hour with
                   the energy that flowed in it.
                   Settings > Devices & services > EV Streams: every entity; those
                   that few need are disabled and can be enabled there.
  A session        lasts about 5 minutes; the first cars arrive at once.
  Simulated cloud  {cloud} (user {cloud_username}, password {cloud_password}):
                   with it you can try "Add integration" yourself, API address
                   under Advanced. This account is in use already.
  Simulated car    connected by a client certificate; its sensors are mapped by a
                   preset. Map more with the gear beside "{car}" under
                   Settings > Devices & services > EV Streams.
                   Its account, in use as well: broker 127.0.0.1, port {broker_port},
                   UID {uid}, password {broker_password},
                   {certificate}
                   (passphrase {passphrase}) and {authority}.
  Fleet            Map values of all vehicles at once with the gear beside "INVERS"
                   under Settings > Devices & services > EV Streams. In use as well:
                   broker 127.0.0.1, port {fleet_port}, virtual host {fleet_host},
                   user {fleet_user}, password {fleet_password}, queues such as
                   {fleet_queue}.
  Location         In use as well: broker 127.0.0.1, port {etrel_port} (TLS off under
                   Advanced), virtual host {etrel_host}, user {etrel_user},
                   API key {api_key}.
  Tenant           {tenant} (API token {api_token}): restart
                   Home Assistant under Settings > System, and what the tenant could
                   not deliver meanwhile is sent again.
  Log              {log}

  Ctrl-C stops everything.
"""


class DemoError(Exception):
    """Something that the user has to know, in one line."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Options:
    """What the user asked for."""

    port: int | None
    keep: bool
    check: bool
    screenshots: Path | None


def parse(arguments: list[str]) -> Options:
    """Read the command line; explain and exit when it makes no sense."""
    parser = argparse.ArgumentParser(prog="scripts/demo", description=__doc__)
    parser.add_argument(
        "--port", type=int, metavar="N", help=f"Home Assistant's port (default: {PORT})"
    )
    parser.add_argument(
        "--keep",
        action="store_true",
        help="continue with the Home Assistant of the last run",
    )
    only = parser.add_mutually_exclusive_group()
    only.add_argument(
        "--check",
        action="store_true",
        help="verify headless that everything arrives; exit 0 or 1",
    )
    only.add_argument(
        "--screenshots",
        type=Path,
        metavar="DIR",
        help="take pictures into DIR, then end",
    )
    options = Options(**vars(parser.parse_args(arguments)))
    if options.port is not None and not 0 < options.port < 65536:
        parser.error("a port is a number from 1 to 65535")
    if options.keep and (options.check or options.screenshots):
        parser.error("--keep goes with the ordinary demo only")
    return options


class Demo:
    """Everything that one run starts, and what it does with it."""

    def __init__(self, directory: Path, port: int, *, plan: str) -> None:
        """Prepare a run in a directory of its own; nothing is started yet."""
        self._bundle = directory / "authorities.pem"
        self.simulation = Simulation(directory / "simulation", plan)
        self.partner = Partner(directory / "partner", plan)
        self.fleet = Fleet(directory / "fleet", self.simulation.broker, plan)
        self.home_assistant = HomeAssistant(
            directory / "home_assistant", port=port, ca_file=self._bundle
        )

    async def start(self, stack: contextlib.AsyncExitStack, *, was_away: bool) -> str:
        """Start everything on the stack and return the configuration entry's id.

        Home Assistant finds what it missed of the past in the queue if it `was_away`.
        """
        say("Starting RabbitMQ and the simulated Easee cloud, Mosquitto and a car")
        await stack.enter_async_context(self.simulation)
        await stack.enter_async_context(self.partner)
        await stack.enter_async_context(self.fleet)
        # The private broker's certificate is verified as any vendor's is.
        self._bundle.write_text(
            Path(certifi.where()).read_text() + self.simulation.ca_file.read_text()
        )
        waiting = 0
        if was_away and self.simulation.past:
            await self.simulation.report_before_outage()
            await self.simulation.report_outage()
            waiting = (await self.simulation.queue()).ready
            say(f"{waiting} messages of the past {HOURS:.0f} hours wait in the queue")
        await self.fleet.tell_past(whole=was_away)
        say("Starting Home Assistant")
        await stack.enter_async_context(self.home_assistant)
        entry_id = await self._entry()
        say("Adding the car's account with its client certificate, and the car")
        await connect(self.home_assistant, self.partner)
        say(
            "Adding a fleet, a charging location and a tenant, with what waits for them"
        )
        await fleet.connect(self.home_assistant, self.fleet)
        if waiting:
            await dashboard.wait_live(self.home_assistant)
            say(
                "All of them are read; the hours in which energy flowed follow in seconds"
            )
        return entry_id

    def play(self) -> None:
        """Let the cars come."""
        self.simulation.play()
        self.partner.play()
        self.fleet.play()

    async def _entry(self) -> str:
        entries = await self.home_assistant.get(
            f"config/config_entries/entry?domain={cards.DOMAIN}"
        )
        for entry in entries:
            if entry["title"].startswith("Easee"):
                return str(entry["entry_id"])
        say("Adding the integration through its config flow")
        return await add_integration(self.home_assistant, self.simulation)


async def add_integration(home_assistant: HomeAssistant, simulation: Simulation) -> str:
    """Go through the config flow as a user does and return the id of the new entry."""
    steps = (
        {"next_step_id": "easee"},
        {
            "username": simulation.username,
            "password": simulation.password,
            "advanced": {"api_url": simulation.url},
        },
    )
    flow = await home_assistant.post(
        "config/config_entries/flow", {"handler": cards.DOMAIN}
    )
    for user_input in steps:
        flow = await home_assistant.post(
            f"config/config_entries/flow/{flow['flow_id']}", user_input
        )
    if flow["type"] != "create_entry":
        why = flow.get("errors") or flow.get("reason") or f"step {flow.get('step_id')}"
        raise InstanceError(f"the config flow made no entry: {why}")
    return str(flow["result"]["entry_id"])


async def show(demo: Demo) -> int:
    """Run until somebody stops it; follow a restart that the user asks for."""
    await dashboard.install(demo.home_assistant)
    tell(EPILOGUE.format(**_facts(demo)))
    while True:
        await asyncio.sleep(0.5)
        demo.simulation.raise_if_broken()
        demo.partner.raise_if_broken()
        demo.fleet.raise_if_broken()
        code = demo.home_assistant.exit_code
        if code == RESTART_EXIT_CODE:
            say("Home Assistant restarts")
            await demo.home_assistant.stop()
            await demo.home_assistant.start()
        elif code is not None:
            raise InstanceError(f"Home Assistant ended by itself with exit code {code}")


async def verify(demo: Demo, entry_id: str) -> int:
    """Check that everything arrives, print the summary and return 0 or 1."""
    say("Playing a power cut, with messages of the past hours")
    results = await outage.Outage(
        demo.home_assistant, demo.simulation, demo.fleet.tell_rest
    ).run()
    say("Watching two charging sessions (about a minute)")
    demo.play()
    since = datetime.now(UTC)
    results += await check.Check(demo.home_assistant, demo.simulation, entry_id).run()
    results += await PartnerCheck(demo.home_assistant, demo.partner).run(since)
    results += await FleetCheck(demo.home_assistant, demo.fleet).run()
    results += check.judge_log(demo.home_assistant.log())
    print_results(results)
    ok = all(result.ok for result in results)
    if not ok:
        print_tail("Home Assistant's log", demo.home_assistant.log())
    return 0 if ok else 1


async def run(options: Options) -> int:
    """Run as asked and return the exit code; whatever happens, nothing is left."""
    ordinary = not (options.check or options.screenshots)
    port = options.port or (PORT if ordinary else free_port())
    if not port_is_free(port):
        raise DemoError(
            f"Port {port} is in use: stop what uses it, or choose another one with --port N."
        )
    with directory_for(options) as directory:
        demo = Demo(directory, port, plan="check" if options.check else "demo")
        try:
            async with contextlib.AsyncExitStack() as stack:
                stack.callback(say, "Stopped")
                entry_id = await demo.start(stack, was_away=not options.check)
                if options.check:
                    return await verify(demo, entry_id)
                demo.play()
                if options.screenshots:
                    return await screenshots.take(
                        demo.home_assistant, demo.simulation, options.screenshots
                    )
                return await show(demo)
        except InstanceError:
            print_tail("Home Assistant's log", demo.home_assistant.log())
            raise


@contextlib.contextmanager
def directory_for(options: Options) -> Iterator[Path]:
    """Yield the directory of the run: a temporary one unless it is the ordinary demo."""
    if options.check or options.screenshots:
        with tempfile.TemporaryDirectory(
            prefix="ev-streams-", ignore_cleanup_errors=True
        ) as temporary:
            yield Path(temporary)
        return
    DIRECTORY.mkdir(exist_ok=True)
    with (DIRECTORY / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise DemoError("Another demo is running in this checkout.") from None
        content = DIRECTORY / "run"
        # A first start that was cut off left nothing worth keeping.
        if not (options.keep and (content / "home_assistant" / "token").exists()):
            shutil.rmtree(content, ignore_errors=True)
        content.mkdir(exist_ok=True)
        yield content


async def supervise(options: Options) -> int:
    """Run until the end or until a signal asks for it, also during the start."""
    task = asyncio.create_task(run(options))
    struck: list[int] = []

    def stop(number: int) -> None:
        if not struck:
            say("Stopping")
            task.cancel()
        struck.append(number)

    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        asyncio.get_running_loop().add_signal_handler(number, stop, number)
    try:
        return await task
    except asyncio.CancelledError:
        return 128 + struck[0]


def main() -> int:
    """Run the demo and return the exit code of the program."""
    options = parse(sys.argv[1:])
    try:
        return asyncio.run(supervise(options))
    except (BrokerError, DemoError, InstanceError, SimulationError) as error:
        print(f"Error: {error}", file=sys.stderr)
        return 1


def _facts(demo: Demo) -> dict[str, object]:
    home_assistant = demo.home_assistant
    return {
        "port": home_assistant.port,
        "username": home_assistant.username,
        "password": home_assistant.password,
        "cloud": demo.simulation.url,
        "cloud_username": demo.simulation.username,
        "cloud_password": demo.simulation.password,
        "car": partner.NAME,
        "broker_port": demo.partner.form["port"],
        "uid": partner.UID,
        "broker_password": partner.PASSWORD,
        "certificate": demo.partner.certificate_file.relative_to(CHECKOUT),
        "passphrase": partner.PASSPHRASE,
        "authority": demo.partner.authority_file.relative_to(CHECKOUT),
        **_fleet_facts(demo.fleet),
        "log": home_assistant.log_file.relative_to(CHECKOUT),
    }


def _fleet_facts(played: Fleet) -> dict[str, object]:
    invers, etrel, ampeco = (form.fields for form in played.forms)
    return {
        "past": fleet.PAST // past.HOUR,
        "fleet_port": invers["port"],
        "fleet_host": invers["virtual_host"],
        "fleet_user": invers["username"],
        "fleet_password": invers["password"],
        "fleet_queue": invers["queues"][0],
        "etrel_port": etrel["port"],
        "etrel_host": etrel["virtual_host"],
        "etrel_user": etrel["username"],
        "api_key": etrel["password"],
        "tenant": ampeco["tenant_url"],
        "api_token": ampeco["api_token"],
    }
