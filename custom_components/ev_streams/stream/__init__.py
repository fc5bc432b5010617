"""Transports: bytes in, acknowledgements out."""
