"""Parse the time zone written after a time: an offset, a name of RFC 822, or a name of the IANA database."""

from __future__ import annotations

import datetime as dt
import functools
import re
import zoneinfo

from tenor.errors import UnusableError

# RFC 822, section 5.1, and RFC 2822, section 4.3: the only short names that a standard defines as one offset
_BY_STANDARD = {
    "z": 0, "ut": 0, "utc": 0, "gmt": 0,
    "est": -5, "edt": -4, "cst": -6, "cdt": -5, "mst": -7, "mdt": -6, "pst": -8, "pdt": -7,
}  # fmt: skip
_WRITTEN = re.compile(r"(?P<main>[^()\[\]]*?)\s*(?:\[(?P<region>[^\[\]]*)\]|\((?P<comment>[^()]*)\))?")
# an offset may follow UTC or GMT, or be followed by a name: GMT+0200, +0000 UTC
_OFFSET = re.compile(
    r"(?:(?:UTC|GMT|UT)\s*)?(?P<sign>[+\-−])(?P<hours>\d{1,2}):?(?P<minutes>\d{2})?(?:\s+(?P<name>[A-Za-z]{1,5}))?",
    re.I,
)
_WESTMOST, _EASTMOST = dt.timedelta(hours=-12), dt.timedelta(hours=14)
_WRITE_OFFSET = "write the offset after the time, like 2024-05-01T09:30:00-04:00"


def in_zone(moment: dt.datetime, written: str) -> dt.datetime:
    """`moment` with its zone.

    Parameters
    ----------
    moment
        A local time, or one with an offset.
    written
        The text after it; ``""`` if `moment` already has its offset.

    Raises
    ------
    UnusableError
        The zone is unknown, no place has such an offset, or the local time did not exist or occurred twice there.
    """
    if moment.tzinfo is not None:
        return _possible(moment)
    parts = _WRITTEN.fullmatch(written)
    if parts is None:
        raise _unknown(written)
    main, region = parts["main"], parts["region"]
    if not main and not region:
        main = parts["comment"] or ""
    if not main and region:
        return _of_region(moment, region)
    result = _of_name(moment, main)
    if not region:
        return result
    offsets = {_of_name(moment, region).utcoffset()} if region.casefold() in _BY_STANDARD else _offsets(moment, region)
    if result.utcoffset() not in offsets:
        raise UnusableError(f"has an offset that {region} did not have then", _WRITE_OFFSET)
    return result


def _of_name(moment: dt.datetime, name: str) -> dt.datetime:
    """`moment` in the zone or at the offset `name`."""
    if name.casefold() in _BY_STANDARD:
        return moment.replace(tzinfo=_fixed(_BY_STANDARD[name.casefold()]))
    if parts := _OFFSET.fullmatch(name):
        minutes = int(parts["hours"]) * 60 + int(parts["minutes"] or 0)
        offset = dt.timedelta(minutes=-minutes if parts["sign"] != "+" else minutes)
        named = _BY_STANDARD.get((parts["name"] or "").casefold())
        if int(parts["minutes"] or 0) > 59 or not _WESTMOST <= offset <= _EASTMOST:
            raise UnusableError(f"has the offset {name}, which no place has", _WRITE_OFFSET)
        if named is not None and dt.timedelta(hours=named) != offset:
            raise UnusableError(f"has an offset that {parts['name']} does not have", _WRITE_OFFSET)
        return moment.replace(tzinfo=dt.timezone(offset))
    if "/" in name:
        return _of_region(moment, name)
    raise _unknown(name)


def _of_region(moment: dt.datetime, region: str) -> dt.datetime:
    """The local time `moment` in `region`, if it occurred there exactly once."""
    if region.casefold() in _BY_STANDARD:
        return _of_name(moment, region)
    offsets = _offsets(moment, region)
    zone = _zone(region)
    local = moment.replace(tzinfo=zone)
    if local.astimezone(dt.UTC).astimezone(zone).replace(tzinfo=None) != moment:
        raise UnusableError(f"did not exist in {region}, where clocks were set forward over it", _WRITE_OFFSET)
    if len(offsets) > 1:
        raise UnusableError(f"occurred twice in {region}, where clocks were set back", _WRITE_OFFSET)
    return local


def _offsets(moment: dt.datetime, region: str) -> set[dt.timedelta | None]:
    zone = _zone(region)
    return {moment.replace(tzinfo=zone, fold=fold).utcoffset() for fold in (0, 1)}


def _zone(region: str) -> zoneinfo.ZoneInfo:
    name = _regions().get(region.strip().casefold().replace(" ", "_"))
    if name is None:
        raise _unknown(region)
    return zoneinfo.ZoneInfo(name)


@functools.cache
def _regions() -> dict[str, str]:
    return {name.casefold(): name for name in zoneinfo.available_timezones() if "/" in name}


def _possible(moment: dt.datetime) -> dt.datetime:
    offset = moment.utcoffset()
    if offset is not None and not _WESTMOST <= offset <= _EASTMOST:
        raise UnusableError(f"has the offset {moment:%z}, which no place has", _WRITE_OFFSET)
    return moment


def _fixed(hours: int) -> dt.timezone:
    return dt.timezone(dt.timedelta(hours=hours))


def _unknown(name: str) -> UnusableError:
    return UnusableError(
        f"has the zone {name.strip()[:24]!r}, which is neither an offset nor an unambiguous name of a zone",
        _WRITE_OFFSET,
    )
