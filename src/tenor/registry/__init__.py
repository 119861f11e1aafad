"""Trained models by version, and the pointers to those in use, in a folder or an S3 bucket. Needs no torch."""

from tenor.registry.manifest import ONNX
from tenor.registry.registry import POINTERS, Pointers, Registry, Version, policies_of, registry_of

__all__ = ["ONNX", "POINTERS", "Pointers", "Registry", "Version", "policies_of", "registry_of"]
