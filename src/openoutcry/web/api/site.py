"""The dashboard's files: read once, answered from memory with validators."""

from __future__ import annotations

import gzip
import mimetypes
from pathlib import Path
from typing import Any, Final

from litestar import HttpMethod, Request, Response, route
from litestar.exceptions import NotFoundException
from litestar.handlers import HTTPRouteHandler
from msgspec import Struct

from openoutcry.web.api.access import FOR_ALL
from openoutcry.web.api.replies import accepts_gzip, etag_of, matches

STATIC: Final = Path(__file__).parent.parent / "static"

# Vite puts a hash of the content into names below assets/: such a file never changes.
_HASHED: Final = "assets/"
_FOREVER: Final = "public, max-age=31536000, immutable"
_CHECK: Final = "no-cache"
_TEXT: Final = ("text/", "application/json", "application/javascript", "image/svg")
_ALL_METHODS: Final = [
    HttpMethod.GET,
    HttpMethod.HEAD,
    HttpMethod.POST,
    HttpMethod.PUT,
    HttpMethod.PATCH,
    HttpMethod.DELETE,
]

# The hub is on a port of its own, which 'self' does not cover.
POLICY: Final = (
    "default-src 'self'; connect-src 'self' ws: wss:; img-src 'self' data: blob:;"
    " style-src 'self' 'unsafe-inline'; object-src 'none'; base-uri 'none';"
    " form-action 'self'; frame-ancestors 'none'"
)
SECURITY_HEADERS: Final = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
}

NOT_BUILT: Final = b"""<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>OpenOutcry</title>
<meta name="viewport" content="width=device-width, initial-scale=1">
<style>body{font:16px/1.5 system-ui,sans-serif;max-width:38rem;margin:15vh auto;padding:0 1rem}
code{background:#8883;padding:.1em .3em;border-radius:.2em}</style></head>
<body><h1>OpenOutcry is running</h1>
<p>The dashboard is not built yet. Run <code>make</code> in the checkout, then reload.</p>
<p>The API is here: <a href="/api/v1/config">config</a>, <a href="/api/v1/status">status</a>,
<a href="/health/ready">health</a>, <a href="/metrics">metrics</a>, <a href="/schema">schema</a>.</p>
</body></html>
"""


class File(Struct, frozen=True):
    """A file as it is sent: `packed` is empty where gzip does not pay."""

    body: bytes
    packed: bytes
    media_type: str
    cache_control: str


def load(directory: Path) -> dict[str, File]:
    """Return every file below `directory` by its path in the URL; none if it does not exist."""
    files: dict[str, File] = {}
    for path in sorted(directory.rglob("*")) if directory.is_dir() else []:
        name = path.relative_to(directory).as_posix()
        if path.is_file() and not any(part.startswith(".") for part in name.split("/")):
            files[name] = file_of(name, path.read_bytes())
    return files


def site_routes(directory: Path = STATIC) -> list[HTTPRouteHandler]:
    """Return the route of the dashboard: `/`, its files, and its own addresses (`/bots`…).

    It answers whatever no other route takes, so everything else that is unknown is a 404 here.
    """
    files = load(directory)

    @route(["/", "/{path:path}"], http_method=_ALL_METHODS, opt=FOR_ALL, include_in_schema=False)
    async def site(request: Request[Any, Any, Any]) -> Response[bytes]:
        if "index.html" not in files:
            files.update(load(directory))
        name = request.scope["path"].strip("/")
        if request.method not in {"GET", "HEAD"}:
            raise NotFoundException
        if name and name in files:
            return send_file(request, files[name])
        if name and not _is_page(request, name):
            raise NotFoundException
        return send_file(request, files.get("index.html", file_of("index.html", NOT_BUILT)))

    return [site]


def _is_page(request: Request[Any, Any, Any], name: str) -> bool:
    """Return whether an unknown address is a page of the dashboard rather than a mistake."""
    machine = name.startswith(("api/", "health/", "schema/", _HASHED)) or "." in name
    return not machine and "text/html" in request.headers.get("accept", "")


def file_of(name: str, body: bytes) -> File:
    """Return a file as it is sent."""
    media_type = mimetypes.guess_type(name)[0] or "application/octet-stream"
    packed = gzip.compress(body, 9, mtime=0) if media_type.startswith(_TEXT) else b""
    return File(
        body=body,
        packed=packed if len(packed) < len(body) else b"",
        media_type=media_type,
        cache_control=_FOREVER if name.startswith(_HASHED) else _CHECK,
    )


def send_file(
    request: Request[Any, Any, Any], file: File, more: dict[str, str] | None = None
) -> Response[bytes]:
    """Answer with a file and `more` headers; 304 if the client has it."""
    packed = bool(file.packed) and accepts_gzip(request)
    validator = etag_of(file.body, "gzip" if packed else "")
    headers = {
        "ETag": validator,
        "Cache-Control": file.cache_control,
        "Vary": "Accept-Encoding",
        **SECURITY_HEADERS,
        **(more or {}),
    }
    if matches(request, validator):
        return Response(b"", status_code=304, headers=headers, media_type=file.media_type)
    if packed:
        headers["Content-Encoding"] = "gzip"
    body = file.packed if packed else file.body
    return Response(body, headers=headers, media_type=file.media_type, status_code=200)
