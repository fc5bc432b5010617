"""A broker with what is played on it, until a signal ends it.

A cloud with cars at two chargers, a fleet of two vehicles, a charging location, and a
tenant that calls whoever subscribes.
"""

import argparse
import asyncio
import contextlib
from datetime import UTC, datetime, timedelta
import json
from pathlib import Path
import signal
import sys
from typing import Any

from .easee import PLANS, EaseeCloud, FleetPlan, play
from .live import API_KEY, Stage, scene_at
from .live_tenant import API_TOKEN, LiveTenant
from .rabbitmq import RabbitMQ

USERNAME = "operator@example.com"
PASSWORD = "charging-all-night"
OPERATOR_ID = 4711
# Of the fleet and the location so much waits in the queues, and then something happens.
PAST = timedelta(hours=6)
TURN = timedelta(seconds=60)


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
    now = datetime.now(UTC).replace(microsecond=0)
    async with (
        broker.administrator() as administrator,
        EaseeCloud(administrator, tls=tls, port=port) as cloud,
        Stage(broker, scene_at(now + TURN), now - PAST) as stage,
        LiveTenant(now + TURN, now) as tenant,
        asyncio.TaskGroup() as tasks,
    ):
        account = await cloud.add_account(USERNAME, PASSWORD, operator_id=OPERATOR_ID)
        plan.add_chargers(account)
        await stage.introduce()
        await stage.tell(now)
        ready = {
            "url": cloud.url,
            "username": account.username,
            "password": account.password,
            "ca_file": str(broker.ca_file),
            "chargers": list(account.chargers),
            **_queues(stage),
            "ampeco": {"tenant_url": tenant.tenant.url, "api_token": API_TOKEN},
        }
        print(json.dumps(ready), flush=True)
        live = [tasks.create_task(each.play()) for each in (stage, tenant)]
        await play(account, plan=plan)
        for task in live:
            task.cancel()


def _queues(stage: Stage) -> dict[str, Any]:
    """What the forms of the two accounts take, whose messages wait in queues."""
    consumer, access = stage.consumer, stage.access
    return {
        "invers": {
            "host": consumer.host,
            "port": consumer.port,
            "tls_port": consumer.tls_port,
            "virtual_host": consumer.virtual_host,
            "username": consumer.username,
            "password": consumer.password,
            "queues": list(consumer.queues.values()),
        },
        "etrel": {
            "host": consumer.host,
            "port": consumer.port,
            "tls_port": consumer.tls_port,
            "virtual_host": stage.ocean.administrator.virtual_host,
            "username": access.username,
            "password": API_KEY,
            "queues": list(access.queues.values()),
        },
    }


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
