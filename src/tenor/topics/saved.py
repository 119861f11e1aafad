"""Topic models in a store: each version as it was fitted, and the current one with the names that the user gave."""

from __future__ import annotations

import contextlib
import re
from dataclasses import dataclass

from tenor.errors import MissingObject, ModelError
from tenor.storage.object_store import ObjectStore, change
from tenor.topics.model import TopicModel

FOLDER = "topics"
"""Folder of the topic models in a store; the keys below are relative to it."""
VERSIONS = "versions/"
CURRENT = "current.json"
_VERSION = re.compile("[0-9a-f]+")


@dataclass(frozen=True)
class SavedTopics:
    """The topic models in `objects`.

    ``versions/VERSION.json`` never changes, so that a forecasting model keeps the topics that it was trained with.
    ``current.json`` is the version fitted last, with the names that the user gave its topics since.
    """

    objects: ObjectStore

    def current(self) -> TopicModel:
        """The topics fitted last.

        Raises
        ------
        ModelError
            There are none, or they are damaged.
        """
        model = self.current_if_any()
        if model is None:
            raise ModelError(f"{self.objects.location} has no topics yet: run 'tenor topics fit' on it first.")
        return model

    def current_if_any(self) -> TopicModel | None:
        """The topics fitted last; None if there are none."""
        try:
            data = self.objects.get(CURRENT).data
        except MissingObject:
            return None
        return TopicModel.from_bytes(data, self._where(CURRENT))

    def version(self, version: str) -> TopicModel:
        """The topics of `version`, with the names that they had when they were fitted.

        Raises
        ------
        ModelError
            There are none, or they are damaged.
        """
        key = f"{VERSIONS}{version}.json"
        if _VERSION.fullmatch(version) is None:  # not a path that leads elsewhere
            raise ModelError(f"{version!r} is not a version of topics: it has digits and letters from a to f alone.")
        try:
            data = self.objects.get(key).data
        except MissingObject:
            raise ModelError(
                f"{self.objects.location} has no topics of version {version}{self._there()}: fit them again, or bring "
                "them with 'tenor upload' from the store that has them."
            ) from None
        return TopicModel.from_bytes(data, self._where(key))

    def save(self, model: TopicModel) -> None:
        """Make `model` the current one; its version is stored for good as well."""
        # the version first: whoever finds it as the current one can read it by its version as well
        self.save_version(model)
        data = model.to_bytes()
        change(self.objects, CURRENT, lambda _: data)

    def save_version(self, model: TopicModel) -> TopicModel:
        """Store `model` under its version, leave the current one as it is, and return the topics of that version.

        A version that is stored already keeps its names, because the features of trained models are called by them.
        """
        with contextlib.suppress(ModelError):  # not there, or damaged
            return self.version(model.version)
        self.objects.put(f"{VERSIONS}{model.version}.json", model.to_bytes())
        return model

    def rename(self, topic: str, name: str) -> TopicModel:
        """Call a topic of the current model `name` (empty: by its words again); errors are `TopicModel.renamed`'s."""
        self.current()  # an error of its own where there are none

        def renamed(data: bytes | None) -> bytes:
            model = TopicModel.from_bytes(data or b"", self._where(CURRENT))
            return model.renamed(topic, name).to_bytes()

        data = change(self.objects, CURRENT, renamed)
        return TopicModel.from_bytes(data or b"", self._where(CURRENT))

    def versions(self) -> tuple[str, ...]:
        """The stored versions, sorted."""
        keys = self.objects.keys(VERSIONS)
        return tuple(sorted(key.removeprefix(VERSIONS).removesuffix(".json") for key in keys))

    def _there(self) -> str:
        versions = self.versions()
        return f" (it has {', '.join(versions[-5:])})" if versions else ""

    def _where(self, key: str) -> str:
        return f"{self.objects.location}/{key}"
