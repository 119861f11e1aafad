"""The dashboard at ``/`` and its files, and the API's description at ``/docs``.

No other host is involved: plotly's script is the one in its wheel.
"""

from __future__ import annotations

import asyncio
import functools
import gzip
import importlib.util
import re
from dataclasses import dataclass
from pathlib import Path

from fastapi import APIRouter, FastAPI, Request
from starlette.exceptions import HTTPException
from starlette.responses import Response

from tenor.serving.docs_page import docs_page
from tenor.storage.files import content_key

FOLDER = Path(__file__).parent / "page"
TYPES = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}
PLOTLY = "plotly.min.js"
PLACE = b"<!-- styles that plotly need not add -->"
MODULES = b"<!-- the page's modules, fetched together -->"
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)

router = APIRouter(include_in_schema=False)


@dataclass(frozen=True)
class _File:
    data: bytes
    zipped: bytes
    etag: str
    media: str


@router.get("/")
async def index(request: Request) -> Response:
    """The page."""
    return await _send(request, "index.html")


@router.get("/page/{name}")
async def file(request: Request, name: str) -> Response:
    """One of its files."""
    return await _send(request, name)


@router.get("/docs")
async def docs(request: Request) -> Response:
    """The routes, to read."""
    return _sent(request, await asyncio.to_thread(_docs, request.app))


async def _send(request: Request, name: str) -> Response:
    path = _paths().get(name)
    if path is None:
        raise HTTPException(404)
    return _sent(request, await asyncio.to_thread(_read, path))


def _sent(request: Request, content: _File) -> Response:
    headers = {
        "ETag": content.etag,
        "Cache-Control": "no-cache",
        "Content-Security-Policy": POLICY,
        "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
        "Vary": "Accept-Encoding",
    }
    if request.headers.get("if-none-match", "").removeprefix("W/") == content.etag:
        return Response(status_code=304, headers=headers)
    if "gzip" in request.headers.get("accept-encoding", ""):
        return Response(content.zipped, headers={**headers, "Content-Encoding": "gzip"}, media_type=content.media)
    return Response(content.data, headers=headers, media_type=content.media)


@functools.cache
def _paths() -> dict[str, Path]:
    """The files there are, by name: the name in a request never becomes a path."""
    paths = {path.name: path for path in FOLDER.iterdir() if path.suffix in TYPES}
    plotly = importlib.util.find_spec("plotly")
    for place in plotly.submodule_search_locations or () if plotly else ():
        paths[PLOTLY] = Path(place) / "package_data" / PLOTLY
    return paths


@functools.lru_cache(maxsize=32)
def _read(path: Path) -> _File:
    data = path.read_bytes()
    if path.name == "index.html":
        data = data.replace(PLACE, _styles()).replace(MODULES, _modules())
    return _file(data, path.suffix)


@functools.lru_cache(maxsize=4)
def _docs(app: FastAPI) -> _File:
    return _file(docs_page(app.openapi()), ".html")


def _file(data: bytes, suffix: str) -> _File:
    etag = f'"{content_key(data, length=32)}"'
    return _File(data, gzip.compress(data, 6, mtime=0), etag, TYPES[suffix])


def _modules() -> bytes:
    """Links to the modules that `app.js` imports, so that none waits until the one that imports it was read."""
    names = sorted(path.name for path in FOLDER.glob("*.js") if path.name not in ("app.js", "theme.js"))
    return "\n".join(f'<link rel="modulepreload" href="/page/{name}">' for name in names).encode()


def _styles() -> bytes:
    """Elements under the names of the style sheets that plotly's bundle adds for its maps where there are none.

    They would be inline, which the policy forbids, and the page draws no maps.
    """
    plotly = _paths().get(PLOTLY)
    names = re.findall(rb'getElementById\("([0-9a-f]{64})"\)', plotly.read_bytes()) if plotly else []
    return b"\n".join(b'<meta id="' + name + b'">' for name in sorted(set(names)))
