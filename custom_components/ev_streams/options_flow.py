"""The options of an account, and the mapping of the fields of its messages."""

from collections.abc import Iterable, Sequence
from itertools import chain
from operator import attrgetter
from typing import Any, Final, override

from homeassistant.config_entries import (
    ConfigEntryState,
    ConfigFlowResult,
    OptionsFlowWithReload,
)
from homeassistant.helpers import device_registry as dr
from homeassistant.helpers.selector import (
    BooleanSelector,
    NumberSelector,
    NumberSelectorConfig,
    NumberSelectorMode,
    SelectOptionDict,
    SelectSelector,
    SelectSelectorConfig,
    SelectSelectorMode,
)
import probatio

from .const import (
    CONF_DEVICES,
    CONF_GRACE_TIME,
    CONF_HISTORY,
    CONF_MAPPINGS,
    CONF_PROVIDER,
    CONF_TOKENS,
    DEFAULT_GRACE_TIME,
)
from .coordinator import EvStreamsConfigEntry, EvStreamsCoordinator
from .history import history_keys
from .mapped import remove_unmapped
from .mapping import FieldMapping, Outcome, OutcomeKind
from .mapping_steps import MappingSteps
from .model import DeviceRecord, RecentMessage
from .providers import PROVIDERS
from .providers.base import Provider
from .subentries import mappings_of, stored

PREVIEWED: Final = 10
GRACE_TIME = NumberSelector(
    NumberSelectorConfig(
        min=0, max=3600, step=1, mode=NumberSelectorMode.BOX, unit_of_measurement="s"
    )
)


class EvStreamsOptionsFlow(MappingSteps[ConfigFlowResult], OptionsFlowWithReload):
    """Which devices to follow, what to keep, and how long a broken stream goes unnoticed.

    Where no devices are added one by one, also what to map of the messages of all.
    """

    @property
    def _entry(self) -> EvStreamsConfigEntry:
        return self.config_entry

    @property
    def _coordinator(self) -> EvStreamsCoordinator | None:
        if self._entry.state is not ConfigEntryState.LOADED:
            return None
        return self._entry.runtime_data

    @property
    @override
    def _provider(self) -> Provider:
        return PROVIDERS[self.config_entry.data[CONF_PROVIDER]]

    @property
    @override
    def _mappings(self) -> list[FieldMapping]:
        return mappings_of(self.config_entry.options)

    @property
    @override
    def _reserved(self) -> frozenset[str]:
        """Besides those of the tables all that the devices have told."""
        coordinator = self._coordinator
        if coordinator is None:
            return super()._reserved
        ledger = coordinator.ledger
        told = (ledger.readings(device_id) for device_id in ledger.devices())
        return super()._reserved | {key for readings in told for key in readings}

    @property
    @override
    def _contents(self) -> list[object]:
        return [message.content.body for message in self._recent()]

    def _recent(self) -> list[RecentMessage]:
        """Return the newest messages of all devices, the newest first."""
        if (coordinator := self._coordinator) is None:
            return []
        traffic = coordinator.traffic
        messages = chain.from_iterable(
            traffic.recent(device_id) for device_id in coordinator.inventory.followed
        )
        return sorted(messages, key=attrgetter("received_at"), reverse=True)

    @override
    def _previews(self, mapping: FieldMapping) -> list[tuple[RecentMessage, Outcome]]:
        """Leave out messages in which there is nothing: those of all devices are many."""
        if (coordinator := self._coordinator) is None:
            return []
        traffic = coordinator.traffic
        previews = chain.from_iterable(
            traffic.preview(device_id, mapping)
            for device_id in coordinator.inventory.followed
        )
        telling = [each for each in previews if each[1].kind is not OutcomeKind.MISSING]
        telling.sort(key=lambda preview: preview[0].received_at)
        return telling[-PREVIEWED:]

    async def async_step_init(
        self, user_input: dict[str, Any] | None = None
    ) -> ConfigFlowResult:
        """Show the one form there is, or let the user choose where there is more to do."""
        if self._provider.discovers:
            return await self._menu()
        return await self._change_settings("init", user_input)

    @override
    async def _menu(self) -> ConfigFlowResult:
        return self.async_show_menu(
            step_id="init", menu_options=["settings", *self._begin()]
        )

    async def async_step_settings(
        self, user_input: dict[str, Any] | None = None
    ) -> ConfigFlowResult:
        """Show the form as a step of its own."""
        return await self._change_settings("settings", user_input)

    @override
    def _save(self, mappings: Sequence[FieldMapping]) -> ConfigFlowResult:
        """Keep the mappings; the entry is loaded anew with them."""
        for device in dr.async_entries_for_config_entry(
            dr.async_get(self.hass), self.config_entry.entry_id
        ):
            for _, device_id in device.identifiers:
                remove_unmapped(self.hass, device_id, self._mappings, mappings)
        options = {**self.config_entry.options, CONF_MAPPINGS: stored(mappings)}
        return self.async_create_entry(data=options)

    async def _change_settings(
        self, step_id: str, user_input: dict[str, Any] | None
    ) -> ConfigFlowResult:
        options = self.config_entry.options
        errors: dict[str, str] = {}
        if user_input is not None:
            if user_input.get(CONF_DEVICES) != []:
                return self.async_create_entry(data={**options, **user_input})
            errors[CONF_DEVICES] = "no_devices"
        grace = options.get(CONF_GRACE_TIME, DEFAULT_GRACE_TIME.total_seconds())
        fields: dict[probatio.Marker, Any] = {
            probatio.Required(CONF_GRACE_TIME, default=grace): GRACE_TIME
        }
        provider = self._provider
        switches = {CONF_HISTORY: True} if history_keys(provider) else {}
        if provider.has_tokens:
            switches[CONF_TOKENS] = False
        for name, default in switches.items():
            marker = probatio.Required(name, default=options.get(name, default))
            fields[marker] = BooleanSelector()
        listed, known = self._devices()
        if CONF_DEVICES in options or len(listed) > provider.follow_at_most:
            picked = options.get(CONF_DEVICES, known)
            gone = set(picked) - {device.device_id for device in listed}
            listed += [DeviceRecord(device_id=each, name=each) for each in gone]
            fields[probatio.Required(CONF_DEVICES, default=picked)] = device_selector(
                listed
            )
        return self.async_show_form(
            step_id=step_id, data_schema=probatio.Schema(fields), errors=errors
        )

    def _devices(self) -> tuple[list[DeviceRecord], list[str]]:
        """Return the listed devices and the ids of those known; none while not loaded.

        Nor where the user has added each of them, which is choice enough.
        """
        entry: EvStreamsConfigEntry = self.config_entry
        if (
            entry.state is not ConfigEntryState.LOADED
            or entry.runtime_data.provider.subentry is not None
        ):
            return [], []
        inventory = entry.runtime_data.inventory
        wholes = [each for each in inventory.listed.values() if not each.parent_id]
        return list(map(inventory.named, wholes)), inventory.known()


def device_selector(devices: Iterable[DeviceRecord]) -> SelectSelector:
    """Return a list of devices to pick from."""
    return SelectSelector(
        SelectSelectorConfig(
            options=[
                SelectOptionDict(
                    value=device.device_id, label=f"{device.name} ({device.device_id})"
                )
                for device in devices
            ],
            multiple=True,
            mode=SelectSelectorMode.LIST,
        )
    )
