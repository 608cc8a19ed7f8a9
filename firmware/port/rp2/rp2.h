/* Raspberry Pi RP2040 and RP2350: what their parts share.  The peripherals are the same, their addresses and reset bits are not.
 * Sources: RP2040 and RP2350 datasheets, chapters Address Map, Resets, Clocks. */
#ifndef EDGEC_RP2_H
#define EDGEC_RP2_H

#include "parts.h"

#if PORT_RP2350
enum { RESETS = 0x40020000, CLOCKS = 0x40010000, XOSC = 0x40048000, PLL_SYS = 0x40050000 };
enum { UART0 = 0x40070000, TIMER = 0x400B0000, PINS = 0x40028000, PADS = 0x40038000 };
enum { RESET_IO = 6, RESET_PADS = 9, RESET_PLL_SYS = 14, RESET_TIMER = 23, RESET_UART0 = 26 };
#else
enum { RESETS = 0x4000C000, CLOCKS = 0x40008000, XOSC = 0x40024000, PLL_SYS = 0x40028000 };
enum { UART0 = 0x40034000, TIMER = 0x40054000, PINS = 0x40014000, PADS = 0x4001C000 };
enum { RESET_IO = 5, RESET_PADS = 8, RESET_PLL_SYS = 12, RESET_TIMER = 21, RESET_UART0 = 22 };
#endif
#define CRYSTAL_HZ 12000000u

/* Takes one peripheral out of reset. */
static inline int reset_end(uint32_t bit)
{
    REG(RESETS) &= ~(1u << bit);
    return reg_reaches(&REG(RESETS + 8), 1u << bit, 1u << bit);
}

#endif
