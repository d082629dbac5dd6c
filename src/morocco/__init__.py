"""MOROCCO: what a language model costs to run."""

__version__ = "2.0.0"
