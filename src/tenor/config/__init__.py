"""Every setting of a run, and how it is read from TOML and from mappings. Needs the standard library alone."""

from tenor.config.mapping import changed, from_mapping, keys_of, to_mapping
from tenor.config.section import Section
from tenor.config.settings import (
    DEFAULT_KINDS,
    SPLIT_KEYS,
    AlertsConfig,
    Config,
    FeatureConfig,
    FoldConfig,
    HttpConfig,
    ModelConfig,
    PaperConfig,
    RlConfig,
    SentimentConfig,
    SourcesConfig,
    SplitConfig,
    TrainConfig,
)

__all__ = [
    "DEFAULT_KINDS",
    "SPLIT_KEYS",
    "AlertsConfig",
    "Config",
    "FeatureConfig",
    "FoldConfig",
    "HttpConfig",
    "ModelConfig",
    "PaperConfig",
    "RlConfig",
    "Section",
    "SentimentConfig",
    "SourcesConfig",
    "SplitConfig",
    "TrainConfig",
    "changed",
    "from_mapping",
    "keys_of",
    "to_mapping",
]
