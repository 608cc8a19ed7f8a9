/* RP2040 at 125 MHz, RP2350 at 150 MHz: from the board's 12 MHz crystal through the system PLL, else the ring oscillator that
 * the boot ROM started.  Sources: RP2040 and RP2350 datasheets, chapters Clocks, XOSC, PLL. */
#include "rp2.h"

#define RING_HZ 6500000u /* nominal; it varies by a factor of two, and with it the line's speed */
#define PLL(OFFSET) REG(PLL_SYS + (OFFSET))

/* Twelve megahertz times 125, then by two dividers: the VCO runs at 1500 MHz. */
static int pll_start(void)
{
    const uint32_t divider = CRYSTAL_HZ / 1000000u * 125u / (PORT_CLOCK_HZ / 1000000u); /* 12 or 10 */
    PLL(0x00) = 1u;                              /* CS: reference as it is */
    PLL(0x08) = 125u;                            /* FBDIV_INT */
    PLL(0x04) &= ~(1u << 0 | 1u << 5);           /* PWR: on, VCO on */
    if (!reg_reaches(&PLL(0x00), 1u << 31, 1u << 31)) {
        return 0;
    }
    PLL(0x0C) = divider / 2u << 16 | 2u << 12;   /* PRIM */
    PLL(0x04) &= ~(1u << 3);                     /* PWR: dividers on */
    return 1;
}

uint32_t clock_start(void)
{
    (void)reset_end(RESET_IO);
    (void)reset_end(RESET_PADS);
    REG(CLOCKS + 0x48) = 1u << 11; /* CLK_PERI: enabled, the system's clock */
    REG(XOSC + 0x00) = 0xAA0u;
    REG(XOSC + 0x0C) = 47u;        /* STARTUP: 1 ms in units of 256 cycles */
    REG(XOSC + 0x00) = 0xFAB000u | 0xAA0u;
    if (!reg_reaches(&REG(XOSC + 0x04), 1u << 31, 1u << 31)) {
        return RING_HZ;
    }
    REG(CLOCKS + 0x30) = 2u;       /* CLK_REF: crystal */
    REG(CLOCKS + 0x3C) = 0u;       /* CLK_SYS: CLK_REF while the PLL starts */
    if (!reg_reaches(&REG(CLOCKS + 0x44), 1u, 1u) || !reset_end(RESET_PLL_SYS) || !pll_start()) {
        return CRYSTAL_HZ;
    }
    REG(CLOCKS + 0x3C) = 1u;       /* CLK_SYS: its auxiliary source, which is PLL_SYS at reset */
    return reg_reaches(&REG(CLOCKS + 0x44), 2u, 2u) ? PORT_CLOCK_HZ : CRYSTAL_HZ;
}
