/* STM32H743 at 480 MHz (revisions X and V; 400 MHz on the older Z and Y) from the debugger's 8 MHz, else from the internal 64 MHz.
 * Source: RM0433: read latency of the flash; system supply and voltage scaling in PWR; RCC registers; DBGMCU_IDC. */
#include "parts.h"

#define RCC(OFFSET) REG(0x58024400u + (OFFSET))
#define POWER(OFFSET) REG(0x58024800u + (OFFSET))
#define FLASH_ACR REG(0x52002000u)

enum { HSE_ON = 1 << 16, HSE_READY = 1 << 17, HSE_BYPASS = 1 << 18, PLL_ON = 1 << 24, PLL_READY = 1 << 25 };
enum { VOS_READY = 1 << 13, LDO_ON = 1 << 1, SUPPLY_UPDATE = 1 << 2 };
#define HSI_HZ 64000000u
#define REVISION_X 0x2001u

/* The core's supply for `hz`: voltage scale 1, boosted to scale 0 above 400 MHz. */
static int supply(uint32_t hz)
{
    POWER(0x0Cu) = (POWER(0x0Cu) & ~(uint32_t)SUPPLY_UPDATE) | LDO_ON; /* CR3, once: the choice is locked by it */
    if (!reg_reaches(&POWER(0x04u), VOS_READY, VOS_READY)) {
        return 0;
    }
    POWER(0x18u) = 3u << 14; /* D3CR.VOS: scale 1 */
    if (!reg_reaches(&POWER(0x18u), VOS_READY, VOS_READY)) {
        return 0;
    }
    if (hz > 400000000u) {
        RCC(0xF4u) |= 1u << 1; /* APB4ENR: SYSCFG */
        (void)RCC(0xF4u);
        REG(0x5800042Cu) |= 1u; /* SYSCFG_PWRCR.ODEN */
    }
    return reg_reaches(&POWER(0x18u), VOS_READY, VOS_READY);
}

uint32_t clock_start(void)
{
    caches_start();
    const uint32_t hz = REG(0x5C001000u) >> 16 >= REVISION_X ? PORT_CLOCK_HZ : 400000000u;
    /* Buses at half of the processor's clock, peripherals at a quarter, whatever happens below. */
    RCC(0x18u) = 8u | 4u << 4;
    RCC(0x1Cu) = 4u << 4 | 4u << 8;
    RCC(0x20u) = 4u << 4;
    if (!supply(hz)) {
        return HSI_HZ;
    }
    RCC(0x00u) |= HSE_BYPASS;
    RCC(0x00u) |= HSE_ON;
    const int external = reg_reaches(&RCC(0x00u), HSE_READY, HSE_READY);
    /* PLL1: 4 MHz in, twice the processor's clock from the VCO, P = 2. */
    RCC(0x28u) = external ? 2u | (PORT_HSE_HZ / 4000000u) << 4 : (HSI_HZ / 4000000u) << 4;
    RCC(0x2Cu) = 2u << 2 | 1u << 16; /* input of 4 to 8 MHz, wide VCO, P enabled */
    RCC(0x30u) = (hz / 2000000u - 1u) | 1u << 9 | 1u << 16 | 1u << 24;
    RCC(0x00u) |= PLL_ON;
    FLASH_ACR = 4u | 2u << 4; /* 4 wait states, right up to 240 MHz of bus clock */
    if (!reg_reaches(&RCC(0x00u), PLL_READY, PLL_READY) || !reg_reaches(&FLASH_ACR, 15u, 4u)) {
        return HSI_HZ;
    }
    RCC(0x10u) = 3u; /* SW: PLL1 */
    return reg_reaches(&RCC(0x10u), 7u << 3, 3u << 3) ? hz : HSI_HZ;
}
