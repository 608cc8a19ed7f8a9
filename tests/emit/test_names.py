"""Names and comments made from whatever a model contains are always safe C."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgec.emit.names import KEYWORDS, c_name, comment, unique_names

IDENTIFIER = re.compile(r"[a-z][a-z0-9_]*")


@given(st.text(max_size=80))
def test_any_text_becomes_an_identifier(text: str) -> None:
    name = c_name(text)
    assert IDENTIFIER.fullmatch(name)
    assert name not in KEYWORDS
    assert len(name) <= 42


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("1422", "t1422"),
        ("", "model"),
        ("***", "model"),
        ("MobileNet-v2 (1.0)", "mobilenet_v2_1_0"),
        ("int", "int_"),
        ("input", "input_"),
        ('a"; #include <x> /*', "a_include_x"),
        ("serving_default_x:0", "serving_default_x_0"),
        ("größe", "gr_e"),
    ],
)
def test_examples(text: str, name: str) -> None:
    assert c_name(text) == name


@given(st.lists(st.sampled_from(["a", "A", "a ", "a_2", "", "1", "int", "a/2"]), max_size=8))
def test_unique(texts: list[str]) -> None:
    names = unique_names(texts)
    assert len(set(names)) == len(texts)
    assert all(IDENTIFIER.fullmatch(name) for name in names)


@given(st.text(max_size=300))
def test_comments_cannot_end_or_continue(text: str) -> None:
    safe = comment(text)
    assert "*/" not in safe
    assert "/*" not in safe
    assert "\\" not in safe
    assert "??" not in safe
    assert safe.isascii()
    assert safe.isprintable() or safe == ""
