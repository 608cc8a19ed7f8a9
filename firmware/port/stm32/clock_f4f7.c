/* STM32F4 and F7: from the external clock (the debugger's 8 MHz or a crystal), else the internal 16 MHz, through the PLL.
 * Sources: RM0090 (F405) and RM0385 (F746): read access latency of the flash, "entering over-drive mode" in PWR, RCC registers. */
#include "parts.h"

#define RCC(OFFSET) REG(0x40023800u + (OFFSET))
#define POWER(OFFSET) REG(0x40007000u + (OFFSET))
#define FLASH_ACR REG(0x40023C00u)

enum { HSE_ON = 1 << 16, HSE_READY = 1 << 17, HSE_BYPASS = 1 << 18, PLL_ON = 1 << 24, PLL_READY = 1 << 25 };
#define HSI_HZ 16000000u

/* The F7 above 180 MHz needs it.  True where it is not needed. */
static int overdrive(void)
{
#if PORT_OVERDRIVE
    POWER(0x00u) |= 1u << 16; /* ODEN */
    if (!reg_reaches(&POWER(0x04u), 1u << 16, 1u << 16)) {
        return 0;
    }
    POWER(0x00u) |= 1u << 17; /* ODSWEN */
    return reg_reaches(&POWER(0x04u), 1u << 17, 1u << 17);
#else
    return 1;
#endif
}

uint32_t clock_start(void)
{
#if PORT_CACHES
    caches_start();
#endif
    RCC(0x40u) |= 1u << 28; /* APB1ENR: power controller; voltage scale 1 is the reset value */
    RCC(0x00u) |= PORT_HSE_BYPASS ? HSE_BYPASS : 0u;
    RCC(0x00u) |= HSE_ON;
    const int external = reg_reaches(&RCC(0x00u), HSE_READY, HSE_READY);
    const uint32_t divider = (external ? PORT_HSE_HZ : HSI_HZ) / 1000000u; /* 1 MHz into the PLL */
    /* PLLCFGR: twice the clock from the VCO, half of it to the processor (P = 2, written 0), 48 MHz from Q where it divides. */
    RCC(0x04u) = (RCC(0x04u) & 0xF0000000u) | divider | PORT_CLOCK_HZ / 500000u << 6 | (external ? 1u << 22 : 0u) |
                 PORT_CLOCK_HZ / 24000000u << 24;
    RCC(0x00u) |= PLL_ON;
    RCC(0x08u) = 5u << 10 | 4u << 13; /* CFGR: APB1 at a quarter, APB2 at half of the processor's clock, in any case */
    if (!overdrive() || !reg_reaches(&RCC(0x00u), PLL_READY, PLL_READY)) {
        return HSI_HZ;
    }
    FLASH_ACR = PORT_FLASH_ACR;
    if (!reg_reaches(&FLASH_ACR, 15u, PORT_FLASH_ACR & 15u)) {
        return HSI_HZ;
    }
    RCC(0x08u) |= 2u; /* SW: PLL */
    return reg_reaches(&RCC(0x08u), 3u << 2, 2u << 2) ? PORT_CLOCK_HZ : HSI_HZ;
}
