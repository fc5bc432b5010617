"""A broker, a cloud and cars at two chargers, until a signal ends them."""

import argparse
import asyncio
import contextlib
import json
from pathlib import Path
import signal
import sys

from .easee import PLANS, EaseeCloud, FleetPlan, play
from .rabbitmq import RabbitMQ

USERNAME = "operator@example.com"
PASSWORD = "charging-all-night"
OPERATOR_ID = 4711


def arguments() -> argparse.Namespace:
    """What the command line asks for."""
    parser = argparse.ArgumentParser(prog="simulator", description=__doc__)
    parser.add_argument(
        "--directory", type=Path, required=True, help="for the broker's files"
    )
    parser.add_argument("--plan", choices=sorted(PLANS), default="demo")
    parser.add_argument("--port", type=int, default=0, help="of the HTTP API")
    parser.add_argument("--tls", action="store_true", help="AMQP over TLS")
    return parser.parse_args()


async def run(broker: RabbitMQ, plan: FleetPlan, *, port: int, tls: bool) -> None:
    """Perform the plan until cancelled; says on standard output when all is ready."""
    await asyncio.to_thread(broker.start)
    async with (
        broker.administrator() as administrator,
        EaseeCloud(administrator, tls=tls, port=port) as cloud,
    ):
        account = await cloud.add_account(USERNAME, PASSWORD, operator_id=OPERATOR_ID)
        plan.add_chargers(account)
        ready = {
            "url": cloud.url,
            "username": account.username,
            "password": account.password,
            "ca_file": str(broker.ca_file),
            "chargers": list(account.chargers),
        }
        print(json.dumps(ready), flush=True)
        await play(account, plan=plan)


async def main() -> None:
    """Run until the plan is over or SIGINT or SIGTERM arrives."""
    options = arguments()
    broker = RabbitMQ(options.directory)
    plan = PLANS[options.plan]
    task = asyncio.create_task(run(broker, plan, port=options.port, tls=options.tls))
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, task.cancel)
    try:
        with contextlib.suppress(asyncio.CancelledError):
            await task
    finally:
        broker.stop()


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
