/* What a board supplies to the harness.  One folder a board family under firmware/port/. */
#ifndef EDGEC_PORT_H
#define EDGEC_PORT_H

#include <stdint.h>

/* Prepares the serial line (115200 8N1) and the microsecond clock. */
void port_init(void);

/* Sends one byte; waits while the transmitter is busy. */
void port_putc(char byte);

/* The next received byte (0..255), waiting for it; -1 when the line is closed for good (only on a host). */
int port_getc(void);

/* Microseconds since port_init; 64 bits, so it does not wrap after 71 minutes. */
uint64_t port_micros(void);

/* Lowest address the stack may reach, or NULL where the stack cannot be painted (a host). */
uint32_t *port_stack_limit(void);

#endif
