"""What a failed TLS handshake means: whose certificate was not liked, or bad luck."""

from ssl import SSLCertVerificationError, SSLError

from .errors import (
    CertificateRefusedError,
    ConnectionFailedError,
    OwnCertificateRefusedError,
    StreamError,
)


def translated_tls(error: SSLError) -> StreamError:
    """Tell what a failure of TLS means; the text names kinds, never a secret."""
    if isinstance(error, SSLCertVerificationError):
        return CertificateRefusedError(f"bad certificate: {error.verify_message}")
    if _is_about_our_certificate(error):
        return OwnCertificateRefusedError(
            f"the broker does not accept the client certificate: {error.reason}"
        )
    return ConnectionFailedError(f"TLS failed: {error.reason}")


def _is_about_our_certificate(error: SSLError) -> bool:
    """Whether the other side sent an alert about our certificate, or about having none."""
    reason = error.reason or ""
    return "ALERT" in reason and any(
        word in reason for word in ("CERTIFICATE", "UNKNOWN_CA", "HANDSHAKE_FAILURE")
    )
