"""Where in a YAML file a setting stands, so that a mistake can be pointed at."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from morocco.errors import MoroccoError

KeyPath = tuple[Any, ...]


@dataclass(frozen=True)
class Places:
    """Line numbers by key path, as ``("models", 0, "name")``."""

    file: str
    lines: dict[KeyPath, int]

    def of(self, path: KeyPath) -> str:
        """``config.yaml:12 models[0].name``; the nearest parent's line where a key is missing."""
        known = path
        while known and known not in self.lines:
            known = known[:-1]
        line = f":{self.lines[known]}" if known in self.lines else ""
        return f"{self.file}{line} {_dotted(path)}".rstrip()


def _dotted(path: KeyPath) -> str:
    text = ""
    for part in path:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else str(part)
    return text


def read_yaml(path: Path) -> tuple[Any, Places]:
    """Parse ``path``; duplicate keys and syntax errors are MoroccoErrors with their line."""
    try:
        text = path.read_text()
    except (OSError, UnicodeDecodeError) as error:
        raise MoroccoError(f"cannot be read: {error}", place=str(path)) from error
    try:
        node = yaml.compose(text, Loader=yaml.SafeLoader)
        data = yaml.safe_load(text)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f"{path}:{mark.line + 1}" if mark else str(path)
        problem = getattr(error, "problem", None) or str(error)
        raise MoroccoError(f"not valid YAML: {problem}", place=where) from error
    lines: dict[KeyPath, int] = {}
    if node is not None:
        _walk(node, (), lines, str(path))
    return data, Places(str(path), lines)


def _walk(node: yaml.Node, path: KeyPath, lines: dict[KeyPath, int], file: str) -> None:
    lines.setdefault(path, node.start_mark.line + 1)
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            inner = (*path, key.value)
            if inner in lines and key.value != "<<":
                raise MoroccoError(
                    f"key {key.value!r} stands twice (first in line {lines[inner]})",
                    place=f"{file}:{key.start_mark.line + 1}",
                )
            lines[inner] = key.start_mark.line + 1
            _walk(value, inner, lines, file)
    elif isinstance(node, yaml.SequenceNode):
        for number, value in enumerate(node.value):
            _walk(value, (*path, number), lines, file)
