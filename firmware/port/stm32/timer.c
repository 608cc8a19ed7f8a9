/* STM32: TIM2, the 32-bit timer that F4, L4, F7 and H7 have in the same place, counting microseconds.
 * Source: TIM2/TIM5 registers of RM0090, RM0432, RM0385, RM0433. */
#include "parts.h"

#define TIM2(OFFSET) REG(0x40000000u + (OFFSET))

void timer_start(uint32_t hz)
{
    REG(PORT_TIMER_ENABLE) |= 1u; /* bit 0 of APB1ENR in all of them */
    (void)REG(PORT_TIMER_ENABLE);
    TIM2(0x28u) = hz / PORT_TIMER_DIVIDER / 1000000u - 1u; /* PSC */
    TIM2(0x2Cu) = 0xFFFFFFFFu;                             /* ARR */
    TIM2(0x14u) = 1u;                                      /* EGR: takes both over, counts from 0 */
    TIM2(0x00u) = 1u;                                      /* CR1: runs */
}

uint32_t timer_micros(void) { return TIM2(0x24u); }
