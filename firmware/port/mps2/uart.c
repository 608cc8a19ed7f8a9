/* Arm MPS2 and MPS3 FPGA boards: CMSDK UART 0 (Cortex-M System Design Kit TRM, APB UART). */
#include "parts.h"

#define UART_DATA REG(PORT_UART_BASE + 0x00u)
#define UART_STATE REG(PORT_UART_BASE + 0x04u)
#define UART_CTRL REG(PORT_UART_BASE + 0x08u)
#define UART_BAUDDIV REG(PORT_UART_BASE + 0x10u)

void uart_start(uint32_t hz)
{
    UART_BAUDDIV = (hz + 57600u) / 115200u;
    UART_CTRL = 3u;  /* transmit, receive */
    (void)UART_DATA; /* drops a stale byte; and QEMU looks for input again only after a read */
}

void uart_send(uint8_t byte)
{
    while ((UART_STATE & 1u) != 0u) {
    }
    UART_DATA = byte;
}

int uart_take(void) { return (UART_STATE & 2u) != 0u ? (int)(UART_DATA & 0xFFu) : -1; }
