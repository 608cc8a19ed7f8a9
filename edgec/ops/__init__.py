"""Operators, one page each; `registry` finds them."""
