"""Bars and news from tables in memory: pandas, polars, Arrow, as their sources and libraries shape them."""

from tenor.ingest.frames.bars import FrameBars, bars_of, read_frame
from tenor.ingest.frames.events import events_of
from tenor.ingest.frames.news import FrameNews, news_of, read_news
from tenor.ingest.frames.tables import plain_frame

__all__ = ["FrameBars", "FrameNews", "bars_of", "events_of", "news_of", "plain_frame", "read_frame", "read_news"]
