"""Talking to a device over a serial line: protocol (pure bytes), link (pyserial), bench, and sample arrays."""
