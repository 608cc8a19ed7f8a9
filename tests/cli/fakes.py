"""Stand-ins for the layers below the command line, put where it imports them from."""

from __future__ import annotations

import sys
from importlib import import_module
from types import ModuleType
from typing import Any

import pytest


def install(monkeypatch: pytest.MonkeyPatch, name: str, **members: Any) -> None:
    """Module `name` with these members in place of its own, for one test."""
    module = ModuleType(name)
    vars(module).update(vars(import_module(name)))
    for member, value in members.items():
        setattr(module, member, value)
    monkeypatch.setitem(sys.modules, name, module)


def raising(error: BaseException) -> Any:
    """A function that raises `error` whatever it is given."""

    def raise_it(*_: Any, **__: Any) -> Any:
        raise error

    return raise_it
