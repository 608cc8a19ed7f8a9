/* RP2040: the second stage.  The boot ROM copies the flash's first 256 bytes into RAM, checks their CRC-32 (the last word, filled
 * in after linking) and runs them: they make the flash readable in place with the read command every chip knows, 03h, and start
 * the program behind them.  Runs from wherever it was copied to: nothing is called, nothing but registers is written.
 * Source: RP2040 datasheet, chapters Boot Sequence, Flash Second Stage, SSI. */
#include "parts.h"

#define SSI(OFFSET) REG(0x18000000u + (OFFSET))

extern const uint32_t vectors[16];

__attribute__((section(".boot_checksum"), used)) const uint32_t boot2_checksum = 0;

__attribute__((section(".boot"), used, noreturn)) void boot2(void);

void boot2(void)
{
    SSI(0x08u) = 0;                            /* SSIENR: off while it is set up */
    SSI(0x14u) = 4u;                           /* BAUDR: a quarter of the processor's clock, at most 33 MHz */
    SSI(0x00u) = 3u << 8 | 31u << 16;          /* CTRLR0: command and address out, then 32 bits in; one data line */
    SSI(0x04u) = 0;                            /* CTRLR1: one word a read */
    SSI(0xF4u) = 3u << 24 | 2u << 8 | 6u << 2; /* SPI_CTRLR0: command 03h, 8 bits of it, 24 of the address */
    SSI(0x08u) = 1u;
    REG(0xE000ED08u) = (uint32_t)(uintptr_t)vectors; /* VTOR */
    __asm__ volatile("msr msp, %0\n\tbx %1" : : "r"(vectors[0]), "r"(vectors[1]));
    __builtin_unreachable();
}
