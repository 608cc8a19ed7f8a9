/* Nordic nRF51 and nRF52: the UART both have, without DMA.
 * Sources: nRF51 Series Reference Manual 3.0 and nRF52840 Product Specification 1.7, chapter UART. */
#include "parts.h"

#define UART(OFFSET) REG(PORT_UART_BASE + (OFFSET))

void uart_start(uint32_t hz)
{
    (void)hz;                   /* runs from the 16 MHz peripheral clock, whatever the processor does */
    UART(0x50Cu) = PORT_TX_PIN; /* PSEL.TXD: 32 * port + pin */
    UART(0x514u) = PORT_RX_PIN; /* PSEL.RXD */
    UART(0x524u) = 0x01D7E000u; /* BAUDRATE: 115200 */
    UART(0x500u) = 4u;          /* ENABLE */
    UART(0x008u) = 1u;          /* TASKS_STARTTX */
    UART(0x000u) = 1u;          /* TASKS_STARTRX */
}

void uart_send(uint8_t byte)
{
    UART(0x11Cu) = 0u; /* EVENTS_TXDRDY */
    UART(0x51Cu) = byte;
    while (UART(0x11Cu) == 0u) {
    }
}

int uart_take(void)
{
    if (UART(0x108u) == 0u) { /* EVENTS_RXDRDY */
        return -1;
    }
    UART(0x108u) = 0u;
    return (int)(UART(0x518u) & 0xFFu);
}
