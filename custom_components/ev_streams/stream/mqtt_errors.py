"""What a refusal or a broken line means: wrong password, wrong certificate, or bad luck."""

import socket
from ssl import SSLEOFError, SSLError, SSLZeroReturnError

from paho.mqtt.reasoncodes import ReasonCode

from .errors import (
    ConnectionFailedError,
    CredentialsRefusedError,
    LoginCutOffError,
    StreamError,
)
from .tls_errors import translated_tls

# As paho calls the answers 4 and 5 of MQTT 3.1.1 (and 140 of version 5).
REFUSED = {134, 135, 140}
HUNG_UP = (
    BrokenPipeError,
    ConnectionAbortedError,
    ConnectionResetError,
    SSLEOFError,
    SSLZeroReturnError,
)


def refusal(code: ReasonCode) -> StreamError:
    """Return what the broker's answer to the login means."""
    if code.value in REFUSED:
        return CredentialsRefusedError(f"the broker refused the login: {code}")
    return ConnectionFailedError(f"the broker refused the connection: {code}")


def translated(error: BaseException, *, is_logged_in: bool) -> StreamError:
    """Tell what a failure of the line means; the text names kinds, never a secret."""
    if not is_logged_in and isinstance(error, HUNG_UP):
        return LoginCutOffError("the broker hung up before it answered the login")
    if isinstance(error, SSLError):
        return translated_tls(error)
    for kind, reason in (
        (socket.gaierror, "the broker's name is not known"),
        (TimeoutError, "no answer in time"),
        (ConnectionRefusedError, "nobody listens there"),
    ):
        if isinstance(error, kind):
            return ConnectionFailedError(reason)
    return ConnectionFailedError(f"{type(error).__name__}: {error}")
