"""Files that the user uploads in a form."""

from collections.abc import Mapping

from homeassistant.components.file_upload import process_uploaded_file
from homeassistant.core import HomeAssistant

from .stream.errors import StreamError

# No certificate with all of its chain is as large.
LARGEST = 64 * 1024


class UploadFailedError(StreamError):
    """A file is not there (any more), or too large to be what was asked for."""

    form_error = "upload_failed"

    def __init__(self, field: str, reason: str) -> None:
        """`field` is that of the form, `reason` the key of a text."""
        super().__init__("an uploaded file cannot be used")
        self.wrong_field = (field, reason)


def read_uploads(hass: HomeAssistant, uploads: Mapping[str, str]) -> dict[str, bytes]:
    """Return the content of the uploaded files by field; blocks, raises UploadFailedError.

    Home Assistant deletes each of them afterwards.
    """
    return {field: _read(hass, field, upload) for field, upload in uploads.items()}


def _read(hass: HomeAssistant, field: str, upload: str) -> bytes:
    try:
        with process_uploaded_file(hass, upload) as path:
            if path.stat().st_size > LARGEST:
                raise UploadFailedError(field, "too_large")
            return path.read_bytes()
    except (ValueError, OSError) as err:
        raise UploadFailedError(field, "upload_again") from err
