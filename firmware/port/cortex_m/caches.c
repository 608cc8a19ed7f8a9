/* Cortex-M7: both caches emptied and turned on (Armv7-M Architecture Reference Manual and Cortex-M7 Devices Generic User
 * Guide: cache maintenance operations).  Their sizes are read from the core, so one file serves all. */
#include "parts.h"

#define CCR REG(0xE000ED14u)
#define CCSIDR REG(0xE000ED80u)
#define CSSELR REG(0xE000ED84u)
#define ICIALLU REG(0xE000EF50u)
#define DCISW REG(0xE000EF60u)

static void barrier(void) { __asm__ volatile("dsb\n\tisb" ::: "memory"); }

void caches_start(void)
{
    ICIALLU = 0;
    CSSELR = 0; /* the data cache, level 1 */
    barrier();
    const uint32_t sets = CCSIDR >> 13 & 0x7FFFu;
    const uint32_t ways = CCSIDR >> 3 & 0x3FFu;
    for (uint32_t set = 0; set <= sets; set++) {
        for (uint32_t way = 0; way <= ways; way++) {
            DCISW = set << 5 | way << 30; /* 32-byte lines, four ways or two */
        }
    }
    barrier();
    CCR |= 3u << 16; /* DC, IC */
    barrier();
}
