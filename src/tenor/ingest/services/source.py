"""The base class of all sources on the network, with the attributes that each of them declares."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal, Self

from tenor.config import SourcesConfig

if TYPE_CHECKING:
    from tenor.ingest.services.http import Http
    from tenor.ingest.services.keys import SourceKeys


class Source:
    """A service on the network. Each subclass is one source, in a separate module with the name of the source.

    Parameters
    ----------
    http
        Sends the requests.
    keys
        Keys of all services.
    url
        Address of the service; `default_url` if it is left out.

    Attributes
    ----------
    name : str
        Its name in the settings.
    default_url : str
        Scheme and host.
    key_variables : tuple of str
        The environment variables that hold its keys.
    needs_keys : bool
        False if it also works without keys.
    key_is : str
        What messages call the first key.
    gap : float
        The least number of seconds between two requests.
    browsers_only : bool
        Whether it answers 429 to clients without the TLS handshake of a browser, however rarely they ask.
    """

    name: str
    default_url: str
    key_variables: tuple[str, ...] = ()
    needs_keys: bool = True
    key_is: str = "a key"
    gap: float = 0.0
    browsers_only: bool = False

    def __init__(self, http: Http, keys: SourceKeys, url: str = "") -> None:
        self.http, self.keys, self.url = http, keys, url or self.default_url

    @classmethod
    def from_config(cls, config: SourcesConfig, http: Http, keys: SourceKeys) -> list[Self]:
        """The sources of this class that `config` names: one, several (such as one for each feed), or none."""
        return [cls(http, keys, config.url(cls.name, cls.default_url))]

    @classmethod
    def missing_keys(cls, keys: SourceKeys) -> list[str]:
        """The environment variables that it needs and that are not set."""
        return [variable for variable in cls.key_variables if cls.needs_keys and variable not in keys]

    def key(self, place: int = 0) -> str:
        """The key in the variable at `place` of `key_variables`; raises SourceError if it is not set."""
        return self.keys.get(self.key_variables[place], self.name, self.key_is)

    def get_json(
        self,
        path: str,
        *,
        params: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        unknown: tuple[int, ...] = (404,),
    ) -> Any:
        """The JSON value at `path` of the service; raises SourceError if there is none."""
        return self.http.get_json(
            self.url + path, source=self.name, params=params, headers=headers, unknown=unknown, gap=self.gap
        )

    def get_text(self, path: str, *, form: Literal["csv", "xml"], params: Mapping[str, str] | None = None) -> bytes:
        """The bytes at `path` of the service; raises SourceError if they can't be of the format `form`."""
        return self.http.get_text(self.url + path, source=self.name, form=form, params=params, gap=self.gap)
