"""Firmware onto a board, with whatever tool and probe there is."""

from edgec.flash.run import flash
from edgec.flash.tools import TOOLS

__all__ = ["TOOLS", "flash"]
