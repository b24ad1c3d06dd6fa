"""Every error parsechat raises on purpose, as one tree.

Our error tree::

    ParsechatError                  something we can explain in one sentence
    ├── InputError                  the file or the request is at fault   (exit 2)
    │   ├── FileError               cannot be read: damaged, too large, not an image
    │   └── RequestError            an empty question, an unknown parser, a bad option
    ├── ToolError                   expected; the model or the user can act on it
    └── SetupError                  something is missing here: weights, an extra, a key  (exit 2)
        └── ServiceError            a host the user configured does not answer or answers wrongly

Anything else that escapes is a bug: it is logged with an id and exits with 1.
The file lives in the lowest room so that every room can raise from the same tree.
"""

from __future__ import annotations


class ParsechatError(Exception):
    """Base of all expected errors; ``str(error)`` is one plain sentence for a person."""


class InputError(ParsechatError):
    """The file or the request is at fault, e.g. a text file named ``scan.png``."""


class FileError(InputError):
    """A file cannot be read as a scan, e.g. a truncated DICOM file."""


class RequestError(InputError):
    """The request makes no sense, e.g. an empty question or an unknown option value."""


class ToolError(ParsechatError):
    """An action cannot be done now, in words the model and the user can act on.

    Example: "scan-1 has no pixel spacing; tell me the scale to get millimetres".
    """


class SetupError(ParsechatError):
    """This machine lacks something, e.g. torch or the weights; the text says how to get it."""


class ServiceError(SetupError):
    """A host that the user configured did not answer, or answered with nonsense."""
