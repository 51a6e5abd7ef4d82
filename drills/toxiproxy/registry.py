"""All proxies of a server, by name."""

import asyncio
from random import Random
from typing import Any

from drills.toxiproxy.proxy import Proxy, resolve
from drills.toxiproxy.timers import Schedule
from drills.toxiproxy.wire import ApiError, boolean, darkness, decode, mapping, sequence, text


class Registry:
    """Proxies by name. What listens or stops listening goes one after the other; the rest is done in one go."""

    def __init__(self, timers: Schedule, random: Random) -> None:
        self._timers = timers
        self._random = random
        self._proxies: dict[str, Proxy] = {}
        self._changing = asyncio.Lock()

    def proxies(self) -> list[Proxy]:
        """List all proxies in the order made."""
        return list(self._proxies.values())

    def proxy(self, name: str) -> Proxy:
        """Find a proxy; ApiError 404."""
        if name not in self._proxies:
            raise ApiError(404, "proxy not found")
        return self._proxies[name]

    async def create(self, raw: bytes) -> Proxy:
        """Make the proxy that a request describes; ApiError 400, 409 or 500."""
        body = mapping(decode(raw))
        proxy, enabled = self._described(body, "")
        proxy.dark = darkness(body, "dark", default="")
        async with self._changing:
            if proxy.name in self._proxies:
                raise ApiError(409, "proxy already exists")
            if enabled:
                await proxy.start()
            self._proxies[proxy.name] = proxy
        return proxy

    async def update(self, name: str, raw: bytes) -> Proxy:
        """Change listen, upstream, enabled or dark; ApiError 400, 404 or 500, and then nothing is changed."""
        async with self._changing:
            proxy = self.proxy(name)
            body = mapping(decode(raw))
            listen = text(body, "listen", default=proxy.listen)
            upstream = text(body, "upstream", default=proxy.upstream)
            enabled = boolean(body, "enabled", default=proxy.enabled)
            dark = darkness(body, "dark", default=proxy.dark)
            if (listen, upstream, enabled) != (proxy.listen, proxy.upstream, proxy.enabled):
                await proxy.update(listen=listen, upstream=upstream, enabled=enabled)
            if dark != proxy.dark:
                proxy.set_dark(dark)
        return proxy

    async def delete(self, name: str) -> None:
        """Stop a proxy and forget it; ApiError 404."""
        async with self._changing:
            self.proxy(name).stop()
            del self._proxies[name]

    async def populate(self, raw: bytes) -> tuple[list[Proxy], ApiError | None]:
        """Make many proxies; those made before the first that cannot listen, and its error.

        All are validated first. One that exists with the same listen and upstream is left untouched, toxics and all;
        one that differs is replaced.
        """
        try:
            bodies = sequence(decode(raw))
            wanted = [self._described(mapping(body), f" at proxy {at}") for at, body in enumerate(bodies, 1)]
        except ApiError as error:
            return [], error
        made: list[Proxy] = []
        async with self._changing:
            for proxy, enabled in wanted:
                try:
                    made.append(await self._placed(proxy, enabled=enabled))
                except ApiError as error:
                    return made, error
        return made, None

    async def reset(self) -> None:
        """Enable every proxy, remove every toxic, end every dark; ApiError 500 after all, if one cannot listen."""
        failed: list[ApiError] = []
        async with self._changing:
            for proxy in self.proxies():
                proxy.clear_toxics()
                proxy.set_dark("")
                try:
                    await proxy.start()
                except ApiError as error:
                    failed.append(error)
        if failed:
            raise failed[0]

    def set_dark(self, raw: bytes) -> dict[str, str]:
        """Set dark for many proxies at one instant: {"name": "both", ...}; ApiError 400 or 404, and then for none."""
        body = mapping(decode(raw))
        wanted = {name: darkness(body, name, default="") for name in body}
        proxies = {name: self.proxy(name) for name in wanted}
        for name, proxy in proxies.items():
            if proxy.dark != wanted[name]:
                proxy.set_dark(wanted[name])
        return {name: proxy.dark for name, proxy in proxies.items()}

    async def close(self) -> None:
        """Stop everything."""
        for proxy in self.proxies():
            await proxy.close()
        self._proxies.clear()

    async def _placed(self, proxy: Proxy, *, enabled: bool) -> Proxy:
        existing = self._proxies.get(proxy.name)
        if existing is not None:
            canonical = (await resolve(proxy.listen))[2]
            if existing.upstream == proxy.upstream and existing.listen in (proxy.listen, canonical):
                return existing
            existing.stop()
        if enabled:
            await proxy.start()
        self._proxies[proxy.name] = proxy
        return proxy

    def _described(self, body: dict[str, Any], where: str) -> tuple[Proxy, bool]:
        name = text(body, "name", default="")
        upstream = text(body, "upstream", default="")
        listen = text(body, "listen", default="")
        enabled = boolean(body, "enabled", default=True)
        for field, value in (("name", name), ("upstream", upstream)):
            if not value:
                raise ApiError(400, f"missing required field: {field}{where}")
        return Proxy(name, listen, upstream, timers=self._timers, random=self._random), enabled
