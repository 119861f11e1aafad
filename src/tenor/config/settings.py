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
"""The kinds of news that are features where ``features.kinds`` is not set, and where there are counts of them."""


DEVICES = ("auto", "cpu", "cuda")
"""What a network can be set to run on."""


def choice_of(names: Sequence[str]) -> str:
    """``'a', 'b' or 'c'``."""
    *others, last = map(repr, names)
    return f"{', '.join(others)} or {last}"


@dataclass(frozen=True)
class HttpConfig(Section):
    """How patiently a source is asked.

    Attributes
    ----------
    connect_seconds : float
        For one connection.
    read_seconds : float
        For one wait for bytes.
    deadline_seconds : float
        For one request as a whole, however slowly its answer drips.
    attempts : int
        How often a request is tried that fails temporarily (429, 5xx, a broken connection).
    backoff_seconds : float
        The first wait between tries; it doubles, with jitter. A Retry-After counts instead.
    longest_wait_seconds : float
        No single wait is longer; a source that asks for more is given up on.
    max_megabytes : float
        Size of one answer, unpacked.
    max_redirects : int
        Redirects in a row.
    trips : int
        So many failed requests in a row make a host rest for `rest_seconds`.
    rest_seconds : float
        How long a host rests.
    requests_per_minute : float
        To one host; a source's own lower limit counts.
    transport : {"httpx", "curl"}
        What carries the requests. ``curl`` begins its TLS as a browser does, which Yahoo asks for; it needs the extra
        ``yahoo``.
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
    """What is fetched from where.

    Attributes
    ----------
    prices : tuple of str
        Price sources, in the order in which they are tried.
    news : tuple of str
        News sources, each of which is asked.
    events : tuple of str
        Sources of dates known ahead (earnings), each of which is asked; none by default.
    feeds : tuple of str
        RSS or Atom feeds, by a name that tenor knows or by their address.
    forums : tuple of str
        Subreddits that are read for news of a symbol.
    urls : tuple of str
        ``NAME=URL`` of a source that is reached at another address: a proxy, a mirror.
    since : str
        The first day (YYYY-MM-DD) of a symbol that the lake has nothing of.
    overlap : int
        Sessions fetched again each time, to catch revisions.
    disagreement_bps : float
        A daily return on which two sources differ by more basis points is reported.
    cross_check : bool
        A second source is asked as well, and compared, each time.
    parallel : int
        Symbols fetched at once.
    max_stale_sessions : int
        Bars older than that, by the symbol's own calendar, are stale.
    when_stale : {"say", "refuse", "ignore"}
        What a forecast from stale bars does: say so, refuse, or ignore it.
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
    """What a panel is made of.

    Attributes
    ----------
    groups : tuple of str
        Which features (see ``docs/features.md``); their order does not matter.
    sentiment : bool
        Sentiment features as well, wherever daily sentiment is given.
    horizons : tuple of int
        Sessions ahead of each target; rising.
    calendar : str
        The exchange whose sessions are the panel's, by its exchange_calendars name; with ``@1h`` or ``@15m``
        (``XNYS@1h``) their bars of that length are.
    own : tuple of str
        The user's own features (``docs/own-features.md``): functions (``mine.py:f``), tables (``macro.csv``) and tables
        of the lake (``features:macro``).
    events : tuple of str, or bool
        Kinds of the lake's events (``earnings``) of which there are features; true for all there are.
    kinds : tuple of str, or bool, or None
        Kinds of news of which daily counts are features (``docs/news.md``): ``earnings`` and the others that tenor's
        classifier knows, ``any`` for all items together; true for all kinds. None takes `DEFAULT_KINDS` where the lake
        has counts of them; a trained model has those that it was trained with.
    topics : int or bool
        So many topics of the lake's news are features as kinds are (``docs/topics.md``). A training fits them on the
        news before its training part ends; true for 20. Of topics that are there already (``sentiment.topics_model``,
        imported counts) so many, the most frequent first; true for all.
    as_of : {"close", "open"}
        The moment that a forecast is made at: after the close of a session, or before the open of the next one. At the
        open, the row of a session holds the news of the night after it as well; bars end with the session all the same.

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
    """How items become a session's sentiment.

    Attributes
    ----------
    margin_minutes : int
        The cut-off of a session lies this long before its close; later items belong to the next session.
    half_life : float
        Sessions after which an item counts half in `recent`, and after which `recent` fades by half in the model's
        features while there is no news.
    window : int
        How many sessions before this one make the trailing mean that `surprise` is measured from.
    repeats : float
        k items of one symbol and session that say the same (reprints, retweets) weigh k ** `repeats` together: at 0
        like one item, at 1 like k. In `n` each counts.
    once : bool
        Of items of one symbol and session that say nearly the same (`tenor.duplicates`: one with a word changed, too)
        the first one counts and the others do nowhere, not even in `n`; `repeats` then has nothing left to weigh. The
        embedded sentiment was made without.
    entities : bool
        An item that names two or more of its companies (by the lake's names) counts for each with what its own clause
        says, where the scorer is tenor's own; otherwise, and without this, with what the whole item says.
    model : str
        What scores the items: ``default``, a folder, or a Hugging Face id (see `Scorer.load`).
    kinds_model : str
        The file of a classifier of the kinds of news trained for `model` (docs/news-kinds.md); empty for the one that
        came with its weights.
    topics_model : str
        The version of the topics that items are counted by, where ``features.topics`` asks for them
        (``tenor topics fit --until``); empty for those that a training fits. A trained model keeps the one that it was
        trained on.
    device : {"auto", "cpu", "cuda"}
        What the network that scores items runs on: ``auto`` is a CUDA card where the runtime sees one (ONNX Runtime by
        its package ``onnxruntime-gpu``, PyTorch for models of Hugging Face). Scores agree up to float noise.
    source : str
        Which daily sentiment of a lake is used: ``news`` is computed from the lake's news by these settings; any other
        name is that of imported daily sentiment, such as the embedded one; ``auto`` is ``news`` where the lake has any,
        otherwise what was imported last. A trained model keeps the one that it was trained on.
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
        Sessions under attention, the current one included.
    dense : tuple of int
        Widths of the dense layers between the LSTM and the heads, from first to last; empty is one as wide as the LSTM.
    dropout : float
        Share of units dropped between layers and before the heads, below 1.
    attention : bool
        False leaves out the feature gate and the attention over time: the plain LSTM to compare with. All past
        variances then weigh the same.
    linear : bool
        Whether each symbol's own linear regression of log variance (HAR-X, refitted as time goes on) has a share in the
        forecast of risk, which validation chooses. False leaves it to the network alone.
    season : bool
        Whether what a symbol did at the same time of earlier quarters, when companies report, changes the forecast of
        risk by a regression of its own, as far as validation finds it worth.
    news_effect : bool
        Whether daily counts of news by kind change the forecast of risk by a regression of their own, and the network
        does not read them (``docs/news-value.md``). False makes them inputs of the network like any other feature.
    network : str
        A network of your own, ``path/to/mine.py:Net`` (docs/own-models.md); empty for the `AttentionLSTM`. The file is
        read here, once, and from then on the value is ``mine.py:Net@0123456789ab``, with the beginning of the text's
        SHA-256: another text is another network.
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
                raise ConfigError(f"config key 'model.options' has {shown(key)}, which is no name of an argument.")
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
        One network each; the forecast is their mean.
    epochs : int
        Passes over the training part at most.
    patience : int
        Epochs without a better validation loss after which a seed stops.
    learning_rate : float
        Adam's.
    weight_decay : float
        Adam's, decoupled from the gradient.
    clip_norm : float
        The gradient's norm is clipped here.
    segment : int
        Sessions of one symbol that are predicted in one run.
    burn_in : int
        Sessions run before them, which no loss is taken on.
    segments_per_step : int
        Segments in a batch.
    risk_weight : float
        Weight of the squared error of the log variance; 0 leaves it out.
    return_weight : float
        Weight of the return's squared error; 0 leaves it out.
    direction_weight : float
        Weight of the direction's cross-entropy; 0 leaves it out.
    target_clip : float
        Targets (returns in units of their volatility) are clipped here, in training alone.
    device : {"cpu", "auto", "cuda"}
        What trains: the cores of this machine; a CUDA card where PyTorch sees one and there is enough to do; or the
        card, and nothing else. A card gives other last digits, and draws dropout differently, so that the same settings
        give the same numbers on every machine unless they ask for one (docs/scale.md).
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

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.device not in DEVICES:
            self.refuse("device", f"it takes {choice_of(DEVICES)}")
        if not self.seeds or len(set(self.seeds)) < len(self.seeds) or not all(0 <= s < 2**63 for s in self.seeds):
            self.refuse("seeds", "name at least one whole number >= 0, each once")


@dataclass(frozen=True, kw_only=True)
class SplitConfig(Section):
    """Where the parts end.

    Attributes
    ----------
    train_end, valid_end, test_end : str or None
        Last day (YYYY-MM-DD) of each part; of bars within a day a moment as well (YYYY-MM-DDTHH:MM, UTC). Left out,
        test ends with the history, and the parts share the sessions as 60, 15 and 25 %.

    Raises
    ------
    ConfigError
        A text that is no date, or dates out of order.
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
    """How the folds are laid out; every length is in sessions that are used, purged ones come on top.

    Attributes
    ----------
    folds : int
        Test parts, each with training of its own.
    scheme : {"expanding", "rolling"}
        ``expanding`` trains from the first session on; ``rolling`` on as many sessions as the first fold has.
    valid_sessions, test_sessions : int
        Length of each validation and each test part.
    test_end : str or None
        Last day (YYYY-MM-DD) of the last test part; the end of the history if None.
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
    """Which forecasts people are alerted to, and how (docs/alerts.md).

    Attributes
    ----------
    rules : tuple of str
        ``range > 4%`` (half of the 90 % range, next session), ``rank > 0.95`` (the volatility's place in the symbol's
        own year), ``missed`` (the price ended outside of its range), ``burst`` (many more news than usual), ``spike
        earnings > 4`` (4 times the usual items about earnings; ``spike > 4`` for any kind), ``drift`` (an alarm of the
        monitoring).
    symbols : tuple of str
        Whose alerts and digest; empty means all.
    channels : tuple of str
        ``webhook``, ``email``, ``telegram``; their addresses and secrets stand in the environment.
    """

    section: ClassVar[str] = "alerts"
    rules: tuple[str, ...] = ()
    symbols: tuple[str, ...] = ()
    channels: tuple[Literal["webhook", "email", "telegram"], ...] = ()


@dataclass(frozen=True)
class PaperConfig(Section):
    """Paper trading: by which rule forecasts become positions (docs/paper-trading.md).

    Attributes
    ----------
    rule : {"basket", "each", "long/flat", "rl"}
        ``basket`` holds all symbols in inverse proportion to their forecast volatility, so much of all that the
        volatility of the whole is `volatility`; ``each`` gives every symbol the same share of the capital and holds it
        at `volatility` by itself; ``long/flat`` holds what probably rises, while the track record has evidence that the
        model tells; ``rl`` follows the champion policy of ``tenor rl train``.
    volatility : float
        Aimed at, a share a year.
    cap : float
        Most leverage: the sum of the positions as a share of the equity.
    cost : float
        Basis points of the money traded.
    capital : float
        To begin with, in the quotes' currency.
    symbols : tuple of str
        What is traded; empty means all that have a forecast.
    fractional : bool
        Whether orders may be for parts of a share.
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
        What is traded; empty means the `most` symbols with the most money traded in training.
    most : int
        How many symbols are traded where none are named.
    algorithms : tuple of str
        ``ppo`` and ``sac``; of several, validation chooses in each fold.
    reward : str
        ``utility``, ``log``, ``downside`` or ``drawdown``, or your own as ``path/to/file.py:function``.
    risk_penalty : float
        The weight of the risk in the reward.
    cost : float
        Basis points of the money traded.
    borrow : float
        Basis points a year of the money borrowed and of the stocks sold short.
    cap : float
        Most leverage: the sum of the positions, short ones included, as a share of the equity.
    limit : float
        The largest position, a share of the equity.
    short : bool
        Whether positions may be short.
    seeds : tuple of int
        One agent is trained for each; together they hold the mean of their positions.
    steps : int
        Most steps of the environment that an agent of ``ppo`` learns from; ``sac`` takes a tenth of them.
    patience : int
        Looks at the validation part without a better reward, after which the training stops.
    folds : int
        Test parts of the walk forward.
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
