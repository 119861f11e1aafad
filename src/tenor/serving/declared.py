"""Routes whose answers are described only where somebody asks for the description: half of a start goes without."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from fastapi import APIRouter


class DeclaredRouter(APIRouter):
    """A router that makes no models of what its routes answer: they return finished responses, which need none.

    What they answer is declared as ever. `described` has it for OpenAPI.
    """

    def __init__(self, **options: Any) -> None:
        super().__init__(**{**options, "responses": None})
        self._options = options
        self._declared: list[tuple[str, Callable[..., Any], dict[str, Any]]] = []

    def add_api_route(self, path: str, endpoint: Callable[..., Any], **options: Any) -> None:
        """See `APIRouter`."""
        self._declared.append((path, endpoint, options))
        super().add_api_route(path, endpoint, **{**options, "response_model": None, "responses": None})

    def described(self) -> APIRouter:
        """The same routes with the models of their answers."""
        router = APIRouter(**self._options)
        for path, endpoint, options in self._declared:
            router.add_api_route(path, endpoint, **options)
        return router
