"""Documents of the board to the bodies of answers, each made once and kept under its ETag."""

from __future__ import annotations

import hashlib
import json
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from tenor.errors import UsageError
from tenor.serving import schemas
from tenor.serving.past import past_forecasts
from tenor.serving.published import Index
from tenor.serving.schemas import Staleness, to_plain
from tenor.serving.view import View

KEPT = 4096


@dataclass(frozen=True)
class Body:
    """An answer's JSON and the ETag that stands for it."""

    data: bytes
    etag: str


class Renderer:
    """What `view` holds, as answers. An answer changes with the forecasts and how stale they are, not with time."""

    def __init__(self, view: View) -> None:
        self.view = view
        self._kept: OrderedDict[tuple[object, ...], Body] = OrderedDict()

    def forecast(self, symbol: str, horizon: int | None) -> Body:
        """The forecast of `symbol`; raises UnknownSymbolError, UsageError for a horizon that there is not."""
        entry = self.view.snapshot.entry(symbol)
        stale = self.view.staleness(entry)
        return self._once(
            ("forecast", entry.digest, horizon, stale),
            lambda: to_plain(forecast_response(pick(self.view.document(symbol)["forecasts"], horizon), stale)),
        )

    def forecasts(self, symbol: str, horizon: int | None) -> schemas.ForecastResponse:
        """The same, not as text."""
        plain: dict[str, Any] = json.loads(self.forecast(symbol, horizon).data)
        return schemas.from_plain(schemas.ForecastResponse, plain)

    def history(self, symbol: str, horizon: int | None, limit: int) -> Body:
        """The last `limit` past forecasts of `symbol`; errors as those of `forecast`."""
        entry = self.view.snapshot.entry(symbol)
        stale = self.view.staleness(entry)

        def make() -> dict[str, Any]:
            document = self.view.document(symbol)
            chosen = int(pick(document["forecasts"], horizon)["horizon"])
            found = past_forecasts(document, chosen, last=limit)
            version = str(document["model_version"])
            return to_plain(schemas.HistoryResponse(symbol, document["as_of"], chosen, version, found, stale))

        return self._once(("history", entry.digest, horizon, limit, stale), make)

    def detail(self, symbol: str) -> Body:
        """All that the board holds of `symbol`, for the page."""
        entry = self.view.snapshot.entry(symbol)
        stale = self.view.staleness(entry)
        return self._once(
            ("detail", entry.digest, stale), lambda: {**self.view.document(symbol), "staleness": to_plain(stale)}
        )

    def symbols(self) -> Body:
        """Every symbol on the board."""
        index = self.view.snapshot.index
        stale = self.view.staleness()
        return self._once(("symbols", index.etag, stale), lambda: to_plain(self._symbols(index, stale)))

    def models(self) -> Body:
        """The model, its card and its track record."""
        index = self.view.snapshot.index
        stale = self.view.staleness()
        return self._once(("models", index.etag, stale), lambda: to_plain(_models(index, stale)))

    def monitor(self) -> Body:
        """What was watched at the last refresh."""
        index = self.view.snapshot.index
        empty = {"as_of": index.as_of, "alarms": 0, "checks": []}
        return self._once(("monitor", index.etag), lambda: dict(index.head.get("monitor", empty)))

    def _symbols(self, index: Index, stale: Staleness) -> schemas.SymbolsResponse:
        rows = []
        for symbol, entry in index.entries.items():
            brief = entry.brief[min(entry.brief, key=int)]
            rows.append(
                schemas.SymbolSummary(
                    symbol,
                    entry.as_of,
                    entry.session,
                    brief["last_price"],
                    brief["p_up"],
                    brief["expected_return"],
                    self.view.staleness(entry).stale,
                )
            )
        head = index.head
        return schemas.SymbolsResponse(tuple(rows), tuple(head["horizons"]), index.as_of, head["model_version"], stale)

    def _once(self, name: tuple[object, ...], make: Callable[[], Mapping[str, Any]]) -> Body:
        body = self._kept.get(name)
        if body is None:
            data = json.dumps(make(), separators=(",", ":")).encode()
            body = Body(data, f'"{hashlib.sha256(data).hexdigest()[:32]}"')
            self._kept[name] = body
            if len(self._kept) > KEPT:
                self._kept.popitem(last=False)
        return body


def pick(forecasts: list[dict[str, Any]], horizon: int | None) -> dict[str, Any]:
    """The forecast at `horizon`, or at the shortest; raises UsageError naming those there are."""
    known = [int(said["horizon"]) for said in forecasts]
    wanted = min(known) if horizon is None else horizon
    if wanted not in known:
        raise UsageError(f"there is no forecast {wanted} sessions ahead; horizons: {', '.join(map(str, known))}.")
    return forecasts[known.index(wanted)]


def forecast_response(said: Mapping[str, Any], stale: Staleness, *, live: bool = False) -> schemas.ForecastResponse:
    """A forecast (see `schema.Forecast.to_json`) as an answer."""
    return schemas.ForecastResponse(
        symbol=said["symbol"],
        as_of=said["as_of"],
        session=said["session"],
        target_session=said["target_session"],
        horizon=said["horizon"],
        expected_return=said["expected_return"],
        p_up=said["p_up"],
        last_price=said["last_price"],
        price=said["price"],
        interval=schemas.PriceInterval(said["lower"], said["upper"]),
        attention=schemas.AttentionWeights(said["attention_time"], said["attention_features"]),
        model_version=said["model_version"],
        live=live,
        staleness=stale,
    )


def _models(index: Index, stale: Staleness) -> schemas.ModelsResponse:
    head = index.head
    track = tuple(schemas.from_plain(schemas.TrackRecord, record) for record in head["track"])
    return schemas.ModelsResponse(head["model_version"], tuple(head["versions"]), head["card"], track, index.as_of, stale)
