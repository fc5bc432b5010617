"""What every client of a vendor's HTTP API does alike: whom to trust, what a failure means."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from email.utils import parsedate_to_datetime
from ipaddress import ip_address
import math
from time import time
from typing import Final

import aiohttp
from yarl import URL

from .errors import CertificateRefusedError, ConnectionFailedError

DEFAULT_RETRY_AFTER: Final = 60.0
SHORTEST_RETRY_AFTER: Final = 1.0


class InsecureAddressError(ConnectionFailedError):
    """The API address would send a secret in clear over a network."""

    form_error = "insecure_address"


def is_secure(address: str) -> bool:
    """Whether a secret may be sent there: by https, or not over a network at all."""
    try:
        url = URL(address)
        return url.scheme == "https" or (
            url.host is not None
            and (url.host == "localhost" or ip_address(url.host).is_loopback)
        )
    except ValueError:
        return False


def retry_after(header: str | None) -> float:
    """Read seconds or a date, as HTTP allows both; never so short that calls would spin."""
    seconds = DEFAULT_RETRY_AFTER
    if header is not None:
        try:
            seconds = float(header)
        except ValueError:
            with suppress(ValueError):
                seconds = parsedate_to_datetime(header).timestamp() - time()
    if not math.isfinite(seconds):
        seconds = DEFAULT_RETRY_AFTER
    return max(SHORTEST_RETRY_AFTER, seconds)


@contextmanager
def api_errors() -> Iterator[None]:
    """Turn whatever breaks a call into a StreamError that names kinds, never a secret."""
    try:
        yield
    except TimeoutError as err:
        raise ConnectionFailedError("the API gave no answer in time") from err
    except aiohttp.ClientConnectorCertificateError as err:
        raise CertificateRefusedError("the API has a bad certificate") from err
    except aiohttp.ClientError as err:
        raise ConnectionFailedError(
            f"the API cannot be reached: {type(err).__name__}"
        ) from err
    except ValueError as err:
        raise ConnectionFailedError("the API gave an answer that is no JSON") from err
