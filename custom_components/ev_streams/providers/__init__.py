"""The registry: one line a provider."""

from collections.abc import Mapping

from .ampeco import AMPECO_KAFKA, AMPECO_WEBHOOK
from .base import Provider
from .easee import EASEE
from .etrel import ETREL
from .invers import INVERS
from .stellantis import STELLANTIS

PROVIDERS: Mapping[str, Provider] = {
    EASEE.key: EASEE,
    STELLANTIS.key: STELLANTIS,
    ETREL.key: ETREL,
    INVERS.key: INVERS,
    AMPECO_WEBHOOK.key: AMPECO_WEBHOOK,
    AMPECO_KAFKA.key: AMPECO_KAFKA,
}
