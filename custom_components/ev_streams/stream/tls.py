"""TLS of a client that shows a certificate of its own, and may trust an authority of its own.

It reads files: it is for a thread.
"""

from dataclasses import dataclass
from datetime import datetime
import os
from ssl import PROTOCOL_TLS_CLIENT, SSLContext

import certifi

from .certificate import ClientCertificate, load_client_certificate


@dataclass(frozen=True, slots=True, kw_only=True)
class Tls:
    """How to encrypt: `context` None means not at all. `expires_at` is our certificate's end."""

    context: SSLContext | None
    expires_at: datetime | None = None


def client_context(
    certificate: ClientCertificate | None, authorities: str | None
) -> SSLContext:
    """Return a context that verifies the server; blocks.

    `authorities` (PEM) are trusted instead of the public ones: whoever names them has
    reason to. Python's default context is not used, for it is stricter about the form of
    certificates than private authorities are.
    """
    context = SSLContext(PROTOCOL_TLS_CLIENT)
    if authorities is None:
        # As Home Assistant does for its own connections.
        public = os.environ.get("REQUESTS_CA_BUNDLE", certifi.where())
        context.load_verify_locations(cafile=public)
    else:
        context.load_verify_locations(cadata=authorities)
    if certificate is not None:
        load_client_certificate(context, certificate)
    return context
