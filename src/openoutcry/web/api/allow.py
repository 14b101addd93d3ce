"""What an OPTIONS request is told: every method of the path.

Litestar answers with the methods of the first handler that it met when several handlers share a
path; the routes themselves know better.
"""

from __future__ import annotations

from litestar.types import Message, Scope


async def tell_all_methods(message: Message, scope: Scope) -> None:
    """Put every method of the route into `Allow`; a hook for `before_send`."""
    if message["type"] != "http.response.start" or scope.get("method") != "OPTIONS":
        return
    template = scope.get("path_template")
    methods = {
        method
        for route in scope["litestar_app"].routes
        if route.path == template
        for method in getattr(route, "methods", ())
    }
    headers = list(message["headers"])
    if methods and any(name == b"allow" for name, _ in headers):
        kept = [(name, value) for name, value in headers if name != b"allow"]
        message["headers"] = [*kept, (b"allow", ", ".join(sorted(methods)).encode())]
