/* What a board supplies to the harness.  On a microcontroller firmware/port/cortex_m/board.c does, from the parts of parts.h. */
#ifndef EDGEC_PORT_H
#define EDGEC_PORT_H

#include <stdbool.h>
#include <stdint.h>

/* Brings the processor to its speed, prepares the serial line (115200 8N1), the microsecond clock and the cycle counter. */
void port_init(void);

/* Sends one byte; waits while the transmitter is busy. */
void port_putc(char byte);

/* The next received byte (0..255), waiting for it; -1 when the line is closed for good (only on a host). */
int port_getc(void);

/* Microseconds since port_init; 64 bits, so it does not wrap after 71 minutes. */
uint64_t port_micros(void);

/* Processor cycles, for differences below 2^32: counted where the core has a counter (DWT), otherwise microseconds times
 * MHz.  On a host: nanoseconds. */
uint32_t port_cycles(void);

/* Whether port_cycles really counts cycles; if not it is no finer than port_micros. */
bool port_cycles_exact(void);

/* What the processor runs at, as the clock set-up left it (a board whose crystal is dead is slower); ticks of port_cycles. */
uint32_t port_clock_hz(void);

/* Lowest address the stack may reach, or NULL where the stack cannot be painted (a host). */
uint32_t *port_stack_limit(void);

#endif
