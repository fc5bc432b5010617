"""Which devices the account has, which of them are followed, and their place in the registry."""

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import replace
from time import monotonic

from homeassistant.config_entries import ConfigEntry, ConfigEntryState
from homeassistant.core import HomeAssistant
from homeassistant.helpers import device_registry as dr, issue_registry as ir
from homeassistant.helpers.device_registry import DeviceEntryType, DeviceInfo

from .const import CONF_DEVICES, DOMAIN
from .device_records import merged
from .model import DeviceRecord
from .providers.base import Provider
from .subentries import subentry_of

ISSUE_CHOOSE_DEVICES = "choose_devices"
ISSUE_ELSEWHERE = "devices_elsewhere"
# Somebody else's charger on the queue must not make us ask the vendor for ever.
ASK_AGAIN_AFTER = 3600.0
ASK_AT_MOST_EVERY = 60.0
REMEMBERED = 1000
# Vendors limit this question: Easee, as public copies of its API have it, to 2 a minute.
LIST_FRESH_FOR = 60.0

type DevicesListener = Callable[[list[DeviceRecord]], None]
type KeepRecord = Callable[[DeviceRecord], None]


class Inventory:
    """The devices of one account."""

    def __init__(
        self, hass: HomeAssistant, entry: ConfigEntry, provider: Provider
    ) -> None:
        """Know the account itself, which is registered first as everybody's parent.

        Where the messages tell which devices there are, also those that they told of before.
        """
        self.listed: dict[str, DeviceRecord] = {}
        self.followed: dict[str, DeviceRecord] = {}
        self.account_id = entry.unique_id or entry.entry_id
        self._hass = hass
        self._entry = entry
        self._provider = provider
        self._registry = dr.async_get(hass)
        self._listeners: list[DevicesListener] = []
        self._asked_at: dict[str, float] = {}
        self._last_asked = -ASK_AT_MOST_EVERY
        self._awaited: set[str] = set()
        self._elsewhere: set[str] = set()
        self._listed_at = 0.0
        self._names: dict[str, DeviceRecord] = {}
        self._keep: KeepRecord = lambda record: None
        self.account_info = DeviceInfo(
            identifiers={(DOMAIN, self.account_id)},
            name=entry.title,
            manufacturer=provider.name,
            model="Account",
            entry_type=DeviceEntryType.SERVICE,
        )
        self._account_device = self._registry.async_get_or_create(
            config_entry_id=entry.entry_id, **self.account_info
        )
        if self.is_discovering:
            self._restore()

    @property
    def is_discovering(self) -> bool:
        """Whether the messages tell which devices there are."""
        return self._provider.discovers

    def update(self, records: Collection[DeviceRecord]) -> list[DeviceRecord]:
        """Take the account's list; returns the devices that are followed from now on.

        A followed device that is missing from the list stays followed: its
        messages say that it exists, and a list may be incomplete for once. Where the
        messages tell which devices there are, the list names them, and that is all.
        """
        self._awaited.clear()
        self._listed_at = monotonic()
        if self.is_discovering:
            self._names |= {record.device_id: record for record in records}
            records = list(map(self._as_listed, self.listed.values()))
        return self._take(records)

    def meet(self, records: Iterable[DeviceRecord]) -> None:
        """Take note of devices that a message tells of, and of what it tells of them."""
        for record in records:
            known = self.listed.get(record.device_id)
            met = self._as_listed(merged(known, record))
            if met != known or self._is_left_to_us(met):
                known_now = [*(self.listed | {met.device_id: met}).values()]
                self._take(self._with_wholes(known_now))
                if met.device_id in self.followed:
                    self._keep(met)

    def restore(self, records: Iterable[DeviceRecord], keep: KeepRecord) -> None:
        """Know the devices of which something is kept, where messages tell which there are.

        Home Assistant writes its registry late: a power cut may have taken them out of
        it. `keep` keeps what is told of one from now on.
        """
        if self.is_discovering:
            self.meet(each for each in records if each.device_id != self.account_id)
            self._keep = keep

    def _as_listed(self, record: DeviceRecord) -> DeviceRecord:
        """Add what the account's own list tells of a device that messages tell of."""
        listed = self._names.get(record.device_id)
        return record if listed is None else merged(record, listed)

    def _take(self, records: Collection[DeviceRecord]) -> list[DeviceRecord]:
        """Follow what is to be followed of all devices there are; returns those that are new."""
        self.listed = {record.device_id: record for record in records}
        new: list[DeviceRecord] = []
        chosen = self._choose(records)
        # A whole that was removed has come back after its parts, which are shown in it.
        chosen.sort(key=lambda each: len(self._wholes(each.device_id)))
        for record in chosen:
            if record.device_id not in self.followed:
                new.append(record)
            self.followed[record.device_id] = record
            self._registry.async_get_or_create(
                config_entry_id=self._entry.entry_id,
                config_subentry_id=self.subentry_id(record.device_id),
                **self.device_info(record.device_id),
            )
        for listener in self._listeners:
            listener(new)
        return new

    def _with_wholes(self, records: Collection[DeviceRecord]) -> list[DeviceRecord]:
        """Return the records, before any part its whole, be it told of or not.

        What a part tells is of the whole, which has to be there for that.
        """
        told = {each.device_id for each in records}
        untold = {each.parent_id for each in records if each.parent_id not in told}
        wholes = [
            self._as_listed(DeviceRecord(device_id=each, name=""))
            for each in sorted(filter(None, untold))
        ]
        return sorted([*wholes, *records], key=lambda each: each.parent_id is not None)

    def remove_deselected(self) -> None:
        """Take the devices off the registry that the user chose not to follow any more."""
        for device in dr.async_entries_for_config_entry(
            self._registry, self._entry.entry_id
        ):
            ids = {each for domain, each in device.identifiers if domain == DOMAIN}
            if all(self.is_deselected(device_id) for device_id in ids):
                self._registry.async_remove_device(device.id)

    def is_deselected(self, device_id: str) -> bool:
        """Whether the user chose devices, and not this one."""
        if self._provider.subentry is not None:
            is_added = subentry_of(self._entry, device_id) is not None
            return not is_added and device_id != self.account_id
        picked: list[str] | None = self._entry.options.get(CONF_DEVICES)
        whole = self.whole_of(device_id)
        return picked is not None and whole not in (*picked, self.account_id)

    def whole_of(self, device_id: str) -> str:
        """Return the device that this one is a part of, or itself: the user picks the whole."""
        return self._wholes(device_id)[-1]

    def _wholes(self, device_id: str) -> list[str]:
        """Return a device, what it is a part of, and so on up to the whole."""
        found: list[str] = []
        whole: str | None = device_id
        while whole is not None and whole not in found:
            found.append(whole)
            record = self.listed.get(whole)
            whole = None if record is None else record.parent_id
        # Parts of each other, as no vendor should tell, are wholes of their own.
        return found if whole is None else [*found, whole]

    def parts_of(self, device_id: str) -> list[str]:
        """Return the devices that are parts of this one, if it is a whole."""
        return [
            each
            for each in self.followed
            if each != device_id and self.whole_of(each) == device_id
        ]

    def forget(self, device_id: str) -> None:
        """Stop following a device that the user removed; it is new should it come back."""
        self.followed.pop(device_id, None)
        if self.is_discovering:
            self.listed.pop(device_id, None)

    def listen(self, listener: DevicesListener) -> Callable[[], None]:
        """Call the listener with the devices followed now and with each later one."""
        self._listeners.append(listener)
        listener(list(self.followed.values()))
        return lambda: self._listeners.remove(listener)

    def known(self) -> list[str]:
        """Return what is followed, or has entities although the list leaves it out now."""
        registered = {
            device_id
            for device in dr.async_entries_for_config_entry(
                self._registry, self._entry.entry_id
            )
            for domain, device_id in device.identifiers
            if domain == DOMAIN and device_id != self.account_id
        }
        known = [*self.followed, *sorted(registered - self.followed.keys())]
        return [each for each in known if self.whole_of(each) == each]

    def is_list_due(self) -> bool:
        """Whether to ask for the list: somebody waits for it, or it is not of just now.

        Where messages tell which devices there are, an account may have nothing to list
        before its stream runs: what it said at setup is no list then.
        """
        is_fresh = monotonic() - self._listed_at < LIST_FRESH_FOR
        return bool(self._awaited) or self.is_discovering or not is_fresh

    def is_followed(self, device_id: str) -> bool:
        """Whether messages of the device are wanted."""
        return device_id in self.followed

    def is_removable(self, device_id: str) -> bool:
        """Whether the user may remove the device; one that messages tell of comes back."""
        is_account = device_id == self.account_id
        return not is_account and (self.is_discovering or device_id not in self.listed)

    def is_listed(self, device_id: str) -> bool:
        """Whether the account (still) has the device."""
        return device_id == self.account_id or device_id in self.listed

    def should_ask_about(self, device_id: str) -> bool:
        """Whether a device that the account did not list is worth asking the vendor again."""
        if self._provider.subentry is not None or self.is_discovering:
            # The user alone adds devices, and a change of theirs is heard of; or it is
            # the message that makes the device known.
            return False
        now = monotonic()
        if device_id in self.listed or now - self._last_asked < ASK_AT_MOST_EVERY:
            return False
        asked_at = self._asked_at.get(device_id)
        if asked_at is not None and now - asked_at < ASK_AGAIN_AFTER:
            return False
        if len(self._asked_at) >= REMEMBERED:
            self._asked_at.clear()
        self._asked_at[device_id] = self._last_asked = now
        self._awaited.add(device_id)
        return True

    def is_asked_about(self, device_id: str) -> bool:
        """Whether the next list decides if the device is one of the account's."""
        return device_id in self._awaited

    def unanswered(self) -> None:
        """Nothing is waited for any longer; where no list came, it may be asked for again."""
        for device_id in self._awaited:
            self._asked_at.pop(device_id, None)
        self._awaited.clear()

    def device_info(self, device_id: str) -> DeviceInfo:
        """Return what the device registry should hold of a device or of the account."""
        if device_id == self.account_id:
            return self.account_info
        record = self.named(self.followed[device_id])
        return DeviceInfo(
            identifiers={(DOMAIN, device_id)},
            name=record.name,
            manufacturer=self._provider.name,
            model=record.model,
            serial_number=record.serial_number,
            via_device_id=(self._parent(record) or self._account_device).id,
        )

    def subentry_id(self, device_id: str) -> str | None:
        """Return the subentry that a device belongs to, None where the account listed it."""
        subentry = subentry_of(self._entry, device_id)
        return None if subentry is None else subentry.subentry_id

    def set_firmware(self, device_id: str, firmware: str) -> None:
        """Show the firmware on the device's page."""
        device = self._registered(device_id)
        if device is not None:
            self._registry.async_update_device(device.id, sw_version=firmware)

    @property
    def _issue_id(self) -> str:
        return f"{ISSUE_CHOOSE_DEVICES}_{self._entry.entry_id}"

    def _choose(self, records: Collection[DeviceRecord]) -> list[DeviceRecord]:
        """Follow what the user picked; without a pick everything, as long as it is not many."""
        elsewhere = {
            each.device_id: title
            for each in records
            if (title := self._shown_by(self.whole_of(each.device_id))) is not None
        }
        self._tell_elsewhere(elsewhere)
        records = [each for each in records if each.device_id not in elsewhere]
        wholes = dict.fromkeys(self.whole_of(each.device_id) for each in records)
        limit = self._provider.follow_at_most
        picked: Collection[str] | None = self._entry.options.get(CONF_DEVICES)
        if picked is not None or len(wholes) <= limit or self._provider.subentry:
            ir.async_delete_issue(self._hass, DOMAIN, self._issue_id)
        else:
            self._let_choose(len(wholes), limit)
            known = [each for each in wholes if self._registered(each)]
            others = [each for each in wholes if each not in known]
            picked = [*known, *others[: max(0, limit - len(known))]]
        if picked is None:
            return records
        order = {device_id: at for at, device_id in enumerate(picked)}
        chosen = [each for each in records if self.whole_of(each.device_id) in order]
        return sorted(chosen, key=lambda each: order[self.whole_of(each.device_id)])

    def _let_choose(self, listed: int, limit: int) -> None:
        ir.async_create_issue(
            self._hass,
            DOMAIN,
            self._issue_id,
            is_fixable=False,
            severity=ir.IssueSeverity.WARNING,
            translation_key=ISSUE_CHOOSE_DEVICES,
            translation_placeholders={
                "account": self._entry.title,
                "listed": str(listed),
                "limit": str(limit),
            },
        )

    def _shown_by(self, device_id: str) -> str | None:
        """Return the other entry that shows the device: its entities can exist only once."""
        others = self._hass.config_entries.async_entries(DOMAIN, include_disabled=False)
        for entry in others:
            if entry.entry_id == self._entry.entry_id:
                continue
            if entry.state is ConfigEntryState.LOADED:
                is_shown = entry.runtime_data.inventory.is_followed(device_id)
            else:
                # It may be loading anew at this moment.
                is_shown = self._registered(device_id, entry.entry_id) is not None
            if is_shown:
                return entry.title
        return None

    def _is_left_to_us(self, record: DeviceRecord) -> bool:
        """Whether another entry showed the device when last looked at, and does no more."""
        return (
            record.device_id in self._elsewhere
            and self._shown_by(self.whole_of(record.device_id)) is None
        )

    def _tell_elsewhere(self, elsewhere: Mapping[str, str]) -> None:
        """Tell of devices that are left to another entry, where nobody has listed them.

        Their ids are numbers of a vendor's customer: they may be other devices.
        """
        self._elsewhere = set(elsewhere)
        if not self.is_discovering:
            return
        issue_id = f"{ISSUE_ELSEWHERE}_{self._entry.entry_id}"
        if not elsewhere:
            ir.async_delete_issue(self._hass, DOMAIN, issue_id)
            return
        ir.async_create_issue(
            self._hass,
            DOMAIN,
            issue_id,
            is_fixable=False,
            severity=ir.IssueSeverity.WARNING,
            translation_key=ISSUE_ELSEWHERE,
            translation_placeholders={
                "account": self._entry.title,
                "count": str(len(elsewhere)),
                "others": ", ".join(sorted(set(elsewhere.values()))),
            },
        )

    def _restore(self) -> None:
        """Know the devices that messages told of before a restart, as the registry has them."""
        devices = dr.async_entries_for_config_entry(
            self._registry, self._entry.entry_id
        )
        ids = {
            device.id: device_id
            for device in devices
            for domain, device_id in device.identifiers
            if domain == DOMAIN and device_id != self.account_id
        }
        for device in devices:
            if (device_id := ids.get(device.id)) is not None:
                record = DeviceRecord(
                    device_id=device_id,
                    name=device.name or "",
                    model=device.model,
                    serial_number=device.serial_number,
                    parent_id=ids.get(device.via_device_id or ""),
                )
                if record.name == self._provider.name_device(record):
                    # What was shown for want of a name is none.
                    record = replace(record, name="")
                self.listed[device_id] = record

    def named(self, record: DeviceRecord) -> DeviceRecord:
        """Return the record with a name that can be shown."""
        return replace(record, name=record.name or self._provider.name_device(record))

    def _parent(self, record: DeviceRecord) -> dr.AnyDeviceEntry | None:
        return None if record.parent_id is None else self._registered(record.parent_id)

    def _registered(
        self, device_id: str, entry_id: str | None = None
    ) -> dr.AnyDeviceEntry | None:
        return self._registry.async_get_device_by_identifier(
            (DOMAIN, device_id), entry_id or self._entry.entry_id
        )
