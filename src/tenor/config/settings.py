"""Every setting of a run: one frozen dataclass a section, and `Config`, which holds them all. Standard library alone.

A field declares its range where it stands (`whole`, `number`); `Section` checks it, so that every refusal reads alike:
the key, the value, and what it must be.
"""

from __future__ import annotations

import keyword
import math
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from pathlib import Path
from typing import Any, ClassVar, Literal

from tenor.config.mapping import from_mapping
from tenor.config.network_code import digest_of, pinned, read_network, spelled
from tenor.config.section import LATER, UNMAPPED, USUAL, Section, number, whole
from tenor.config.toml import DEEPEST, read_toml, shown
from tenor.errors import ConfigError, one_line

DEFAULT_KINDS: tuple[str, ...] = (
    "any", "earnings", "analyst", "merger", "product", "legal", "payout", "macro", "management", "price",
)  # fmt: skip
"""The kinds of news that are features if ``features.kinds`` is not set and there are counts of them."""


DEVICES = ("auto", "cpu", "cuda")
"""What a network can be set to run on."""


def choice_of(names: Sequence[str]) -> str:
    """``'a', 'b' or 'c'``."""
    *others, last = map(repr, names)
    return f"{', '.join(others)} or {last}"


@dataclass(frozen=True)
class HttpConfig(Section):
    """Limits and retries of requests to sources.

    Attributes
    ----------
    connect_seconds : float
        Limit of seconds for connecting.
    read_seconds : float
        Limit of seconds without a byte of the answer.
    deadline_seconds : float
        Limit of seconds for a whole request, however slowly its answer comes.
    attempts : int
        How often a request is tried that fails temporarily (429, 5xx, a broken connection).
    backoff_seconds : float
        Seconds of the first wait between tries; each wait is twice as long, with jitter. A Retry-After is used
        instead.
    longest_wait_seconds : float
        Longest single wait in seconds; a source that demands more is given up.
    max_megabytes : float
        Largest size of one answer, unpacked.
    max_redirects : int
        Redirects that are followed in a row.
    trips : int
        After so many failed requests in a row, a host is not asked for `rest_seconds`.
    rest_seconds : float
        Seconds for which such a host is not asked.
    requests_per_minute : float
        Most requests to one host in a minute; a lower limit of the source itself counts.
    transport : {"httpx", "curl"}
        What sends the requests. ``curl`` begins its TLS like a browser, which Yahoo requires; it needs the
        extra ``yahoo``.
    """

    section: ClassVar[str] = "sources.http"
    connect_seconds: float = number(5.0, 0, above=True)
    read_seconds: float = number(15.0, 0, above=True)
    deadline_seconds: float = number(60.0, 0, above=True)
    attempts: int = whole(4, 1)
    backoff_seconds: float = number(1.0, 0)
    longest_wait_seconds: float = number(60.0, 0)
    max_megabytes: float = number(32.0, 0, above=True)
    max_redirects: int = whole(3, 0)
    trips: int = whole(5, 1)
    rest_seconds: float = number(300.0, 0)
    requests_per_minute: float = number(120.0, 0, above=True)
    transport: Literal["httpx", "curl"] = "httpx"

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.transport not in ("httpx", "curl"):
            self.refuse("transport", "it takes 'httpx' or 'curl'")


@dataclass(frozen=True)
class SourcesConfig(Section):
    """The sources of prices, news and events.

    Attributes
    ----------
    prices : tuple of str
        Price sources, in the order in which they are tried.
    news : tuple of str
        News sources, each of which is asked.
    events : tuple of str
        Sources of dates known in advance (earnings), each of which is asked; none by default.
    feeds : tuple of str
        RSS or Atom feeds, by a name that tenor knows or by address.
    forums : tuple of str
        Subreddits that are read for news of a symbol.
    urls : tuple of str
        ``NAME=URL`` of a source that is reached at another address: a proxy or a mirror.
    since : str
        The first day (YYYY-MM-DD) to fetch for a symbol that the lake does not have yet.
    overlap : int
        Sessions that are fetched again each time, to catch revisions.
    disagreement_bps : float
        If two sources differ by more basis points in a daily return, this is reported.
    cross_check : bool
        Whether a second source is asked each time as well, and compared.
    parallel : int
        Symbols that are fetched at the same time.
    max_stale_sessions : int
        Bars that are more sessions behind, by the symbol's own calendar, are stale.
    when_stale : {"say", "refuse", "ignore"}
        What happens to a forecast from stale bars: ``say`` marks it, ``refuse`` makes none, ``ignore`` does
        nothing.
    http : HttpConfig
        How patiently sources are asked.
    """

    section: ClassVar[str] = "sources"
    prices: tuple[str, ...] = ("yahoo", "stooq", "tiingo", "alphavantage", "binance")
    news: tuple[str, ...] = ("yahoo", "feeds")
    events: tuple[str, ...] = ()
    feeds: tuple[str, ...] = ()
    forums: tuple[str, ...] = ("stocks", "investing")
    urls: tuple[str, ...] = ()
    since: str = "2005-01-01"
    overlap: int = whole(10, 1)
    disagreement_bps: float = number(100.0, 0, above=True)
    cross_check: bool = False
    parallel: int = whole(4, 1)
    max_stale_sessions: int = whole(2, 0)
    when_stale: Literal["say", "refuse", "ignore"] = "say"
    http: HttpConfig = field(default_factory=HttpConfig)

    def __post_init__(self) -> None:
        super().__post_init__()
        for key in ("prices", "news", "events"):
            names = getattr(self, key)
            if len(set(names)) < len(names):
                self.refuse(key, "name each source once")
        for text in self.urls:
            name, mark, url = text.partition("=")
            if not (name and mark and url.startswith(("http://", "https://"))):
                self.refuse("urls", f"{text!r} is not NAME=URL, for example yahoo=https://host/path")
        try:
            date.fromisoformat(self.since)
        except ValueError:
            self.refuse("since", "write a day as YYYY-MM-DD")

    def url(self, name: str, default: str) -> str:
        """The address of the source `name`."""
        own = dict(text.split("=", 1) for text in self.urls)
        return own.get(name, default).rstrip("/")


@dataclass(frozen=True)
class FeatureConfig(Section):
    """The features and targets of a panel.

    Attributes
    ----------
    groups : tuple of str
        Groups of features (see ``docs/features.md``), in any order.
    sentiment : bool
        Whether sentiment features are used, if there is daily sentiment.
    horizons : tuple of int
        Sessions ahead of each target; rising.
    calendar : str
        The exchange whose sessions are the panel's, by its name in exchange_calendars; with ``@1h`` or ``@15m``
        (``XNYS@1h``) the sessions are its bars of that length.
    own : tuple of str
        Your own features (``docs/own-features.md``): functions (``mine.py:f``), tables (``macro.csv``) and
        tables of the lake (``features:macro``).
    events : tuple of str, or bool
        Kinds of the lake's events (``earnings``) that become features; true for all kinds.
    kinds : tuple of str, or bool, or None
        Kinds of news whose daily counts are features (``docs/news.md``): ``earnings`` and the others that
        tenor's classifier knows, ``any`` for all items together; true for all kinds. None takes `DEFAULT_KINDS`
        if the lake has counts; a trained model has those that it was trained with.
    topics : int or bool
        Number of topics of the lake's news that become features like kinds (``docs/topics.md``); true for 20. A
        training fits them on the news before its training part ends. If there are topics already
        (``sentiment.topics_model``, imported counts), the most frequent ones are used; true for all.
    as_of : {"close", "open"}
        The moment at which a forecast is made: after the close of a session, or before the open of the next
        one. At the open, the row of a session also has the news of the following night; bars end with the
        session in both cases.

    Raises
    ------
    ConfigError
        A group, an own feature or a kind is named twice or is empty, no group is named, the number of topics is below
        0, or the horizons are not rising whole numbers from 1. Whether there is such a group, calendar, file or kind is
        found where it is looked up.
    """

    section: ClassVar[str] = "features"
    groups: tuple[str, ...] = ("returns", "trend", "momentum", "volatility", "volume", "risk", "context", "calendar")
    sentiment: bool = True
    horizons: tuple[int, ...] = (1, 5, 20)
    calendar: str = "XNYS"
    own: tuple[str, ...] = field(default=(), metadata=LATER)
    events: tuple[str, ...] | bool = field(default=(), metadata=LATER)
    kinds: tuple[str, ...] | bool | None = field(default=None, metadata=USUAL)
    topics: int | bool = field(default=False, metadata=LATER)
    as_of: Literal["close", "open"] = field(default="close", metadata=USUAL)

    def __post_init__(self) -> None:
        if not isinstance(self.topics, bool) and self.topics < 0:
            self.refuse("topics", "it takes a whole number of topics from 0, or true for all")
        if self.as_of not in ("close", "open"):
            self.refuse("as_of", "it takes 'close' or 'open'")
        for key in ("own", "events", "kinds"):
            names = getattr(self, key)
            if names is None or isinstance(names, bool):
                continue
            if len(set(names)) < len(names) or not all(map(str.strip, names)):
                self.refuse(key, "name each once, and none that is empty")
        if not self.groups:
            self.refuse("groups", "it is empty: name at least one group")
        if len(set(self.groups)) < len(self.groups):
            self.refuse("groups", "it names a group twice: once is enough")
        if not self.horizons:
            self.refuse("horizons", "it is empty: name at least one, [1] is the next session")
        if any(type(h) is not int or h < 1 for h in self.horizons):
            self.refuse("horizons", "horizons are whole numbers of sessions from 1")
        rising = tuple(sorted(set(self.horizons)))
        if self.horizons != rising:
            self.refuse("horizons", f"write them rising and once each, {list(rising)}")

    @property
    def wants_kinds(self) -> bool:
        """Whether daily counts of kinds of news, or of topics, are asked for, by default too."""
        return bool(DEFAULT_KINDS if self.kinds is None else self.kinds) or bool(self.topics)


@dataclass(frozen=True)
class SentimentConfig(Section):
    """How news items become the sentiment of a session.

    Attributes
    ----------
    margin_minutes : int
        Minutes from the cut-off of a session to its close; later items belong to the next session.
    half_life : float
        Sessions after which an item has half its weight in `recent`, and after which `recent` falls by half in
        the model's features while there is no news.
    window : int
        Number of earlier sessions whose mean `surprise` is measured from.
    repeats : float
        k items of one symbol and session with the same text (reprints, retweets) together weigh k ** `repeats`:
        with 0 as much as one item, with 1 as much as k. Each counts in `n`.
    once : bool
        Whether only the first of several nearly equal items of one symbol and session counts
        (`tenor.duplicates`; one word may differ). The others then do not count in `n` either, and `repeats` has
        no effect. The embedded sentiment was made without.
    entities : bool
        Whether an item that names two or more of its companies (by the lake's names) counts for each with the
        sentiment of its own clause. This needs tenor's own scorer; otherwise the sentiment of the whole item
        counts for all.
    model : str
        The model that scores the items: ``default``, a folder, or a Hugging Face id (see `Scorer.load`).
    kinds_model : str
        The file of a classifier of the kinds of news that was trained for `model` (docs/news-kinds.md); empty
        for the one that comes with its weights.
    topics_model : str
        The version of the topics by which items are counted, if ``features.topics`` is set (``tenor topics fit
        --until``); empty for topics that the training fits. A trained model keeps the version that it was
        trained with.
    device : {"auto", "cpu", "cuda"}
        The hardware that scores items: ``auto`` is a CUDA card if the runtime sees one (ONNX Runtime by its package
        ``onnxruntime-gpu``, PyTorch for models of Hugging Face), else the processor. Scores agree up to rounding.
    source : str
        Which daily sentiment of a lake is used: ``news`` is computed from the lake's news with these settings;
        any other name is that of imported daily sentiment, such as the embedded one; ``auto`` is ``news`` if
        the lake has any, otherwise the sentiment that was imported last. A trained model keeps the one that it
        was trained with.
    """

    section: ClassVar[str] = "sentiment"
    margin_minutes: int = whole(15, 0, 1440)
    half_life: float = number(5.0, 0, above=True)
    window: int = whole(60, 1)
    repeats: float = number(0.5, 0, 1)
    once: bool = False
    entities: bool = field(default=True, metadata=USUAL)
    model: str = "default"
    kinds_model: str = field(default="", metadata=LATER)
    topics_model: str = field(default="", metadata=LATER)
    device: Literal["auto", "cpu", "cuda"] = field(default="auto", metadata=USUAL)
    source: str = "auto"

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.device not in DEVICES:
            self.refuse("device", f"it takes {choice_of(DEVICES)}")


WIDEST = 1024
"""Units of a layer, at most."""
MOST_DENSE = 8
"""Dense layers between the LSTM and the heads, at most."""


@dataclass(frozen=True, kw_only=True)
class ModelConfig(Section):
    """The network: the shape of an `AttentionLSTM`, or a network of your own.

    A network of your own gets this config and may read any of its keys; `lookback`, `linear`, `season`, `news_effect`
    and `network` concern tenor itself whatever the network does with them.

    Attributes
    ----------
    hidden : int
        Width of the LSTM.
    layers : int
        LSTM layers.
    attention_size : int
        Width of the queries and keys of the attention over time.
    lookback : int
        Sessions that attention weighs, the current one included.
    dense : tuple of int
        Widths of the dense layers between the LSTM and the heads, from first to last; empty for one layer as
        wide as the LSTM.
    dropout : float
        Share of units that are dropped between layers and before the heads, below 1.
    attention : bool
        Whether there are a feature gate and attention over time. False gives the plain LSTM to compare with, in
        which all past variances have the same weight.
    linear : bool
        Whether each symbol's own linear regression of log variance (HAR-X, refitted regularly) has a share in
        the forecast of risk, which validation chooses. False leaves the forecast to the network.
    season : bool
        Whether the moves of a symbol at the same time of earlier quarters, when companies report, change the
        forecast of risk by a separate regression; validation chooses how much of it counts.
    news_effect : bool
        Whether daily counts of news by kind change the forecast of risk by a separate regression, instead of
        being read by the network (``docs/news-value.md``). False makes them inputs of the network like any
        other feature.
    network : str
        A network of your own, ``path/to/mine.py:Net`` (docs/own-models.md); empty for the `AttentionLSTM`. The
        file is read once, when the settings are read; then the value is ``mine.py:Net@0123456789ab``, with the
        beginning of the text's SHA-256, so that another text is another network.
    options : dict
        Keyword arguments of your own network: numbers, texts, true or false.
    code : str
        The text of the network's file; no key of a config file.
    path : str
        Where the file was read; no key of a config file.

    Raises
    ------
    ConfigError
        A value is out of its range, or the network's file can't be used.
    """

    section: ClassVar[str] = "model"
    hidden: int = whole(64, 1, WIDEST)
    layers: int = whole(1, 1, 4)
    attention_size: int = whole(16, 1, 1024)
    lookback: int = whole(66, 2, 1000)
    dense: tuple[int, ...] = field(default=(), metadata=LATER)
    dropout: float = number(0.1, 0)
    attention: bool = True
    linear: bool = True
    season: bool = field(default=True, metadata=USUAL)
    news_effect: bool = field(default=True, metadata=USUAL)
    network: str = field(default="", metadata=LATER)
    options: dict[str, Any] = field(default_factory=dict, hash=False, metadata=LATER)
    code: str = field(default="", repr=False, compare=False, metadata=UNMAPPED)
    path: str = field(default="", repr=False, compare=False, metadata=UNMAPPED)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.dropout >= 1:
            self.refuse("dropout", "it must be at least 0 and below 1")
        listed = isinstance(self.dense, (tuple, list)) and len(self.dense) <= MOST_DENSE
        if not (listed and all(type(width) is int and 1 <= width <= WIDEST for width in self.dense)):
            self.refuse("dense", f"it takes a list of at most {MOST_DENSE} widths, whole numbers from 1 to {WIDEST}")
        self._set(dense=tuple(self.dense))
        self._check_options()
        if not isinstance(self.network, str):
            self.refuse("network", f"it takes a text{spelled(self.network)}, because the code travels with the model")
        name = pinned(self.network)
        if name is None and self.network:
            name, code = read_network(self.network)
            self._set(path=self.network.rpartition(":")[0], code=code, network=str(name))
        elif name is None:
            self._set(path="", code="")
        elif self.code and digest_of(self.code) != name.digest:
            raise ConfigError(f"the code at hand for model.network {self.network} is another text: train it again.")

    @property
    def attention_lstm(self) -> bool:
        """Whether this is tenor's own network with attention, which has a twin without it."""
        return self.attention and not self.network

    @property
    def network_file(self) -> str:
        """The network as a config file names it, ``path/to/mine.py:Net``; empty for tenor's own."""
        name = pinned(self.network)
        return f"{self.path}:{name.name}" if name is not None and self.path else self.network

    def _check_options(self) -> None:
        if not isinstance(self.options, Mapping) or not all(isinstance(key, str) for key in self.options):
            self.refuse("options", "it takes a table of keyword arguments, as in {'width': 32}")
        self._set(options=dict(sorted(self.options.items())))
        if self.options and not self.network:
            self.refuse("options", "it is for a network of your own: set model.network as well")
        for key, value in self.options.items():
            if not key.isidentifier() or keyword.iskeyword(key):
                raise ConfigError(f"config key 'model.options' has {shown(key)}, which is not the name of an argument.")
            if not isinstance(value, (bool, int, float, str)) or (type(value) is float and not math.isfinite(value)):
                raise ConfigError(
                    f"config key 'model.options.{key}' is {shown(value)}; it takes a finite number, a text, true or "
                    "false."
                )

    def _set(self, **values: Any) -> None:
        for key, value in values.items():
            object.__setattr__(self, key, value)  # frozen for everybody else


@dataclass(frozen=True, kw_only=True)
class TrainConfig(Section):
    """Sequence training with Adam (see ``docs/decisions/0004-sequence-training.md``).

    Attributes
    ----------
    seeds : tuple of int
        One network is trained for each; the forecast is their mean.
    epochs : int
        Most passes over the training part.
    patience : int
        A seed stops after so many epochs without a better validation loss.
    learning_rate : float
        Learning rate of Adam.
    weight_decay : float
        Weight decay of Adam, decoupled from the gradient.
    clip_norm : float
        Largest norm of the gradient; a larger one is clipped.
    segment : int
        Sessions of one symbol that are predicted in one run.
    burn_in : int
        Sessions that are run before a segment and do not count in the loss.
    segments_per_step : int
        Segments in a batch.
    risk_weight : float
        Weight of the squared error of the log variance; 0 leaves it out.
    return_weight : float
        Weight of the return's squared error; 0 leaves it out.
    direction_weight : float
        Weight of the direction's cross-entropy; 0 leaves it out.
    target_clip : float
        Targets (returns in units of their volatility) are clipped at this value, in training only.
    device : {"cpu", "auto", "cuda"}
        The hardware that trains: ``cpu`` is the processor; ``auto`` is a CUDA card if PyTorch sees one and there is
        enough to do; ``cuda`` is the card, or an error. A card rounds differently and draws dropout differently, so
        that the same settings give the same numbers on every machine unless they ask for a card (docs/scale.md).
    precision : {"float32", "bfloat16"}
        Of the products on a card: ``bfloat16`` is faster if some tens of networks train together. The processor always
        takes float32.
    """

    section: ClassVar[str] = "training"
    seeds: tuple[int, ...] = (0, 1, 2, 3, 4)
    epochs: int = whole(30, 1)
    patience: int = whole(5, 1)
    learning_rate: float = number(1e-3, 0, above=True)
    weight_decay: float = number(1e-2, 0)
    clip_norm: float = number(1.0, 0, above=True)
    segment: int = whole(120, 1)
    burn_in: int = whole(66, 0)
    segments_per_step: int = whole(64, 1)
    risk_weight: float = number(1.0, 0)
    return_weight: float = number(0.1, 0)
    direction_weight: float = number(0.05, 0)
    target_clip: float = number(4.0, 0, above=True)
    device: Literal["cpu", "auto", "cuda"] = field(default="cpu", metadata=USUAL)
    precision: Literal["float32", "bfloat16"] = field(default="float32", metadata=USUAL)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.device not in DEVICES:
            self.refuse("device", f"it takes {choice_of(DEVICES)}")
        if self.precision not in ("float32", "bfloat16"):
            self.refuse("precision", "it takes 'float32' or 'bfloat16'")
        if not self.seeds or len(set(self.seeds)) < len(self.seeds) or not all(0 <= s < 2**63 for s in self.seeds):
            self.refuse("seeds", "name at least one whole number >= 0, each once")


@dataclass(frozen=True, kw_only=True)
class SplitConfig(Section):
    """The ends of training, validation and test. By default 60, 15 and 25 % of the sessions.

    Attributes
    ----------
    train_end : str or None
        Last day (YYYY-MM-DD) of the training part; for intraday bars also a moment (YYYY-MM-DDTHH:MM, UTC).
    valid_end : str or None
        Last day, or moment, of the validation part.
    test_end : str or None
        Last day, or moment, of the test part; by default the end of the history.

    Raises
    ------
    ConfigError
        A text that is not a date, or dates out of order.
    """

    section: ClassVar[str] = "split"
    train_end: str | None = None
    valid_end: str | None = None
    test_end: str | None = None

    def __post_init__(self) -> None:
        previous: tuple[str, datetime] | None = None
        for key in SPLIT_KEYS:
            value = getattr(self, key)
            if value is None:
                continue
            day = last_of(self, key)
            if previous is not None and day <= previous[1]:
                raise ConfigError(
                    f"config key 'split.{key}' is {value}, not after 'split.{previous[0]}' {previous[1]:%Y-%m-%d}: "
                    "train, validation and test follow each other in time."
                )
            previous = key, day


SPLIT_KEYS = ("train_end", "valid_end", "test_end")


@dataclass(frozen=True, kw_only=True)
class FoldConfig(Section):
    """The folds of the walk-forward; lengths are sessions that are used, and purged ones are added to them.

    Attributes
    ----------
    folds : int
        Number of test parts; the model is trained anew for each.
    scheme : {"expanding", "rolling"}
        ``expanding`` trains from the first session on; ``rolling`` trains on as many sessions as the first fold
        has.
    valid_sessions, test_sessions : int
        Length of each validation and each test part.
    test_end : str or None
        Last day (YYYY-MM-DD) of the last test part; by default the end of the history.
    """

    section: ClassVar[str] = "folds"
    folds: int = whole(4, 1)
    scheme: Literal["expanding", "rolling"] = "expanding"
    valid_sessions: int = whole(126, 1)
    test_sessions: int = whole(126, 1)
    test_end: str | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.scheme not in ("expanding", "rolling"):
            self.refuse("scheme", "it takes 'expanding' or 'rolling'")
        if self.test_end is not None:
            last_of(self, "test_end")


@dataclass(frozen=True, kw_only=True)
class AlertsConfig(Section):
    """Alerts: rules, symbols and channels (docs/alerts.md).

    Attributes
    ----------
    rules : tuple of str
        ``range > 4%`` (half of the 90 % range of the next session), ``rank > 0.95`` (the volatility's place in
        the symbol's own year), ``missed`` (the price ended outside its range), ``burst`` (many more news items
        than usual), ``spike earnings > 4`` (more than 4 times the usual items about earnings; ``spike > 4`` for
        any kind), ``drift`` (an alarm of the monitor).
    symbols : tuple of str
        Symbols of the alerts and the digest; empty for all.
    channels : tuple of str
        ``webhook``, ``email``, ``telegram``; their addresses and secrets are read from environment variables.
    """

    section: ClassVar[str] = "alerts"
    rules: tuple[str, ...] = ()
    symbols: tuple[str, ...] = ()
    channels: tuple[Literal["webhook", "email", "telegram"], ...] = ()


@dataclass(frozen=True)
class PaperConfig(Section):
    """Paper trading: how forecasts become positions (docs/paper-trading.md).

    Attributes
    ----------
    rule : {"basket", "each", "long/flat", "rl"}
        ``basket`` holds all symbols in inverse proportion to their forecast volatility, scaled so that the
        portfolio's volatility is `volatility`; ``each`` gives every symbol the same share of the capital and
        scales it to `volatility` by itself; ``long/flat`` holds the symbols that will probably rise, as long as
        the track record has evidence for directions; ``rl`` follows the champion policy of ``tenor rl train``.
    volatility : float
        Target volatility a year, as a share.
    cap : float
        Highest leverage: the sum of the positions as a share of the equity.
    cost : float
        Basis points of the money traded.
    capital : float
        Capital at the beginning, in the currency of the quotes.
    symbols : tuple of str
        Symbols that are traded; empty for all that have a forecast.
    fractional : bool
        Whether orders may be for fractions of a share.
    """

    section: ClassVar[str] = "paper"
    rule: Literal["basket", "each", "long/flat", "rl"] = "basket"
    volatility: float = number(0.10, 0, 10, above=True)
    cap: float = number(1.0, 0, 10, above=True)
    cost: float = number(10.0, 0, 1000)
    capital: float = number(100_000.0, 0, 1e12, above=True)
    symbols: tuple[str, ...] = ()
    fractional: bool = True


@dataclass(frozen=True)
class RlConfig(Section):
    """Trading by reinforcement learning (docs/reinforcement-learning.md).

    Attributes
    ----------
    symbols : tuple of str
        Symbols that are traded; empty for the `most` symbols with the most money traded in the training part.
    most : int
        Number of symbols that are traded if `symbols` is empty.
    algorithms : tuple of str
        ``ppo`` and ``sac``; if there are several, validation chooses one in each fold.
    reward : str
        ``utility``, ``log``, ``downside`` or ``drawdown``, or your own as ``path/to/file.py:function``.
    risk_penalty : float
        The weight of the risk in the reward.
    cost : float
        Basis points of the money traded.
    borrow : float
        Basis points a year of the money borrowed and of the stocks sold short.
    cap : float
        Highest leverage: the sum of the positions, short ones included, as a share of the equity.
    limit : float
        The largest position, as a share of the equity.
    short : bool
        Whether positions may be short.
    seeds : tuple of int
        One agent is trained for each; together they hold the mean of their positions.
    steps : int
        Most steps of the environment that an agent of ``ppo`` learns from; ``sac`` uses a tenth of them.
    patience : int
        Training stops after so many checks on the validation part without a better reward.
    folds : int
        Number of test parts of the walk-forward.
    valid_sessions : int
        Length of each validation part.
    """

    section: ClassVar[str] = "rl"
    symbols: tuple[str, ...] = ()
    most: int = whole(10, 1, 500)
    algorithms: tuple[str, ...] = ("ppo", "sac")
    reward: str = "utility"
    risk_penalty: float = number(2.0, 0, 1000)
    cost: float = number(10.0, 0, 1000)
    borrow: float = number(100.0, 0, 10_000)
    cap: float = number(1.0, 0, 10, above=True)
    limit: float = number(1.0, 0, 10, above=True)
    short: bool = False
    seeds: tuple[int, ...] = (0, 1, 2, 3, 4)
    steps: int = whole(100_000, 1, 100_000_000)
    patience: int = whole(8, 1)
    folds: int = whole(2, 1)
    valid_sessions: int = whole(120, 40)

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.algorithms or any(name not in ("ppo", "sac") for name in self.algorithms):
            self.refuse("algorithms", "it takes 'ppo', 'sac' or both")
        if not self.seeds or len(set(self.seeds)) != len(self.seeds) or min(self.seeds) < 0:
            self.refuse("seeds", "it takes whole numbers >= 0, each once; five or more show how much chance is in them")


@dataclass(frozen=True)
class Config:
    """All settings of a run.

    Attributes
    ----------
    symbols : tuple of str
        What is trained on; empty means all that the lake holds.
    sources, features, sentiment, model, training, split, folds, alerts, paper, rl : Section
        The settings of each stage.
    """

    symbols: tuple[str, ...] = ()
    sources: SourcesConfig = field(default_factory=SourcesConfig)
    features: FeatureConfig = field(default_factory=FeatureConfig)
    sentiment: SentimentConfig = field(default_factory=SentimentConfig)
    model: ModelConfig = field(default_factory=ModelConfig)
    training: TrainConfig = field(default_factory=TrainConfig)
    split: SplitConfig = field(default_factory=SplitConfig)
    folds: FoldConfig = field(default_factory=FoldConfig)
    alerts: AlertsConfig = field(default_factory=AlertsConfig)
    paper: PaperConfig = field(default_factory=PaperConfig)
    rl: RlConfig = field(default_factory=RlConfig)

    @classmethod
    def read(cls, path: Path | None = None, overrides: Sequence[str] = ()) -> Config:
        """Read the TOML file `path`, then apply each ``key=value`` of `overrides` (``model.hidden=64``).

        Raises
        ------
        ConfigError
            No such file, not TOML, an unknown key (with the nearest known one), or a value out of its range.
        """
        values = _read_toml(path) if path else {}
        for override in overrides:
            _apply(values, override)
        return from_mapping(cls, values)


def last_of(config: Section, key: str) -> datetime:
    """The last day, or moment, that `key` of `config` says; raises ConfigError for a text that is none."""
    try:
        day = datetime.fromisoformat(getattr(config, key))
    except (TypeError, ValueError):
        config.refuse(key, "write a day as YYYY-MM-DD")
    if day.tzinfo is not None:
        config.refuse(key, "write it without a time zone, in UTC")
    return day


def _read_toml(path: Path) -> dict[str, Any]:
    try:
        return read_toml(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ConfigError(f"no config file {str(path)!r}: check the path given to --config.") from None
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"config file {str(path)!r} can't be read: {error}.") from None
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"config file {str(path)!r} is not TOML: {one_line(error, 200)}.") from None
    except ValueError as error:
        raise ConfigError(f"config file {str(path)!r} can't be read: {error}.") from None


def _apply(values: dict[str, Any], override: str) -> None:
    key, separator, text = override.partition("=")
    if not separator or not key.strip():
        raise ConfigError(f"override {shown(override)} is not KEY=VALUE, for example model.hidden=64.")
    try:
        value = read_toml(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        value = text.strip()  # a bare word needs no quotes on a command line
    except ValueError as error:
        raise ConfigError(f"override {shown(override)}: {error}.") from None
    *tables, last = key.strip().split(".")
    if len(tables) > DEEPEST:
        raise ConfigError(f"override {shown(override)}: its key has {len(tables)} dots; sections have one or two.")
    for table in tables:
        values = values.setdefault(table, {})
        if not isinstance(values, dict):
            raise ConfigError(f"override {shown(override)}: {table!r} is a value, not a table.")
    values[last] = value
