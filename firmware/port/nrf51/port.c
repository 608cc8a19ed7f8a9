/* Nordic nRF51 (BBC micro:bit v1): UART0 on the USB bridge's pins, TIMER0 at 1 MHz (nRF51 Series Reference Manual 3.0). */
#include "port.h"

#define REG(BASE, OFFSET) (*(volatile uint32_t *)((BASE) + (OFFSET)))
#define UART(OFFSET) REG(PORT_UART_BASE, OFFSET)
#define TIMER(OFFSET) REG(PORT_TIMER_BASE, OFFSET)

static uint64_t wraps;
static uint32_t latest;

void port_init(void)
{
    UART(0x50Cu) = 24u;         /* PSELTXD */
    UART(0x514u) = 25u;         /* PSELRXD */
    UART(0x524u) = 0x01D7E000u; /* 115200 baud */
    UART(0x500u) = 4u;          /* ENABLE */
    UART(0x008u) = 1u;          /* STARTTX */
    UART(0x000u) = 1u;          /* STARTRX */
    TIMER(0x508u) = 3u;         /* BITMODE: 32 bits */
    TIMER(0x510u) = 4u;         /* PRESCALER: 16 MHz / 2^4 */
    TIMER(0x00Cu) = 1u;         /* CLEAR */
    TIMER(0x000u) = 1u;         /* START */
}

void port_putc(char byte)
{
    UART(0x11Cu) = 0u; /* TXDRDY */
    UART(0x51Cu) = (uint8_t)byte;
    while (UART(0x11Cu) == 0u) {
    }
}

int port_getc(void)
{
    while (UART(0x108u) == 0u) { /* RXDRDY */
    }
    UART(0x108u) = 0u;
    return (int)(UART(0x518u) & 0xFFu);
}

/* Extends the 32-bit timer; correct as long as it is asked at least once in 71 minutes. */
uint64_t port_micros(void)
{
    TIMER(0x040u) = 1u; /* CAPTURE[0] */
    uint32_t now = TIMER(0x540u);
    if (now < latest) {
        wraps++;
    }
    latest = now;
    return (wraps << 32) + now;
}
