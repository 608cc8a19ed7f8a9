/* RP2040 and RP2350: the microsecond timer, ticked from the reference clock (the 12 MHz crystal).
 * Sources: RP2040 datasheet, chapters Timer and Watchdog (tick); RP2350 datasheet, chapters System Timers and Tick Generators. */
#include "rp2.h"

void timer_start(uint32_t hz)
{
    const uint32_t cycles = (hz < CRYSTAL_HZ ? hz : CRYSTAL_HZ) / 1000000u;
    (void)reset_end(RESET_TIMER);
#if PORT_RP2350
    REG(0x40108000u + 0x1Cu) = cycles; /* TICKS: TIMER0_CYCLES, TIMER0_CTRL */
    REG(0x40108000u + 0x18u) = 1u;
#else
    REG(0x40058000u + 0x2Cu) = cycles | 1u << 9; /* WATCHDOG: TICK */
#endif
}

uint32_t timer_micros(void) { return REG(TIMER + 0x28); } /* TIMERAWL */
