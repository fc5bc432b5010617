"""The rules of the house, read off the source itself."""

import ast
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

from custom_components import ev_streams
from custom_components.ev_streams.providers import PROVIDERS

PACKAGE = Path(ev_streams.__file__).parent
LONGEST_MODULE = 450

# Modules that know nothing of Home Assistant, so that they can be fuzzed and measured alone.
FREE_MODULES = {
    "model",
    "ledger",
    "store",
    "batch",
    "tables",
    "commit",
    "meter",
    "series",
    "paths",
    "conversion",
    "mapping",
    "mapping_files",
    "suggestions",
    "charging",
    "numbering",
    "refusals",
    "announcer",
    "listeners",
    "device_records",
    "providers.bodies",
    "providers.listening",
    "providers.queues",
    "appearances",
}
FREE_FOLDER = "stream"
FREE_PROTOCOL_HALF = {
    "api",
    "decode",
    "observations",
    "enums",
    "account",
    "op_mode",
    "presets",
    "sending",
    "topics",
    "names",
    "personal",
    "properties",
    "vehicle",
    "messages",
    "fields",
    "places",
    "privacy",
    "devices",
    "facts",
    "meter",
    "notifications",
    "sessions",
    "signature",
    "told",
}

# From left to right; what is not named is a platform or another outermost part.
COLUMNS: tuple[frozenset[str], ...] = (
    frozenset({"model", "const", "numbering", "listeners", "device_records"}),
    frozenset(
        {
            "stream",
            "paths",
            "conversion",
            "mapping",
            "mapping_files",
            "suggestions",
            "charging",
            "meter",
            "series",
            "secret_store",
            "webhooks",
            "form_fields",
        }
    ),
    frozenset({"providers"}),
    frozenset(
        {"ledger", "batch", "store", "tables", "refusals", "notifier", "subentries"}
    ),
    frozenset(
        {
            "inventory",
            "strangers",
            "connection",
            "expiry",
            "storage",
            "commit",
            "derivation",
            "vitals",
            "appearances",
        }
    ),
    frozenset({"refresh", "intake", "announcer", "traffic", "longterm", "sums"}),
    frozenset({"rows", "silence"}),
    frozenset({"history"}),
    frozenset({"reception"}),
    frozenset({"coordinator", "backfill"}),
    frozenset({"entity", "mapped", "report", "targets"}),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Module:
    """One file; `name` is dotted and relative to the package, whose own file is ""."""

    name: str
    is_package: bool
    tree: ast.Module
    lines: int

    @property
    def top(self) -> str:
        return self.name.partition(".")[0]


def modules_of(root: Path) -> dict[str, Module]:
    """Every file of a package by name."""
    modules = {}
    for file in sorted(root.rglob("*.py")):
        parts = file.relative_to(root).with_suffix("").parts
        is_package = parts[-1] == "__init__"
        name = ".".join(parts[:-1] if is_package else parts)
        source = file.read_text()
        modules[name] = Module(
            name=name,
            is_package=is_package,
            tree=ast.parse(source),
            lines=len(source.splitlines()),
        )
    return modules


def joined(*parts: str) -> str:
    return ".".join(part for part in parts if part)


def origin(module: Module, node: ast.ImportFrom) -> str:
    """The package's own module that a relative import names."""
    parts = module.name.split(".") if module.name else []
    up = node.level - module.is_package
    return joined(*parts[: len(parts) - up], node.module or "")


def own_imports(module: Module, modules: Mapping[str, Module]) -> set[str]:
    """The package's own modules that a module imports, wherever in its file."""
    found = set()
    for node in ast.walk(module.tree):
        if isinstance(node, ast.ImportFrom) and node.level:
            base = origin(module, node)
            for alias in node.names:
                submodule = joined(base, alias.name)
                found.add(submodule if submodule in modules else base)
    return found - {module.name}


def foreign_imports(module: Module) -> set[str]:
    """The top-level packages that a module imports by their full name."""
    found = set()
    for node in ast.walk(module.tree):
        if isinstance(node, ast.Import):
            found |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and not node.level:
            found.add((node.module or "").partition(".")[0])
    return found


def reachable(start: str, modules: Mapping[str, Module]) -> set[str]:
    """A module and all of the package's own that it imports, directly or not."""
    seen: set[str] = set()
    waiting = [start]
    while waiting:
        name = waiting.pop()
        if name not in seen:
            seen.add(name)
            waiting += own_imports(modules[name], modules)
    return seen


def must_be_free(name: str) -> bool:
    """Whether a module must know nothing of Home Assistant."""
    parts = name.split(".")
    if parts[0] == "providers":
        return name in FREE_MODULES or (
            len(parts) == 3 and parts[2] in FREE_PROTOCOL_HALF
        )
    return name in FREE_MODULES or parts[0] == FREE_FOLDER


def home_assistant_users(modules: Mapping[str, Module]) -> set[str]:
    """The modules that must be free of Home Assistant and reach it nevertheless."""
    return {
        name
        for name in modules
        if must_be_free(name)
        and any(
            "homeassistant" in foreign_imports(modules[each])
            for each in reachable(name, modules)
        )
    }


def column(name: str) -> int:
    top = name.partition(".")[0]
    return next((i for i, names in enumerate(COLUMNS) if top in names), len(COLUMNS))


def imports_to_the_right(modules: Mapping[str, Module]) -> set[tuple[str, str]]:
    """Pairs of importer and imported where the data would flow backwards."""
    return {
        (name, imported)
        for name, module in modules.items()
        for imported in own_imports(module, modules)
        if column(imported) > column(name)
    }


def compared_texts(tree: ast.AST) -> Iterator[str]:
    """Every text that is compared with something, in a test or in a match."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Compare | ast.MatchValue):
            for inner in ast.walk(node):
                if isinstance(inner, ast.Constant) and isinstance(inner.value, str):
                    yield inner.value


def comparers_of(keys: Iterable[str], modules: Mapping[str, Module]) -> set[str]:
    """The modules outside the providers that ask which provider it is."""
    wanted = set(keys)
    return {
        name
        for name, module in modules.items()
        if module.top != "providers" and wanted & set(compared_texts(module.tree))
    }


def users_of_one_provider(modules: Mapping[str, Module]) -> set[str]:
    """The modules outside the providers that import a particular one."""
    shared = {"providers", "providers.base"}
    return {
        name
        for name, module in modules.items()
        if module.top != "providers"
        and any(
            each.partition(".")[0] == "providers" and each not in shared
            for each in own_imports(module, modules)
        )
    }


MODULES = modules_of(PACKAGE)


def test_the_whole_package_is_looked_at() -> None:
    """The others would pass for nothing if files were missed or imports not understood."""
    assert {"", "model", "ledger", "coordinator", "sensor", "stream.amqp"} <= set(
        MODULES
    )
    assert "providers.easee.decode" in MODULES
    assert own_imports(MODULES["providers.easee.account"], MODULES) == {
        "model",
        "stream.amqp",
        "stream.delivery",
        "stream.errors",
        "stream.supervisor",
        "providers.easee.decode",
        "providers.easee.api",
        "providers.easee.enums",
        "providers.easee.observations",
    }
    assert "homeassistant" in foreign_imports(MODULES["sensor"])


@pytest.mark.parametrize("name", sorted(filter(must_be_free, MODULES)))
def test_the_protocol_half_knows_nothing_of_home_assistant(name: str) -> None:
    used_by = {
        each: foreign_imports(MODULES[each]) & {"homeassistant"}
        for each in reachable(name, MODULES)
    }
    assert not [each for each, packages in used_by.items() if packages]


def test_imports_only_point_left() -> None:
    assert imports_to_the_right(MODULES) == set()


def test_no_module_imports_itself_on_a_detour() -> None:
    graph = {name: own_imports(module, MODULES) for name, module in MODULES.items()}
    assert len(list(TopologicalSorter(graph).static_order())) == len(MODULES)


def test_the_package_imports_itself_relatively() -> None:
    for name, module in MODULES.items():
        assert "custom_components" not in foreign_imports(module), name


def test_nobody_outside_the_providers_asks_which_one_it_is() -> None:
    assert comparers_of(PROVIDERS, MODULES) == set()
    assert users_of_one_provider(MODULES) == set()


@pytest.mark.parametrize("name", MODULES)
def test_annotations_need_no_import_from_the_future(name: str) -> None:
    assert "__future__" not in foreign_imports(MODULES[name])


@pytest.mark.parametrize("name", MODULES)
def test_no_module_is_too_long_to_read(name: str) -> None:
    assert MODULES[name].lines < LONGEST_MODULE


def package(root: Path, files: Mapping[str, str]) -> dict[str, Module]:
    """The modules of a small package with the given files."""
    for path, source in files.items():
        file = root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(source)
    return modules_of(root)


@pytest.mark.parametrize(
    "source",
    [
        "import homeassistant.core",
        "from homeassistant.core import HomeAssistant",
        "def f():\n    from homeassistant import core",
        "from .helper import core",
        "from . import helper",
    ],
)
def test_a_use_of_home_assistant_would_be_seen(tmp_path: Path, source: str) -> None:
    modules = package(
        tmp_path,
        {
            "model.py": "import datetime",
            "ledger.py": "from .model import datetime",
            "stream/__init__.py": "",
            "stream/amqp.py": source,
            "stream/helper.py": "from homeassistant import core",
            "stream/supervisor.py": "from ..ledger import datetime",
        },
    )
    assert "stream.amqp" in home_assistant_users(modules)
    assert not {"model", "ledger", "stream.supervisor"} & home_assistant_users(modules)


def test_an_import_to_the_right_would_be_seen(tmp_path: Path) -> None:
    modules = package(
        tmp_path,
        {
            "__init__.py": "from .coordinator import C",
            "coordinator.py": "from .stream import amqp\nfrom .sensor import S",
            "sensor.py": "from .coordinator import C",
            "stream/__init__.py": "",
            "stream/amqp.py": "def f():\n    from ..entity import E",
            "entity.py": "",
            "providers/__init__.py": "from . import one",
            "providers/one.py": "from .. import ledger",
            "ledger.py": "",
        },
    )
    assert imports_to_the_right(modules) == {
        ("coordinator", "sensor"),
        ("stream.amqp", "entity"),
        ("providers.one", "ledger"),
    }


@pytest.mark.parametrize(
    "source",
    [
        "def f(p):\n    return p == 'easee'",
        "def f(p):\n    return p in ('easee', 'other')",
        "def f(p):\n    return p.key != 'easee'",
        "def f(p):\n    match p:\n        case 'easee':\n            return 1",
    ],
)
def test_a_question_for_the_provider_would_be_seen(tmp_path: Path, source: str) -> None:
    modules = package(
        tmp_path,
        {"sensor.py": source, "providers/one.py": source, "event.py": "X = 'easee'"},
    )
    assert comparers_of(["easee"], modules) == {"sensor"}


def test_the_use_of_one_provider_would_be_seen(tmp_path: Path) -> None:
    modules = package(
        tmp_path,
        {
            "sensor.py": "from .providers.one import ONE",
            "event.py": "from .providers import PROVIDERS\nfrom .providers.base import P",
            "providers/__init__.py": "from .one import ONE",
            "providers/base.py": "",
            "providers/one/__init__.py": "",
        },
    )
    assert users_of_one_provider(modules) == {"sensor"}
