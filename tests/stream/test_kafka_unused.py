"""Who has no Kafka stream does not load its library."""

import subprocess
import sys

LOADED = """
import importlib
from pathlib import Path
import sys

from custom_components import ev_streams

package = Path(ev_streams.__file__).parent
for file in sorted(package.rglob("*.py")):
    name = ".".join(file.relative_to(package).with_suffix("").parts)
    if not name.startswith(NEEDING_IT):
        importlib.import_module(f"custom_components.ev_streams.{name}")
assert "custom_components.ev_streams.stream.kafka" in sys.modules
print([each for each in sys.modules if each.partition(".")[0] == "kafka"])
"""

# What only the threads of a stream import.
NEEDING_IT = ("stream.kafka_client", "stream.kafka_reader", "stream.kafka_transport")


def test_the_library_is_not_loaded_with_the_integration() -> None:
    code = f"NEEDING_IT = {NEEDING_IT!r}\n{LOADED}"
    ran = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, check=False, text=True
    )
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout.split("\n")[-2] == "[]"
