"""A ceiling on memory while somebody else's C++ looks at an untrusted model."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

CEILING = 2 << 30  # bytes beyond what the process has mapped already


@contextmanager
def bounded_memory(extra: int = CEILING) -> Iterator[None]:
    """Allocations of more than `extra` bytes fail (MemoryError, std::bad_alloc) instead of filling the machine.  POSIX only."""
    try:
        import resource
    except ImportError:  # no such limit on this system
        yield
        return
    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    wanted = _mapped() + extra
    if soft != resource.RLIM_INFINITY:
        wanted = min(wanted, soft)
    resource.setrlimit(resource.RLIMIT_AS, (wanted, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, (soft, hard))


def _mapped() -> int:
    """Bytes of address space in use; 0 where the system does not say."""
    try:
        with open("/proc/self/statm", encoding="ascii") as file:
            import resource

            return int(file.read().split()[0]) * resource.getpagesize()
    except OSError:
        return 4 << 30
