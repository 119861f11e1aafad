"""Functions of processes that race for objects and pointers, in a module that they can import."""

from __future__ import annotations

import hashlib
import multiprocessing
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tenor.config import SentimentConfig
from tenor.errors import Conflict
from tenor.registry import Registry
from tenor.storage.object_store import open_store


@dataclass(frozen=True)
class Made:
    """Something to register that takes no training: its files are its name, over and over."""

    name: str

    @property
    def version(self) -> str:
        return hashlib.sha256(self.name.encode()).hexdigest()[:12]

    def files(self) -> dict[str, bytes]:
        return {name: f"{name} of {self.name}".encode() * 50 for name in ("forecaster.json", "weights.safetensors")}

    def to_onnx(self) -> bytes:
        return f"graph of {self.name}".encode()


def registry_at(location: str) -> Registry:
    return Registry(open_store(location), Path("work"))


def add(registry: Registry, model: Made) -> str:
    return registry.add(model, SentimentConfig(window=7), {"fingerprint": model.name, "loss": 1.5})


def race(run: Callable[..., Any], *each: tuple[Any, ...]) -> list[Any]:
    """Call `run` with each of the arguments, in as many processes at once; returns what they return."""
    with multiprocessing.get_context("spawn").Pool(len(each)) as pool:
        return pool.starmap_async(run, each, chunksize=1).get(timeout=60)


def count_up(location: str, times: int) -> None:
    objects = open_store(location)
    while times:
        stored = objects.get("count")
        try:
            objects.put("count", str(int(stored.data) + 1).encode(), if_match=stored.etag)
        except Conflict:
            continue
        times -= 1


def train(location: str, who: str) -> None:
    registry = registry_at(location)
    for i in range(4):
        registry.promote(add(registry, Made(f"{who}{i}")))


def promote(location: str, versions: list[str]) -> list[tuple[str, str]]:
    """Replace the champion by each of `versions` in turn; returns the moves (from, to)."""
    registry, moves = registry_at(location), []
    for version in versions:
        while (now := registry.champion()) != version:
            try:
                registry.promote(version, instead_of=now)
            except Conflict:
                continue
            moves.append((now, version))
            break
    return moves
