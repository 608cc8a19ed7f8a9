/* STM32L4+ at 120 MHz from the internal 16 MHz (the Nucleo has no fast crystal fitted).
 * Source: RM0432: read access latency of the flash; range 1 boost mode and the VDDIO2 supply in PWR; RCC registers. */
#include "parts.h"

#define RCC(OFFSET) REG(0x40021000u + (OFFSET))
#define POWER(OFFSET) REG(0x40007000u + (OFFSET))
#define FLASH_ACR REG(0x40022000u)

enum { HSI_ON = 1 << 8, HSI_READY = 1 << 10, PLL_ON = 1 << 24, PLL_READY = 1 << 25 };
#define MSI_HZ 4000000u
#define LATENCY 5u

uint32_t clock_start(void)
{
    RCC(0x58u) |= 1u << 28; /* APB1ENR1: power controller */
    (void)RCC(0x58u);
    POWER(0x04u) |= 1u << 9; /* CR2.IOSV: pins PG2 to PG15 have a supply of their own, which counts as absent until then */
    RCC(0x00u) |= HSI_ON;
    if (!reg_reaches(&RCC(0x00u), HSI_READY, HSI_READY)) {
        return MSI_HZ;
    }
    POWER(0x80u) &= ~(1u << 8); /* CR5.R1MODE: boost */
    /* PLLCFGR: HSI / 4 * 60 / 2 = 120 MHz from R, which is enabled. */
    RCC(0x0Cu) = 2u | (4u - 1u) << 4 | 60u << 8 | 1u << 24;
    RCC(0x00u) |= PLL_ON;
    FLASH_ACR = LATENCY | 7u << 8; /* prefetch, instruction and data cache */
    if (!reg_reaches(&RCC(0x00u), PLL_READY, PLL_READY) || !reg_reaches(&FLASH_ACR, 15u, LATENCY)) {
        return MSI_HZ;
    }
    /* Above 80 MHz the step is made in two, the first at half speed for at least a microsecond. */
    RCC(0x08u) = 8u << 4 | 3u;
    if (!reg_reaches(&RCC(0x08u), 3u << 2, 3u << 2)) {
        return MSI_HZ / 2u;
    }
    for (volatile uint32_t i = 0; i < 60u; i++) {
    }
    RCC(0x08u) &= ~(15u << 4);
    return PORT_CLOCK_HZ;
}
