"""Every entity, state, field, error and repair has its words, and no words are left over."""

import ast
from collections.abc import Iterable, Iterator, Mapping
import importlib
import json
from pathlib import Path
import pkgutil
import re
from typing import Any, cast

from homeassistant.components.event import EventEntityDescription
from homeassistant.components.sensor import SensorDeviceClass
from homeassistant.const import Platform
from homeassistant.data_entry_flow import section
from homeassistant.helpers.entity import EntityDescription
import probatio
import pytest

from custom_components import ev_streams
from custom_components.ev_streams.const import (
    CONF_DEVICES,
    CONF_GRACE_TIME,
    CONF_HISTORY,
    CONF_TOKENS,
)
from custom_components.ev_streams.inventory import ISSUE_CHOOSE_DEVICES
from custom_components.ev_streams.providers import PROVIDERS
from custom_components.ev_streams.providers.base import Provider
from custom_components.ev_streams.providers.certificate_files import CONF_KEPT
from custom_components.ev_streams.sensor import SESSION_SENSORS
from custom_components.ev_streams.storage import ISSUE_DAMAGED, ISSUE_UNAVAILABLE
from custom_components.ev_streams.stream.errors import AccountRefusedError, StreamError

PACKAGE = Path(ev_streams.__file__).parent
ENGLISH: Mapping[str, Any] = json.loads((PACKAGE / "translations/en.json").read_text())
ICONS: Mapping[str, Any] = json.loads((PACKAGE / "icons.json").read_text())

# What the supervisor may find at any provider's broker, with what the text can name.
REPAIRS_OF_A_PROVIDER = {
    "source_gone": {"account", "source"},
    "shared_source": {"account"},
}


def flattened(value: object) -> Iterator[EntityDescription]:
    """The entity descriptions that a module's name stands for.

    Home Assistant makes their instances of classes of its own, so that they are
    known by what they are like.
    """
    if not isinstance(value, type) and hasattr(value, "translation_placeholders"):
        yield cast("EntityDescription", value)
    elif isinstance(value, tuple):
        for each in value:
            yield from flattened(each)


def described() -> Iterator[tuple[str, EntityDescription]]:
    """Every entity description with its platform: the shared ones and each provider's."""
    for platform in (Platform.SENSOR, Platform.BINARY_SENSOR, Platform.EVENT):
        module = importlib.import_module(f"{ev_streams.__name__}.{platform}")
        for value in vars(module).values():
            for description in flattened(value):
                yield platform, description
    for provider in PROVIDERS.values():
        for description in provider.sensors:
            yield Platform.SENSOR, description
        for binary_description in provider.binary_sensors:
            yield Platform.BINARY_SENSOR, binary_description


DESCRIPTIONS = list(described())
STATES: Mapping[tuple[str, str], Iterable[str]] = {
    (platform, description.translation_key or ""): options
    for platform, description in DESCRIPTIONS
    if (options := getattr(description, "options", None))
}


# What an entry knows that has been given all files: they can be taken away.
HAS_FILES = {CONF_KEPT: ["ca_certificate", "client_certificate"]}


def errors(kind: type[StreamError] = StreamError) -> Iterator[type[StreamError]]:
    """Every kind of stream error that some module defines."""
    for module in pkgutil.walk_packages([str(PACKAGE)], f"{ev_streams.__name__}."):
        importlib.import_module(module.name)
    for each in kind.__subclasses__():
        if each.__module__.startswith(ev_streams.__name__):
            yield each
            yield from errors(each)


def fields(schema: probatio.Schema) -> Iterator[tuple[str, Mapping[Any, Any]]]:
    """The parts of a form: "" for its own fields, and each section by name."""
    members: Mapping[Any, Any] = schema.schema
    yield "", {k: v for k, v in members.items() if not isinstance(v, section)}
    for marker, value in members.items():
        if isinstance(value, section):
            yield str(marker), value.schema.schema


def assert_fields_have_words(
    step: Mapping[str, Any], schema: probatio.Schema, *, exactly: bool
) -> None:
    """Each field has a label and a description; `exactly` these fields where nothing is shared."""
    for name, members in fields(schema):
        words = step["sections"][name] if name else step
        assert not name or words["name"]
        labels, descriptions = words["data"], words["data_description"]
        assert set(map(str, members)) <= set(labels)
        assert set(labels) == set(descriptions)
        if exactly:
            assert set(map(str, members)) == set(labels)
    if exactly:
        sections = {name for name, _ in fields(schema) if name}
        assert sections == set(step.get("sections", {}))


def texts(value: object, path: str = "") -> Iterator[tuple[str, str]]:
    """Every text of a file with its path."""
    if isinstance(value, str):
        yield path, value
    elif isinstance(value, dict):
        for name, member in value.items():
            yield from texts(member, f"{path}.{name}" if path else name)


def placeholders(text: str) -> set[str]:
    return set(re.findall(r"{(\w+)}", text))


def refuse_repeated_members(pairs: Iterable[tuple[str, Any]]) -> dict[str, Any]:
    members: dict[str, Any] = {}
    for name, value in pairs:
        assert name not in members, name
        members[name] = value
    return members


def test_there_are_descriptions_to_look_at() -> None:
    """The others would pass for nothing if none were found."""
    keys = {description.key for _, description in DESCRIPTIONS}
    assert {"total_power", "cable_locked", "charging_session", "stream_status"} <= keys
    assert {"connected", "upload_latency", "charging_session_energy"} <= keys
    assert {error.form_error for error in errors()} >= {
        "invalid_auth",
        "cannot_connect",
    }


@pytest.mark.parametrize(
    ("platform", "description"),
    DESCRIPTIONS,
    ids=[description.key for _, description in DESCRIPTIONS],
)
def test_every_entity_has_a_name(platform: str, description: EntityDescription) -> None:
    if description.translation_key is None:
        # Home Assistant then names it after its device class, which it must have.
        assert description.device_class is not None
        assert description.device_class is not SensorDeviceClass.ENUM
        return
    assert ENGLISH["entity"][platform][description.translation_key]["name"]


def test_no_entity_is_named_that_does_not_exist() -> None:
    named = {
        (platform, key) for platform, keys in ENGLISH["entity"].items() for key in keys
    }
    assert named <= {
        (platform, each.translation_key) for platform, each in DESCRIPTIONS
    }


@pytest.mark.parametrize("provider_key", PROVIDERS)
def test_names_of_a_device_are_told_apart(provider_key: str) -> None:
    """Of one provider's: nobody has a device of two."""
    provider = PROVIDERS[provider_key]
    for platform, descriptions in (
        ("sensor", (*provider.sensors, *SESSION_SENSORS)),
        ("binary_sensor", provider.binary_sensors),
    ):
        words = ENGLISH["entity"][platform]
        keys = [each.translation_key for each in descriptions if each.translation_key]
        names = [words[key]["name"] for key in keys]
        assert len(names) == len(set(names)), platform


@pytest.mark.parametrize(("platform", "key"), STATES)
def test_every_state_has_a_word(platform: str, key: str) -> None:
    words: Mapping[str, str] = ENGLISH["entity"][platform][key]["state"]
    assert set(words) == set(STATES[platform, key])
    assert len(set(words.values())) == len(words)


def test_no_state_is_named_that_does_not_exist() -> None:
    named = {
        (platform, key)
        for platform, entities in ENGLISH["entity"].items()
        for key, entity in entities.items()
        if "state" in entity
    }
    assert named == set(STATES)


def test_every_type_of_event_has_a_word() -> None:
    events = {
        each.translation_key: set(
            cast("EventEntityDescription", each).event_types or ()
        )
        for platform, each in DESCRIPTIONS
        if platform == Platform.EVENT
    }
    assert events
    for key, types in events.items():
        attributes = ENGLISH["entity"]["event"][key]["state_attributes"]
        assert set(attributes["event_type"]["state"]) == types


def test_the_menu_offers_every_provider() -> None:
    step = ENGLISH["config"]["step"]["user"]
    assert set(step["menu_options"]) == set(PROVIDERS)
    assert set(step["menu_option_descriptions"]) == set(PROVIDERS)


@pytest.mark.parametrize("provider", PROVIDERS.values(), ids=PROVIDERS)
def test_every_field_of_a_provider_is_explained(provider: Provider) -> None:
    steps = ENGLISH["config"]["step"]
    assert_fields_have_words(
        steps[provider.key], provider.form.schema(HAS_FILES), exactly=True
    )
    assert_fields_have_words(
        steps[f"{provider.key}_reauth"], provider.form.reauth_schema({}), exactly=True
    )


def test_only_a_provider_reports_what_its_form_found() -> None:
    reports = ENGLISH["config"]["create_entry"]
    assert set(reports) <= set(PROVIDERS)
    assert placeholders(reports["stellantis"]) == {"topics", "certificate"}


@pytest.mark.parametrize(
    ("flow", "step", "expected"),
    [
        ("config", "devices", {CONF_DEVICES}),
        (
            "options",
            "init",
            {CONF_DEVICES, CONF_GRACE_TIME, CONF_HISTORY, CONF_TOKENS},
        ),
    ],
)
def test_every_shared_field_is_explained(
    flow: str, step: str, expected: set[str]
) -> None:
    words = ENGLISH[flow]["step"][step]
    assert set(words["data"]) == set(words["data_description"]) == expected


def test_every_step_has_a_title() -> None:
    for flow in ("config", "options"):
        for name, step in ENGLISH[flow]["step"].items():
            assert step["title"], name


def test_every_error_of_a_form_has_a_text() -> None:
    keys = {error.form_error for error in errors()} | {StreamError.form_error}
    assert keys <= set(ENGLISH["config"]["error"])


def test_every_error_that_a_form_finds_itself_has_a_text() -> None:
    tree = ast.parse((PACKAGE / "config_flow.py").read_text())
    found = {
        node.value.value
        for node in ast.walk(tree)
        if isinstance(node, ast.Assign)
        and isinstance(node.targets[0], ast.Subscript)
        and ast.unparse(node.targets[0].value) == "errors"
        and isinstance(node.value, ast.Constant)
    }
    assert "unknown" in found
    assert found <= set(ENGLISH["config"]["error"])
    assert found - {"unknown"} <= set(ENGLISH["options"]["error"])


@pytest.mark.parametrize("error", [AccountRefusedError, *errors(AccountRefusedError)])
def test_a_refusal_at_setup_has_a_text_that_needs_nothing_else(
    error: type[StreamError],
) -> None:
    message = ENGLISH["exceptions"][error.form_error]["message"]
    assert placeholders(message) == set()


def test_a_failure_at_setup_has_a_text_with_its_reason() -> None:
    message = ENGLISH["exceptions"]["cannot_connect"]["message"]
    assert placeholders(message) == {"reason"}


def raised() -> dict[str, set[str]]:
    """What the code names when it raises, with what it gives the text to fill in."""
    found: dict[str, set[str]] = {}
    for file in PACKAGE.glob("*.py"):
        for node in ast.walk(ast.parse(file.read_text())):
            if not isinstance(node, ast.Call):
                continue
            given = {each.arg: each.value for each in node.keywords}
            if ast.unparse(node.func) == "_invalid":
                (word,) = node.args
                if isinstance(word, ast.Constant):
                    found[str(word.value)] = {str(name) for name in given}
                continue
            key, named = (
                given.get(name)
                for name in ("translation_key", "translation_placeholders")
            )
            if "translation_domain" not in given or not isinstance(key, ast.Constant):
                continue
            names = named.keys if isinstance(named, ast.Dict) else []
            found[str(key.value)] = {
                str(name.value) for name in names if isinstance(name, ast.Constant)
            }
    return found


def test_every_exception_has_a_text_with_what_it_is_given() -> None:
    exceptions = raised()
    assert {"not_our_device", "no_answer", "store_unavailable"} <= set(exceptions)
    for key, given in exceptions.items():
        assert placeholders(ENGLISH["exceptions"][key]["message"]) == given, key


def test_no_exception_has_a_text_that_no_error_asks_for() -> None:
    asked = {error.form_error for error in errors()} | set(raised())
    assert set(ENGLISH["exceptions"]) <= asked


@pytest.mark.parametrize("provider", PROVIDERS)
@pytest.mark.parametrize("issue", REPAIRS_OF_A_PROVIDER)
def test_every_provider_tells_the_cure_of_its_repairs(
    provider: str, issue: str
) -> None:
    words = ENGLISH["issues"][f"{provider}_{issue}"]
    used = placeholders(words["title"]) | placeholders(words["description"])
    assert words["title"]
    assert "account" in used
    assert used <= REPAIRS_OF_A_PROVIDER[issue]


def test_many_devices_are_a_repair_of_their_own() -> None:
    words = ENGLISH["issues"][ISSUE_CHOOSE_DEVICES]
    used = placeholders(words["title"]) | placeholders(words["description"])
    assert used == {"account", "listed", "limit"}


def test_troubles_with_the_file_are_repairs_of_their_own() -> None:
    """One goes away by itself, the other is confirmed and says the same in the list."""
    passing = ENGLISH["issues"][ISSUE_UNAVAILABLE]
    assert placeholders(passing["title"]) == {"account"}
    assert passing["description"]
    assert "fix_flow" not in passing
    lasting = ENGLISH["issues"][ISSUE_DAMAGED]
    (confirm,) = lasting["fix_flow"]["step"].values()
    assert "description" not in lasting
    assert placeholders(lasting["title"]) == {"account"}
    assert placeholders(confirm["title"] + confirm["description"]) == {"account"}


@pytest.mark.parametrize("file", ["translations/en.json", "icons.json"])
def test_no_member_is_given_twice(file: str) -> None:
    json.loads((PACKAGE / file).read_text(), object_pairs_hook=refuse_repeated_members)


def test_icons_belong_to_entities_and_their_states() -> None:
    for platform, entities in ICONS["entity"].items():
        words = ENGLISH["entity"][platform]
        assert set(entities) <= set(words)
        for key, icons in entities.items():
            assert set(icons.get("state", {})) <= set(words[key].get("state", {})), key


def test_icons_are_of_the_one_collection_and_states_differ_from_the_default() -> None:
    for path, icon in texts(ICONS):
        assert re.fullmatch(r"mdi:[a-z0-9]+(-[a-z0-9]+)*", icon), path
    for entities in ICONS["entity"].values():
        for icons in entities.values():
            assert icons["default"] not in icons.get("state", {}).values()


@pytest.mark.parametrize(
    "pattern",
    [
        r"^$|^\s|\s$",
        r"://|www\.",
        r"<[/!?]?[A-Za-z]",
        r"'{\w+}'",
    ],
    ids=["blank", "address", "markup", "quoted placeholder"],
)
def test_texts_are_ones_that_home_assistant_accepts(pattern: str) -> None:
    assert [path for path, text in texts(ENGLISH) if re.search(pattern, text)] == []


def test_keys_are_ones_that_home_assistant_accepts() -> None:
    names = {name for path, _ in texts(ENGLISH) for name in path.split(".")}
    assert not [name for name in names if not re.fullmatch(r"[a-z0-9_-]+", name)]
