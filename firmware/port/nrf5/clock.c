/* Nordic nRF52: the processor always runs at 64 MHz; the crystal instead of the RC oscillator makes timer and line exact, the
 * cache hides the flash's wait states.  Source: nRF52840 Product Specification 1.7, chapters CLOCK and NVMC. */
#include "parts.h"

#define CLOCK(OFFSET) REG(0x40000000u + (OFFSET))

uint32_t clock_start(void)
{
    CLOCK(0x100u) = 0;                          /* EVENTS_HFCLKSTARTED */
    CLOCK(0x000u) = 1u;                         /* TASKS_HFCLKSTART */
    (void)reg_reaches(&CLOCK(0x100u), 1u, 1u);  /* without a crystal it goes on from RC, less exact */
    REG(0x4001E540u) = 1u;                      /* NVMC ICACHECNF: cache on */
    return PORT_CLOCK_HZ;
}
