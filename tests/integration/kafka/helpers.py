"""What a user whose tenant produces into Kafka does and sees, in a few words."""

import asyncio
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from homeassistant.config_entries import SOURCE_USER, ConfigEntryState, ConfigFlowResult
from homeassistant.core import HomeAssistant
from homeassistant.data_entry_flow import FlowResultType

from custom_components.ev_streams.const import DOMAIN
from custom_components.ev_streams.coordinator import EvStreamsConfigEntry
from simulator.ampeco import encoded
from simulator.kafka import Kafka
from simulator.kafka_administrator import KafkaAdministrator

from ..helpers import wait_live
from ..stellantis.helpers import Upload

PARTITIONS = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Cluster:
    """The real cluster, and the topic into which the tenant produces."""

    broker: Kafka
    administrator: KafkaAdministrator
    topic: str
    group: str
    upload: Upload

    async def make_topic(self) -> None:
        await asyncio.to_thread(self.administrator.create_topic, self.topic, PARTITIONS)

    async def form(self, protocol: str = "SASL_SSL", **changes: Any) -> dict[str, Any]:
        """Return the filled form; a field that is changed to None is left out."""
        filled: dict[str, Any] = {
            "brokers": [self.broker.address(protocol)],
            "topic": self.topic,
            "group_id": self.group,
            "security_protocol": protocol,
        }
        if protocol.startswith("SASL"):
            filled |= {
                "sasl_mechanism": "SCRAM-SHA-512",
                "username": "reader",
                "password": "right",
            }
        if protocol.endswith("SSL") and "ca_certificate" not in changes:
            authority = self.broker.authority.pem()
            filled["ca_certificate"] = await self.upload(authority, "ca.pem")
        filled |= changes
        return {name: value for name, value in filled.items() if value is not None}

    async def say(self, *notifications: Mapping[str, Any], partition: int = 0) -> None:
        """Produce notifications as the tenant does."""
        await self.produce(map(encoded, notifications), partition=partition)

    async def produce(self, values: Iterable[bytes], *, partition: int = 0) -> None:
        await asyncio.to_thread(
            self.administrator.produce, self.topic, list(values), partition=partition
        )

    async def committed(self) -> int:
        """How many messages the group will not be given again."""
        offsets = await asyncio.to_thread(self.administrator.committed, self.group)
        return sum(offsets.values())


async def open_form(hass: HomeAssistant) -> ConfigFlowResult:
    """Choose AMPECO through Kafka in the menu of a new config flow."""
    menu = await hass.config_entries.flow.async_init(
        DOMAIN, context={"source": SOURCE_USER}
    )
    return await hass.config_entries.flow.async_configure(
        menu["flow_id"], {"next_step_id": "ampeco_kafka"}
    )


async def add_cluster(
    hass: HomeAssistant, cluster: Cluster, protocol: str = "PLAINTEXT", **changes: Any
) -> EvStreamsConfigEntry:
    """Add the account through the config flow and wait until its stream is live."""
    opened = await open_form(hass)
    result = await hass.config_entries.flow.async_configure(
        opened["flow_id"], await cluster.form(protocol, **changes)
    )
    assert result["type"] is FlowResultType.CREATE_ENTRY, result
    entry: EvStreamsConfigEntry = result["result"]
    await hass.async_block_till_done()
    assert entry.state is ConfigEntryState.LOADED
    await wait_live(hass, entry)
    return entry
