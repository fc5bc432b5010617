"""Why a stream or its account could not be used.

`form_error` is the key under which a config flow shows the reason, so that a
provider's own kinds of refusal need no table elsewhere.
"""

from collections.abc import Mapping

# What belongs together, by the fields of a form.
PAIR = ("client_certificate", "client_key")


class StreamError(Exception):
    """Anything that keeps a stream from running; the message never holds a secret.

    `wrong_field` names the field of a form where the cause lies, as far as it is known,
    and the key of a text that says what it is, with the `placeholders`. `useless_files` are the fields whose files
    have to be given again.
    """

    form_error = "unknown"
    wrong_field: tuple[str, str] | None = None
    useless_files: tuple[str, ...] = ()
    placeholders: Mapping[str, str] = {}


class ConnectionFailedError(StreamError):
    """Nothing is known to be wrong but the connection: worth trying again later."""

    form_error = "cannot_connect"

    def __init__(self, reason: str, *, retry_after: float | None = None) -> None:
        """`retry_after` is the wait in seconds that the other side asked for."""
        super().__init__(reason)
        self.retry_after = retry_after


class CertificateRefusedError(ConnectionFailedError):
    """Nobody vouches for the certificate of the other side."""

    form_error = "bad_certificate"
    wrong_field = ("ca_certificate", "server_not_trusted")
    # Maybe none is needed at all.
    useless_files = ("ca_certificate",)


class TlsNeededError(ConnectionFailedError):
    """Without TLS, the password would leave the own network readable; it was not sent."""

    form_error = "tls_needed"


class AccessClosedError(ConnectionFailedError):
    """The broker closed the door after the login: wrong in a form, maybe passing in a stream."""

    form_error = "invalid_auth"


class LoginCutOffError(ConnectionFailedError):
    """The broker hung up on us before it answered the login, and did not say why.

    So some show that they do not like our certificate; in a running stream it may pass.
    """

    form_error = "bad_certificate"
    wrong_field = ("client_certificate", "login_cut_off")


class CredentialsRefusedError(StreamError):
    """The stream refused its credentials; fresh ones may work where a provider has such."""

    form_error = "invalid_auth"


class OwnCertificateRefusedError(CredentialsRefusedError):
    """The broker said that it does not accept our certificate."""

    form_error = "bad_certificate"
    wrong_field = ("client_certificate", "certificate_refused")
    useless_files = PAIR


class BadCertificateError(StreamError):
    """A certificate or its key, as it was handed over, cannot be used."""

    form_error = "bad_certificate"

    def __init__(self, field: str, reason: str) -> None:
        """`field` is that of a form, `reason` the key of a text."""
        super().__init__(f"{field}: {reason}")
        self.wrong_field = (field, reason)
        if field in PAIR:
            # It may be the other of the two that was meant to be another one.
            self.useless_files = PAIR
        elif field != "client_key_password":
            self.useless_files = (field,)


class AccountRefusedError(StreamError):
    """The account itself was refused: only the user can help."""

    form_error = "invalid_auth"


class FilesGoneError(AccountRefusedError):
    """What was kept apart for an account is there no more, as after a partial restore."""

    form_error = "files_gone"


class SourceGoneError(StreamError):
    """The queue or topic that should be read does not exist."""

    form_error = "queue_not_found"

    def __init__(self, source: str) -> None:
        """`source` names the missing queues or topics."""
        super().__init__("the queue or topic cannot be read")
        self.source = source
        self.placeholders = {"source": source}


class TopicDeniedError(SourceGoneError):
    """The broker does not let us subscribe."""

    form_error = "topic_denied"


class GroupDeniedError(StreamError):
    """The broker does not let us read as a member of the group."""

    form_error = "group_denied"


class SourceSharedError(ConnectionFailedError):
    """Somebody else reads the queue and lets nobody in besides."""
