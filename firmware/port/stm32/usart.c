/* STM32: one USART or LPUART, 115200 8N1, polled.  The STM32F4's registers lie otherwise than those of the L4, F7 and H7.
 * Source: USART (LPUART) and GPIO registers of RM0090 (F405), RM0432 (L4R5), RM0385 (F746), RM0433 (H743).
 * PORT_UART_UNIT: 115200, for an LPUART 115200/256 (its divider has eight bits more). */
#include "parts.h"

#define UART(OFFSET) REG(PORT_UART_BASE + (OFFSET))

#if PORT_UART_VERSION == 1
enum { STATUS = 0x00, RECEIVED = 0x04, SEND = 0x04, BAUD = 0x08, CONTROL1 = 0x0C, CONTROL3 = 0x14 };
enum { ENABLE = 1 << 13, NO_OVERRUN = 0 }; /* an overrun ends with the next byte that is read */
#else
enum { CONTROL1 = 0x00, CONTROL3 = 0x08, BAUD = 0x0C, STATUS = 0x1C, RECEIVED = 0x24, SEND = 0x28 };
enum { ENABLE = 1 << 0, NO_OVERRUN = 1 << 12 };
#endif
enum { RECEIVER = 1 << 2, TRANSMITTER = 1 << 3, HAS_RECEIVED = 1 << 5, CAN_SEND = 1 << 7 };

/* `pin`: 16 * port + number (0x67 is PG7).  Alternate function, fast, no pull except up for the receiver. */
static void pin_start(uint32_t pin, uint32_t pull)
{
    const uintptr_t port = PORT_GPIO_BASE + 0x400u * (pin >> 4);
    const uint32_t two = 2u * (pin & 15u);
    const uint32_t four = 4u * (pin & 7u);
    const uintptr_t function = port + 0x20u + 4u * ((pin & 15u) >> 3); /* AFRL, AFRH */
    REG(PORT_GPIO_ENABLE) |= 1u << (pin >> 4);
    (void)REG(PORT_GPIO_ENABLE); /* two cycles until the clock is there */
    REG(function) = (REG(function) & ~(15u << four)) | (PORT_UART_FUNCTION << four);
    REG(port + 0x08u) |= 2u << two;                                     /* OSPEEDR */
    REG(port + 0x0Cu) = (REG(port + 0x0Cu) & ~(3u << two)) | pull << two; /* PUPDR */
    REG(port) = (REG(port) & ~(3u << two)) | 2u << two;                 /* MODER */
}

void uart_start(uint32_t hz)
{
    pin_start(PORT_TX_PIN, 0);
    pin_start(PORT_RX_PIN, 1);
    REG(PORT_UART_ENABLE) |= 1u << PORT_UART_ENABLE_BIT;
    (void)REG(PORT_UART_ENABLE);
    UART(CONTROL1) = 0;
    UART(BAUD) = (hz / PORT_UART_DIVIDER + PORT_UART_UNIT / 2u) / PORT_UART_UNIT;
    UART(CONTROL3) = NO_OVERRUN;
    UART(CONTROL1) = (uint32_t)ENABLE | RECEIVER | TRANSMITTER;
}

void uart_send(uint8_t byte)
{
    while ((UART(STATUS) & CAN_SEND) == 0u) {
    }
    UART(SEND) = byte;
}

int uart_take(void) { return (UART(STATUS) & HAS_RECEIVED) != 0u ? (int)(UART(RECEIVED) & 0xFFu) : -1; }
