"""The widget's files as the API serves them."""

from __future__ import annotations

from pathlib import Path

import httpx
from litestar import Litestar

from fixtures_api import client_of
from openoutcry.web.api.errors import HANDLERS
from openoutcry.web.api.widget import widget_routes


def served(folder: Path, hub: str = "") -> httpx.AsyncClient:
    """Return a client of the routes alone."""
    routes = widget_routes(hub, 8123, folder)
    return client_of(Litestar(routes, exception_handlers=HANDLERS, openapi_config=None))


async def test_the_script_is_for_every_page(tmp_path: Path) -> None:
    """It says where the hub is, is kept for minutes, and may be loaded from anywhere."""
    async with served(tmp_path) as api:
        missing = await api.get("/widget/trade-count.js")
        assert missing.status_code == 404
        assert "make" in missing.json()["message"]
        (tmp_path / "index.html").write_text("<h1>demo</h1>")
        (tmp_path / "trade-count.js").write_text('let hub = "@OUTCRY_HUB@";')
        script = await api.get("/widget/trade-count.js")
        assert script.text == 'let hub = ":8123";'
        assert "javascript" in script.headers["content-type"]
        assert script.headers["cache-control"] == "public, max-age=300"
        assert script.headers["cross-origin-resource-policy"] == "cross-origin"
        tag = {"If-None-Match": script.headers["etag"]}
        assert (await api.get("/widget/trade-count.js", headers=tag)).status_code == 304
        for path in ("/widget", "/widget/"):
            assert "demo" in (await api.get(path)).text
        assert (await api.get("/widget/nothing.js")).status_code == 404
        assert (await api.get("/widget/..%2fsecret")).status_code == 404


async def test_a_hub_of_another_address(tmp_path: Path) -> None:
    """Behind a proxy the script has the address that browsers know."""
    (tmp_path / "trade-count.js").write_text('let hub = "@OUTCRY_HUB@";')
    async with served(tmp_path, "wss://hub.example/ws") as api:
        assert (await api.get("/widget/trade-count.js")).text == 'let hub = "wss://hub.example/ws";'
