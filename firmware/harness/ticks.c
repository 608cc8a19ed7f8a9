#include "ticks.h"

#include "port.h"

const char *ticks_counter(void) { return port_cycles_exact() ? "dwt" : "timer"; }

const char *ticks_unit(void) { return port_cycles_exact() ? "cycles" : "us"; }

ticks_mark ticks_now(void)
{
    ticks_mark now = {.micros = port_micros(), .cycles = port_cycles()};
    return now;
}

uint64_t ticks_between(const ticks_mark *begin, const ticks_mark *end)
{
    uint64_t micros = end->micros - begin->micros;
    if (!port_cycles_exact()) {
        return micros;
    }
    uint32_t fine = end->cycles - begin->cycles;
    uint64_t coarse = micros * (port_clock_hz() / 1000u) / 1000u + (UINT64_C(1) << 31);
    return fine + (coarse > fine ? (coarse - fine) >> 32 << 32 : 0u);
}
