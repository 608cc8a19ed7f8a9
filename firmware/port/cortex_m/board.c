/* A microcontroller as the harness sees it: clock, line and timer put together, and the core's own cycle counter. */
#include <stdbool.h>

#include "parts.h"
#include "port.h"

static uint32_t clock_hz;
static uint64_t elapsed;
static bool counts_cycles;

/* Oscillators and PLLs need a few milliseconds; this is longer at every speed a processor wakes up with (4 to 64 MHz). */
#define PATIENCE 100000

int reg_reaches(const volatile uint32_t *reg, uint32_t mask, uint32_t value)
{
    for (int32_t i = 0; i < PATIENCE; i++) {
        if ((*reg & mask) == value) {
            return 1;
        }
    }
    return 0;
}

#if defined(__ARM_ARCH_6M__)
static bool cycles_start(void) { return false; } /* Armv6-M has no DWT counter */
static uint32_t cycles(void) { return 0; }
#else
/* Armv7-M Architecture Reference Manual, Data Watchpoint and Trace unit: DEMCR.TRCENA, DWT_LAR (Cortex-M7), DWT_CYCCNT,
 * DWT_CTRL.  An emulator without the counter reads zeros. */
static uint32_t cycles(void) { return REG(0xE0001004u); }

static bool cycles_start(void)
{
    REG(0xE000EDFCu) |= 1u << 24;
    REG(0xE0001FB0u) = 0xC5ACCE55u;
    REG(0xE0001004u) = 0;
    REG(0xE0001000u) |= 1u;
    __asm__ volatile("dsb\n\tnop\n\tnop\n\tnop" ::: "memory");
    return cycles() != 0u;
}
#endif

void port_init(void)
{
    clock_hz = clock_start();
    uart_start(clock_hz);
    timer_start(clock_hz);
    counts_cycles = cycles_start();
}

void port_putc(char byte) { uart_send((uint8_t)byte); }

/* Asks the clock while it waits, so that no wrap of the timer goes unseen. */
int port_getc(void)
{
    int byte = uart_take();
    while (byte < 0) {
        (void)port_micros();
        byte = uart_take();
    }
    return byte;
}

uint64_t port_micros(void)
{
    elapsed += (uint32_t)(timer_micros() - (uint32_t)elapsed);
    return elapsed;
}

uint32_t port_cycles(void) { return counts_cycles ? cycles() : timer_micros() * (clock_hz / 1000000u); }

bool port_cycles_exact(void) { return counts_cycles; }

uint32_t port_clock_hz(void) { return clock_hz; }
