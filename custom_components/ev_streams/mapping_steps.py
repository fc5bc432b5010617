"""The steps in which a user maps fields of messages, be it of one device or of all."""

from abc import abstractmethod
from collections.abc import Sequence
from typing import Any, Final

from homeassistant.data_entry_flow import FlowHandler, FlowResult
from homeassistant.helpers.selector import (
    BooleanSelector,
    SelectOptionDict,
    SelectSelector,
    SelectSelectorConfig,
    SelectSelectorMode,
    TextSelector,
    TextSelectorConfig,
)
import probatio

from .const import RESERVED_KEYS
from .form_fields import suggesting
from .mapping import FieldMapping, Outcome, Preset, matching, unique_key, with_preset
from .mapping_files import export_mappings, import_mappings
from .mapping_form import (
    check_sessions,
    checked,
    mapping_of,
    preview_rows,
    schema,
    section_of,
    shown_of,
    shown_of_suggestion,
)
from .model import RecentMessage, Value
from .paths import MappingError, flatten, json_text, parse_path
from .providers.base import Provider
from .sections import flat
from .suggestions import suggest

CONF_NAME: Final = "name"
CONF_PATH: Final = "path"
CONF_PRESETS: Final = "presets"
CONF_FIELD: Final = "field"
CONF_FIELDS: Final = "fields"
CONF_TEXT: Final = "text"
CONF_REPLACE: Final = "replace"

TEXT_BLOCK = TextSelector(TextSelectorConfig(multiline=True))
SHOWN: Final = 50


class MappingSteps[ResultT: FlowResult[Any, Any]](FlowHandler[Any, ResultT, Any]):
    """A flow with these steps says what there is to be mapped, and keeps what comes of it."""

    def __init__(self) -> None:
        """Start with nothing chosen."""
        self._key: str | None = None
        self._shown: dict[str, Any] = {}
        self._mapping: FieldMapping

    @property
    @abstractmethod
    def _provider(self) -> Provider:
        """Whose messages they are."""

    @property
    @abstractmethod
    def _mappings(self) -> list[FieldMapping]:
        """The mappings as they are stored now."""

    @property
    @abstractmethod
    def _contents(self) -> list[object]:
        """The contents of the newest messages, the newest first."""

    @property
    def _reserved(self) -> frozenset[str]:
        """The keys that no mapping may have: entities of the provider's own have them."""
        provider = self._provider
        tables = (*provider.sensors, *provider.binary_sensors)
        return RESERVED_KEYS | {description.key for description in tables}

    @abstractmethod
    def _previews(self, mapping: FieldMapping) -> list[tuple[RecentMessage, Outcome]]:
        """Return what a mapping would make of the newest messages, the oldest first."""

    @abstractmethod
    async def _menu(self) -> ResultT:
        """Ask what to do next."""

    @abstractmethod
    def _save(self, mappings: Sequence[FieldMapping]) -> ResultT:
        """Keep the mappings in place of those that are stored, and end the flow."""

    def _begin(self) -> list[str]:
        """Choose nothing any more; returns the steps that there is something to do in."""
        self._key, self._shown = None, {}
        options = ["add_field"]
        if self._fitting_presets():
            options.append("presets")
        if self._mappings:
            options += ["edit_field", "remove_fields", "export"]
        return [*options, "import"]

    async def async_step_presets(
        self, user_input: dict[str, Any] | None = None
    ) -> ResultT:
        """Ask which of the presets that fit to use; each makes ordinary mappings."""
        fitting = self._fitting_presets()
        if user_input is not None:
            mappings = self._mappings
            for preset in fitting:
                if preset.key in user_input[CONF_PRESETS]:
                    mappings = with_preset(mappings, preset, self._reserved)
            return self._save(mappings)
        keys = [preset.key for preset in fitting]
        selector = SelectSelector(
            SelectSelectorConfig(
                options=keys,
                multiple=True,
                mode=SelectSelectorMode.LIST,
                translation_key="preset",
            )
        )
        # The first is the most precise; two would tell the same thing twice.
        marker = probatio.Required(CONF_PRESETS, default=keys[:1])
        return self.async_show_form(
            step_id="presets", data_schema=probatio.Schema({marker: selector})
        )

    async def async_step_add_field(
        self, user_input: dict[str, Any] | None = None
    ) -> ResultT:
        """Ask for a path, offering those in the newest messages with a value of each."""
        samples = self._samples()
        errors: dict[str, str] = {}
        if user_input is not None:
            path = user_input[CONF_PATH].strip()
            try:
                parse_path(path)
            except MappingError as err:
                errors[CONF_PATH] = err.reason
            else:
                suggestion = suggest(path, samples.get(path))
                self._shown = shown_of_suggestion(path, suggestion)
                return await self.async_step_field()
        options = [
            SelectOptionDict(value=path, label=f"{path} = {_short(value)}")
            for path, value in samples.items()
        ]
        selector = SelectSelector(
            SelectSelectorConfig(
                options=options, custom_value=True, mode=SelectSelectorMode.DROPDOWN
            )
        )
        return self.async_show_form(
            step_id="add_field",
            data_schema=probatio.Schema(
                {suggesting(CONF_PATH, user_input or {}): selector}
            ),
            errors=errors,
            description_placeholders={"messages": str(len(self._contents))},
        )

    async def async_step_edit_field(
        self, user_input: dict[str, Any] | None = None
    ) -> ResultT:
        """Ask which mapping to change."""
        if user_input is not None:
            self._key = user_input[CONF_FIELD]
            chosen = {each.key: each for each in self._mappings}[self._key]
            self._shown = shown_of(chosen)
            return await self.async_step_field()
        marker = probatio.Required(CONF_FIELD)
        return self.async_show_form(
            step_id="edit_field",
            data_schema=probatio.Schema({marker: self._field_selector()}),
        )

    async def async_step_field(
        self, user_input: dict[str, Any] | None = None
    ) -> ResultT:
        """Ask what to make of the field."""
        errors: dict[str, str] = {}
        if user_input is not None:
            self._shown = flat(user_input)
            try:
                self._mapping = self._read_field()
            except MappingError as err:
                place, text = section_of(err)
                errors[place] = text
            else:
                return await self.async_step_preview()
        return self.async_show_form(
            step_id="field", data_schema=schema(self._shown), errors=errors
        )

    async def async_step_preview(
        self, user_input: dict[str, Any] | None = None
    ) -> ResultT:
        """Show what the mapping makes of the newest messages, before it is saved."""
        previews = self._previews(self._mapping)
        return self.async_show_menu(
            step_id="preview",
            menu_options=["save_field", "field"],
            description_placeholders={
                "name": self._mapping.name,
                "rows": preview_rows(self._mapping, previews),
            },
        )

    async def async_step_save_field(
        self, user_input: dict[str, Any] | None = None
    ) -> ResultT:
        """Save the mapping that was previewed."""
        mapping = self._mapping
        mappings = {each.key: each for each in self._mappings} | {mapping.key: mapping}
        return self._save(list(mappings.values()))

    async def async_step_remove_fields(
        self, user_input: dict[str, Any] | None = None
    ) -> ResultT:
        """Ask which mappings to remove, with their entities."""
        if user_input is not None:
            removed = user_input[CONF_FIELDS]
            if not removed:
                return await self._menu()
            return self._save([m for m in self._mappings if m.key not in removed])
        selector = self._field_selector(multiple=True)
        marker = probatio.Required(CONF_FIELDS, default=[])
        return self.async_show_form(
            step_id="remove_fields", data_schema=probatio.Schema({marker: selector})
        )

    async def async_step_export(
        self, user_input: dict[str, Any] | None = None
    ) -> ResultT:
        """Show the mappings as text, to be copied."""
        if user_input is not None:
            return await self._menu()
        text = export_mappings(self._mappings)
        marker = probatio.Optional(CONF_TEXT, description={"suggested_value": text})
        return self.async_show_form(
            step_id="export", data_schema=probatio.Schema({marker: TEXT_BLOCK})
        )

    async def async_step_import(
        self, user_input: dict[str, Any] | None = None
    ) -> ResultT:
        """Ask for mappings as text, and add them or put them in place of the others."""
        errors: dict[str, str] = {}
        detail = ""
        if user_input is not None:
            try:
                new = checked(
                    self.hass, import_mappings(user_input[CONF_TEXT]), self._reserved
                )
                kept = [] if user_input[CONF_REPLACE] else self._mappings
                merged = {each.key: each for each in (*kept, *new)}
                check_sessions(list(merged.values()))
            except MappingError as err:
                errors[CONF_TEXT], detail = "bad_mappings", _in_words(err)
            else:
                return self._save(list(merged.values()))
        form = {
            suggesting(CONF_TEXT, user_input or {}): TEXT_BLOCK,
            probatio.Required(CONF_REPLACE, default=False): BooleanSelector(),
        }
        return self.async_show_form(
            step_id="import",
            data_schema=probatio.Schema(form),
            errors=errors,
            description_placeholders={"detail": detail},
        )

    def _fitting_presets(self) -> list[Preset]:
        """Return what fits the newest messages and would add something."""
        paths = {mapping.path for mapping in self._mappings}
        return [
            preset
            for preset in matching(self._provider.presets, self._contents)
            if any(mapping.path not in paths for mapping in preset.mappings)
        ]

    def _samples(self) -> dict[str, Value | None]:
        """Return the paths in the newest messages, with the newest value of each."""
        samples: dict[str, Value | None] = {}
        for content in self._contents:
            for sample in flatten(content):
                samples.setdefault(sample.path, sample.value)
        return samples

    def _read_field(self) -> FieldMapping:
        others = [each for each in self._mappings if each.key != self._key]
        taken = self._reserved | {each.key for each in others}
        key = self._key or unique_key(str(self._shown.get(CONF_NAME, "")), taken)
        mapping = mapping_of(self.hass, key, self._shown)
        check_sessions([*others, mapping])
        return mapping

    def _field_selector(self, *, multiple: bool = False) -> SelectSelector:
        options = [
            SelectOptionDict(value=each.key, label=f"{each.name} ({each.path})")
            for each in self._mappings
        ]
        return SelectSelector(
            SelectSelectorConfig(
                options=options, multiple=multiple, mode=SelectSelectorMode.LIST
            )
        )


def _in_words(error: MappingError) -> str:
    """Return an error of a text that somebody else may have written."""
    return str(error).replace("_", " ")


def _short(value: object) -> str:
    text = json_text(value)
    return text if len(text) <= SHOWN else f"{text[:SHOWN]}…"
