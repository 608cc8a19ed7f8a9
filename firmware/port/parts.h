/* The parts of a microcontroller's port.  A board's TOML names one file for each under `port`, and their parameters under
 * [defines]; cortex_m/board.c puts them together.  docs/adding-a-board.md walks through one. */
#ifndef EDGEC_PARTS_H
#define EDGEC_PARTS_H

#include <stdint.h>

#define REG(ADDRESS) (*(volatile uint32_t *)(uintptr_t)(ADDRESS))

/* clock: processor, buses and flash at full speed; returns the processor's Hz.  Every wait ends: where a crystal or a PLL does
 * not start, the board goes on with the clock it woke up with. */
uint32_t clock_start(void);

/* uart: 115200 8N1.  `hz`: what clock_start returned.  Waits while the transmitter is busy; takes what has come, or -1. */
void uart_start(uint32_t hz);
void uart_send(uint8_t byte);
int uart_take(void);

/* timer: counts microseconds, wraps at 32 bits. */
void timer_start(uint32_t hz);
uint32_t timer_micros(void);

/* Waits until (*reg & mask) == value, for some 10 to 100 ms; 0 when it never was. */
int reg_reaches(const volatile uint32_t *reg, uint32_t mask, uint32_t value);

/* Cortex-M7: instruction and data cache on (cortex_m/caches.c). */
void caches_start(void);

#endif
