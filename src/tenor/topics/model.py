"""Fitted topics: which one an item belongs to, and what each is called. Needs only NumPy."""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from tenor.errors import ConfigError, DataError, ModelError, did_you_mean
from tenor.storage.files import content_key, read_json

FORMAT = 1
NO_TOPIC = -1
"""The topic of an item without an embedding, because it is empty or does not look English."""
LONGEST_NAME = 40
TINY = np.float32(1e-12)
_AT_ONCE = 16_384

Float32 = npt.NDArray[np.float32]
Topics = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Topic:
    """One topic.

    Attributes
    ----------
    words
        Its typical words, the most typical first.
    items
        Number of distinct items in the fit that belong to it.
    given
        The name that the user gave it; None if its words are its name.
    """

    words: tuple[str, ...]
    items: int
    given: str | None = None


@dataclass(frozen=True, eq=False)
class TopicModel:
    """Topics as directions in the space of an encoder's embeddings; an item belongs to the nearest direction.

    Attributes
    ----------
    topics
        The topics, by size in the first fit; in a later fit, topics that are found again keep their numbers.
    centre
        Float32 ``[width]``, subtracted from each embedding first.
    directions
        Float32 ``[k, width]``, of length 1.
    encoder
        Name of the encoder that made the embeddings; embeddings of another encoder can't be used.
    settings
        Settings of the fit, as JSON types: k, seed, the moment up to which items were used, their number …
    """

    topics: tuple[Topic, ...]
    centre: Float32 = field(repr=False)
    directions: Float32 = field(repr=False)
    encoder: str = ""
    settings: Mapping[str, Any] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.topics)

    @property
    def names(self) -> tuple[str, ...]:
        """The name of each topic, all different: the one given by the user, or its first three words."""
        names: list[str] = []
        given = {topic.given for topic in self.topics}
        for number, topic in enumerate(self.topics):
            own = _name_of(topic.words) or f"topic-{number}"
            # words alone may coincide with another topic's, or with a name that the user gave elsewhere
            taken = own in names or own in given
            names.append(topic.given or (f"{own}-{number}" if taken else own))
        return tuple(names)

    @property
    def version(self) -> str:
        """A hash of twelve hex digits of all that decides the result of `assign`; names are not part of it."""
        return content_key(self.encoder, len(self), self.centre.tobytes(), self.directions.tobytes(), length=12)

    def assign(self, embeddings: npt.NDArray[np.floating[Any]]) -> Topics:
        """The number of each item's topic; `NO_TOPIC` if its embedding has a NaN.

        The topic of an item depends only on its own embedding, never on the other items.

        Parameters
        ----------
        embeddings
            ``[n, width]``, made by `encoder`.

        Raises
        ------
        DataError
            They have another width.
        """
        return self.nearest(embeddings)[0]

    def nearest(self, embeddings: npt.NDArray[np.floating[Any]]) -> tuple[Topics, Float32]:
        """The topics as in `assign`, and how typical each item is of its topic (larger is more typical; NaN if none).

        Parameters and errors are those of `assign`.
        """
        array = np.asarray(embeddings)
        width = len(self.centre)
        if array.ndim != 2 or array.shape[1] != width:
            raise DataError(
                f"topics of {width} numbers an item were given embeddings of shape {list(array.shape)}: "
                "pass Scores.embeddings of the scorer that they were fitted with."
            )
        numbers = np.full(len(array), NO_TOPIC, np.int64)
        typical = np.full(len(array), np.nan, np.float32)
        for start in range(0, len(array), _AT_ONCE):
            part = array[start : start + _AT_ONCE].astype(np.float32)
            readable = np.isfinite(part).all(axis=1)
            # not a matrix product: its order of sums depends on the number of rows, and a tie could then be decided
            # differently
            offsets = part[readable] - self.centre
            likeness = np.einsum("nw,kw->nk", offsets, self.directions, optimize=False)
            numbers[start : start + _AT_ONCE][readable] = likeness.argmax(axis=1)
            lengths = np.sqrt(np.einsum("nw,nw->n", offsets, offsets, optimize=False))
            typical[start : start + _AT_ONCE][readable] = likeness.max(axis=1) / np.maximum(lengths, TINY)
        return numbers, typical

    def check_encoder(self, encoder: str) -> None:
        """Raise an error if `encoder` is not the one that the topics were fitted with.

        Raises
        ------
        ModelError
            `encoder` is not the one of this model.
        """
        if encoder != self.encoder:
            raise ModelError(
                f"the topics {self.version} were fitted on embeddings of {self.encoder}, and the scorer is {encoder}: "
                "run 'tenor topics fit' with this scorer, or name the other one (--scorer, sentiment.model)."
            )

    def number(self, topic: str) -> int:
        """The number of a topic given by its name or number.

        Raises
        ------
        ConfigError
            There is no such topic; a near name is suggested.
        """
        names = self.names
        if topic in names:
            return names.index(topic)
        if topic.isdecimal() and len(topic) < 9 and int(topic) < len(self):
            return int(topic)
        hint = did_you_mean(topic, names) or f" There are 0 to {len(self) - 1}: 'tenor topics show' lists them."
        raise ConfigError(f"no topic is called {topic!r}.{hint}")

    def renamed(self, topic: str, name: str) -> TopicModel:
        """The same topics with one of them called `name`; an empty name brings back the name from its words.

        Raises
        ------
        ConfigError
            There is no such topic, or the name is not allowed or belongs to another topic.
        """
        number = self.number(topic)
        if name and not valid_name(name):
            raise ConfigError(
                f"{name!r} can't name a topic: use 1 to {LONGEST_NAME} lower-case letters, digits, '-' and '_', "
                "beginning with a letter."
            )
        if name and name in (other for at, other in enumerate(self.names) if at != number):
            raise ConfigError(f"topic {self.names.index(name)} is called {name!r} already: give another name.")
        topics = list(self.topics)
        topics[number] = replace(topics[number], given=name or None)
        return replace(self, topics=tuple(topics))

    def to_bytes(self) -> bytes:
        """The model as JSON; `from_bytes` reads back exactly the same model."""
        document = {
            "format": FORMAT,
            "encoder": self.encoder,
            "settings": dict(self.settings),
            "topics": [{"words": list(t.words), "items": t.items, "given": t.given} for t in self.topics],
            "centre": self.centre.astype(float).tolist(),
            "directions": self.directions.astype(float).tolist(),
        }
        document["sha256"] = content_key(document, length=64)
        return (json.dumps(document, indent=1, allow_nan=False) + "\n").encode()

    @classmethod
    def from_bytes(cls, data: bytes, where: str) -> TopicModel:
        """The model in `data`.

        Parameters
        ----------
        data
            The result of `to_bytes`.
        where
            Where the data is stored, named in error messages.

        Raises
        ------
        ModelError
            The data is damaged, or in another format.
        """
        try:
            document = dict(read_json(data))
            written = document.pop("sha256")
            if document["format"] != FORMAT:
                raise ModelError(
                    f"{where} has format {document['format']!r} and this tenor reads {FORMAT}: "
                    "run 'tenor topics fit' again."
                )
            if written != content_key(document, length=64):
                raise ValueError("its checksum is not that of its content")
            model = cls(
                topics=tuple(Topic(tuple(t["words"]), int(t["items"]), t["given"]) for t in document["topics"]),
                centre=np.array(document["centre"], np.float32),
                directions=np.array(document["directions"], np.float32),
                encoder=document["encoder"],
                settings=document["settings"],
            )
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise ModelError(f"{where} is damaged ({error}): run 'tenor topics fit' again.") from None
        return model


def _name_of(words: tuple[str, ...]) -> str:
    """The first three words as a name: in ASCII, without what no name may have (``at&t`` is ``att``)."""
    plain = (unicodedata.normalize("NFKD", word).encode("ascii", "ignore").decode() for word in words)
    kept = ("".join(c for c in word if c.isalnum() or c == "-").strip("-") for word in plain)
    return "-".join([word for word in kept if word][:3])[:LONGEST_NAME].strip("-")


def valid_name(name: str) -> bool:
    """Whether `name` can name a topic: it becomes part of a feature's name and of an option on a command line."""
    return (
        0 < len(name) <= LONGEST_NAME
        and name.isascii()
        and name[0].isalpha()
        and name == name.lower()
        and all(c.isalnum() or c in "-_" for c in name)
    )
