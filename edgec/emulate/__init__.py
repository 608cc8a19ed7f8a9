"""Boards in QEMU: the same firmware over the same protocol, and exact instruction counts."""
