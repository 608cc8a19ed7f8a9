/* Arm MPS2 and MPS3 FPGA boards: CMSDK UART 0 and the FPGAIO counters (application notes AN385, AN505, AN547). */
#include "port.h"

#define REG(BASE, OFFSET) (*(volatile uint32_t *)((BASE) + (OFFSET)))
#define UART_DATA REG(PORT_UART_BASE, 0x00u)
#define UART_STATE REG(PORT_UART_BASE, 0x04u)
#define UART_CTRL REG(PORT_UART_BASE, 0x08u)
#define UART_BAUDDIV REG(PORT_UART_BASE, 0x10u)
#define CLK100HZ REG(PORT_FPGAIO_BASE, 0x14u)
#define COUNTER REG(PORT_FPGAIO_BASE, 0x18u)
#define PRESCALE REG(PORT_FPGAIO_BASE, 0x1Cu)

void port_init(void)
{
    UART_BAUDDIV = (PORT_CLOCK_HZ + 57600u) / 115200u;
    UART_CTRL = 3u; /* transmit, receive */
    (void)UART_DATA; /* drops a stale byte; and QEMU looks for input again only after a read */
    PRESCALE = PORT_COUNTER_HZ / 1000000u - 1u;
    CLK100HZ = 0;
    COUNTER = 0;
}

void port_putc(char byte)
{
    while ((UART_STATE & 1u) != 0u) {
    }
    UART_DATA = (uint8_t)byte;
}

int port_getc(void)
{
    while ((UART_STATE & 2u) == 0u) {
    }
    return (int)(UART_DATA & 0xFFu);
}

/* COUNTER runs at 1 MHz and wraps after 71 minutes; the 100 Hz counter (497 days) says how often it has: the number of
 * wraps that brings the fine time nearest to the coarse one. */
uint64_t port_micros(void)
{
    uint64_t coarse = (uint64_t)CLK100HZ * 10000u;
    uint32_t fine = COUNTER;
    int32_t difference = (int32_t)(fine - (uint32_t)coarse);
    return difference < 0 && coarse < (uint64_t)(-(int64_t)difference) ? fine : coarse + (uint64_t)(int64_t)difference;
}
