"""Configures structlog: lines for people or JSON for machines, never with a secret in them."""

from __future__ import annotations

import logging
import re
import sys
from typing import TYPE_CHECKING, Literal

import structlog

if TYPE_CHECKING:
    from structlog.typing import EventDict, Processor, WrappedLogger

# Greedy up to the last @ of the word: a password with an @ or a slash in it is masked whole.
_URL_PASSWORD = re.compile(r"(://[^:@/\s]*):[^\s\"'<>]+@")
_SECRET_NAME = re.compile(r"password|passwd|secret|token|api_?key|authorization", re.IGNORECASE)
_MASK = "***"
# They tell of every plug-in and of every connection; their warnings still come through.
_CHATTY = ("alembic.runtime.plugins", "picows")


def mask(text: str) -> str:
    """Return the text with the passwords of URLs replaced by stars."""
    return _URL_PASSWORD.sub(rf"\1:{_MASK}@", text)


def mask_secrets(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """Mask values under telling names, and passwords in URLs wherever they stand."""
    for name, value in event.items():
        if _SECRET_NAME.search(name):
            event[name] = _MASK
        elif isinstance(value, str):
            event[name] = mask(value)
        elif not isinstance(value, int | float | bool | None):
            event[name] = mask(str(value))
    return event


def configure(level: str, style: Literal["auto", "console", "json"] = "auto") -> None:
    """Send every log line, ours and the libraries', to standard error in one style.

    `auto` is `console` on a terminal and `json` elsewhere.
    """
    console = style == "console" or (style == "auto" and sys.stderr.isatty())
    render: Processor = (
        structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty(), pad_event_to=0)
        if console
        else structlog.processors.JSONRenderer()
    )
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
        mask_secrets,
    ]
    structlog.configure(
        processors=[*shared, render],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, render],
        )
    )
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)
    for chatty in _CHATTY:
        logging.getLogger(chatty).setLevel(logging.WARNING)
