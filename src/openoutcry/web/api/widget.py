"""The widget `<trade-count>`: its script for pages of any origin, and the page that shows it."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

from litestar import Request, Response, get
from litestar.handlers import HTTPRouteHandler
from msgspec import structs

from openoutcry.errors import NotFoundError
from openoutcry.web.api.access import FOR_ALL
from openoutcry.web.api.site import File, file_of, load, send_file

WIDGET: Final = Path(__file__).parent.parent / "widget"

_HUB: Final = b"@OUTCRY_HUB@"
# Minutes in which a page goes on with the script that it has; then it asks whether there is another.
_CACHE: Final = "public, max-age=300"
# A page that isolates itself (Cross-Origin-Embedder-Policy) may load it too.
_FOR_ALL: Final = {"Cross-Origin-Resource-Policy": "cross-origin"}


def widget_routes(hub_url: str, hub_port: int, directory: Path = WIDGET) -> list[HTTPRouteHandler]:
    """Return the routes of `/widget/`; the script is told where the hub is.

    The files are read with the first request, so that building them needs no restart.
    """
    files: dict[str, File] = {}
    hub = (hub_url or f":{hub_port}").encode()

    @get(["/widget", "/widget/{file:path}"], opt=FOR_ALL, include_in_schema=False)
    async def widget(request: Request[Any, Any, Any]) -> Response[bytes]:
        name = request.scope["path"].removeprefix("/widget").strip("/") or "index.html"
        if not files:
            files.update(_filled(load(directory), hub))
        if not files:
            raise NotFoundError("The widget is not built: run make in the checkout, then reload.")
        if name not in files:
            raise NotFoundError(f"There is no widget/{name[:40]}; /widget/ shows what there is.")
        more = _FOR_ALL if name.endswith(".js") else None
        return send_file(request, files[name], more)

    return [widget]


def _filled(files: dict[str, File], hub: bytes) -> dict[str, File]:
    return {
        name: structs.replace(
            file_of(name, file.body.replace(_HUB, hub)),
            cache_control=_CACHE if name.endswith(".js") else file.cache_control,
        )
        for name, file in files.items()
    }
