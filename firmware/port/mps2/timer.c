/* Arm MPS2 and MPS3 FPGA boards: the prescaled counter of FPGAIO (application notes AN385, AN505, AN547). */
#include "parts.h"

#define COUNTER REG(PORT_FPGAIO_BASE + 0x18u)
#define PRESCALE REG(PORT_FPGAIO_BASE + 0x1Cu)

void timer_start(uint32_t hz)
{
    (void)hz; /* the counter has a clock of its own */
    PRESCALE = PORT_COUNTER_HZ / 1000000u - 1u;
    COUNTER = 0;
}

uint32_t timer_micros(void) { return COUNTER; }
