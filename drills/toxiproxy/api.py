"""Routes of Toxiproxy's HTTP API, and POST /dark."""

import json
from collections.abc import Awaitable, Callable
from typing import Any

from aiohttp import web

import drills
from drills.toxiproxy.proxy import Proxy
from drills.toxiproxy.registry import Registry
from drills.toxiproxy.wire import ApiError

# The release whose contract is kept; clients compare it.
CONTRACT = "2.12.0"
BODY_BYTES_MAX = 16 << 20

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def _json(value: Any, status: int = 200) -> web.Response:
    return web.Response(
        body=json.dumps(value, separators=(",", ":")).encode(), status=status, content_type="application/json"
    )


def _plain(body: str, status: int) -> web.Response:
    return web.Response(text=body, status=status, headers={"X-Content-Type-Options": "nosniff"})


@web.middleware
async def _contract(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Keep browsers out, and answer errors in the form of the contract."""
    # A page that someone looks at must not drive the proxy behind their back.
    if request.headers.get("User-Agent", "").startswith("Mozilla/"):
        return _plain("User agent not allowed\n", 403)
    try:
        return await handler(request)
    except ApiError as error:
        return _plain(json.dumps(error.to_dict(), separators=(",", ":")) + "\n", error.status)
    except web.HTTPNotFound:
        return _plain("404 page not found\n", 404)
    except web.HTTPMethodNotAllowed as error:
        return web.Response(status=405, headers={"Allow": ", ".join(sorted(error.allowed_methods))})
    except web.HTTPRequestEntityTooLarge:
        refused = ApiError(413, f"bad request body: above {BODY_BYTES_MAX} bytes")
        return _plain(json.dumps(refused.to_dict()) + "\n", refused.status)


class Api:
    """HTTP handlers over a registry."""

    def __init__(self, registry: Registry) -> None:
        self.registry = registry

    def application(self) -> web.Application:
        """Make the application with all routes."""
        app = web.Application(middlewares=[_contract], client_max_size=BODY_BYTES_MAX)
        proxy, toxic = "/proxies/{proxy}", "/proxies/{proxy}/toxics/{toxic}"
        routes: list[tuple[str, str, Handler]] = [
            ("GET", "/version", self.version),
            ("POST", "/reset", self.reset),
            ("POST", "/populate", self.populate),
            ("POST", "/dark", self.dark),
            ("GET", "/proxies", self.proxies),
            ("POST", "/proxies", self.create),
            ("GET", proxy, self.proxy),
            ("POST", proxy, self.update),
            ("PATCH", proxy, self.update),
            ("DELETE", proxy, self.delete),
            ("GET", f"{proxy}/toxics", self.toxics),
            ("POST", f"{proxy}/toxics", self.add_toxic),
            ("GET", toxic, self.toxic),
            ("POST", toxic, self.update_toxic),
            ("PATCH", toxic, self.update_toxic),
            ("DELETE", toxic, self.remove_toxic),
        ]
        for method, path, handler in routes:
            app.router.add_route(method, path, handler)
        return app

    async def version(self, _: web.Request) -> web.Response:
        """Which contract is kept; `drills` tells a client that dark is there."""
        return _json({"version": CONTRACT, "drills": drills.__version__})

    async def reset(self, _: web.Request) -> web.Response:
        """Undo everything that was broken."""
        await self.registry.reset()
        return web.Response(status=204)

    async def populate(self, request: web.Request) -> web.Response:
        """Make many proxies; an error comes beside those that were made."""
        made, error = await self.registry.populate(await request.read())
        proxies = {"proxies": [proxy.to_dict() for proxy in made]}
        return _json(proxies, 201) if error is None else _json(error.to_dict() | proxies, error.status)

    async def dark(self, request: web.Request) -> web.Response:
        """Set dark for many proxies at one instant; answers with their states."""
        return _json(self.registry.set_dark(await request.read()))

    async def proxies(self, _: web.Request) -> web.Response:
        """All proxies, by name."""
        return _json({proxy.name: proxy.to_dict() for proxy in self.registry.proxies()})

    async def create(self, request: web.Request) -> web.Response:
        """Make a proxy."""
        return _json((await self.registry.create(await request.read())).to_dict(), 201)

    async def proxy(self, request: web.Request) -> web.Response:
        """One proxy."""
        return _json(self._proxy(request).to_dict())

    async def update(self, request: web.Request) -> web.Response:
        """Change a proxy."""
        raw = await request.read()
        return _json((await self.registry.update(request.match_info["proxy"], raw)).to_dict())

    async def delete(self, request: web.Request) -> web.Response:
        """Remove a proxy."""
        await self.registry.delete(request.match_info["proxy"])
        return web.Response(status=204)

    async def toxics(self, request: web.Request) -> web.Response:
        """All toxics of a proxy: upstream, then downstream, each in the order added."""
        return _json(self._proxy(request).to_dict()["toxics"])

    async def add_toxic(self, request: web.Request) -> web.Response:
        """Add a toxic; 200, not 201, as the contract has it."""
        raw = await request.read()
        return _json(self._proxy(request).add_toxic(raw).to_dict())

    async def toxic(self, request: web.Request) -> web.Response:
        """One toxic."""
        return _json(self._proxy(request).toxic(request.match_info["toxic"]).to_dict())

    async def update_toxic(self, request: web.Request) -> web.Response:
        """Change a toxic."""
        raw = await request.read()
        return _json(self._proxy(request).update_toxic(request.match_info["toxic"], raw).to_dict())

    async def remove_toxic(self, request: web.Request) -> web.Response:
        """Remove a toxic."""
        self._proxy(request).remove_toxic(request.match_info["toxic"])
        return web.Response(status=204)

    def _proxy(self, request: web.Request) -> Proxy:
        return self.registry.proxy(request.match_info["proxy"])
