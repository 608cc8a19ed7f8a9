"""C names made from untrusted model names."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable

KEYWORDS = frozenset(
    "auto break case char const continue default do double else enum extern float for goto if inline int long register restrict return "
    "short signed sizeof static struct switch typedef union unsigned void volatile while main class new delete this template public "
    "private protected namespace using try catch throw operator bool true false asm typeof memcpy memset init run input output".split()
)


def c_name(text: str, fallback: str = "model") -> str:
    """A valid, lower-case C identifier of at most 40 characters that is no keyword.  `1422` becomes `t1422`, an empty name the fallback."""
    name = re.sub(r"_+", "_", re.sub(r"[^0-9A-Za-z]", "_", text)).strip("_").lower()[:40].rstrip("_")
    if not name:
        return fallback
    if name[0].isdigit():
        name = "t" + name
    return name + "_" if name in KEYWORDS else name


def js_key(text: str, fallback: str = "t") -> str:
    """A name for a property in JavaScript, of at most 40 letters, digits and `_`, none of them at its ends.  `__proto__` becomes `proto`."""
    name = re.sub(r"_+", "_", re.sub(r"[^0-9A-Za-z]", "_", text)).strip("_")[:40].rstrip("_")
    return f"t{name}" if name[:1].isdigit() else name or fallback


def unique_names(texts: Iterable[str], fallback: str = "t", spell: Callable[[str, str], str] = c_name) -> list[str]:
    """`spell` for each, made distinct by a number behind where they collide."""
    taken: set[str] = set()
    out = []
    for text in texts:
        name = base = spell(text, fallback)
        count = 2
        while name in taken:
            name = f"{base}_{count}"
            count += 1
        taken.add(name)
        out.append(name)
    return out


def comment(text: str) -> str:
    """Text that is safe inside a C block comment: printable ASCII, no comment end, no line break."""
    printable = "".join(ch if " " <= ch <= "~" else "?" for ch in text)
    printable = re.sub(r"\?(?=\?)", "? ", printable.replace("\\", "|"))  # no trigraphs
    return re.sub(r"/(?=\*)|\*(?=/)", r"\g<0> ", printable)[:160]
