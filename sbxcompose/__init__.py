"""Declarative orchestration of sandboxes: what Docker Compose is to containers."""

__version__ = "0.1.0"
