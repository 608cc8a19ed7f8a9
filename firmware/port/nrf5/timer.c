/* Nordic nRF51 and nRF52: TIMER0, 32 bits at 1 MHz.
 * Sources: nRF51 Series Reference Manual 3.0 and nRF52840 Product Specification 1.7, chapter TIMER. */
#include "parts.h"

#define TIMER(OFFSET) REG(0x40008000u + (OFFSET))

void timer_start(uint32_t hz)
{
    (void)hz;             /* counts the 16 MHz peripheral clock */
    TIMER(0x508u) = 3u;   /* BITMODE: 32 bits */
    TIMER(0x510u) = 4u;   /* PRESCALER: 16 MHz / 2^4 */
    TIMER(0x00Cu) = 1u;   /* TASKS_CLEAR */
    TIMER(0x000u) = 1u;   /* TASKS_START */
}

uint32_t timer_micros(void)
{
    TIMER(0x040u) = 1u; /* TASKS_CAPTURE[0] */
    return TIMER(0x540u);
}
