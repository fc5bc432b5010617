"""The registry: one line a provider."""

from collections.abc import Mapping

from .base import Provider
from .easee import EASEE

PROVIDERS: Mapping[str, Provider] = {
    EASEE.key: EASEE,
}
