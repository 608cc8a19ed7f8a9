/* RP2040 and RP2350: UART0 (an Arm PL011) on GP0 and GP1, 115200 8N1.  Sources: RP2040 and RP2350 datasheets, chapters UART, GPIO. */
#include "rp2.h"

#define UART(OFFSET) REG(UART0 + (OFFSET))

void uart_start(uint32_t hz)
{
    const uint32_t divider = (hz * 4u + 57600u) / 115200u; /* hz / (16 * baud) in 64ths */
    (void)reset_end(RESET_UART0);
    for (uint32_t pin = 0; pin < 2u; pin++) {
        REG(PADS + 4u + 4u * pin) = 1u << 6 | pin << 3 | 1u << 4 | 1u << 1; /* input on, pull-up of the receiver, 4 mA, not isolated */
        REG(PINS + 4u + 8u * pin) = 2u;                                     /* function: UART */
    }
    UART(0x24) = divider >> 6;
    UART(0x28) = divider & 63u;
    UART(0x2C) = 3u << 5 | 1u << 4;         /* LCR_H: 8 bits, FIFOs */
    UART(0x30) = 1u | 1u << 8 | 1u << 9;    /* CR: on, transmitter, receiver */
}

void uart_send(uint8_t byte)
{
    while ((UART(0x18) & 1u << 5) != 0u) {
    }
    UART(0x00) = byte;
}

int uart_take(void) { return (UART(0x18) & 1u << 4) == 0u ? (int)(UART(0x00) & 0xFFu) : -1; }
