/* The serial harness: waits for commands for ever (on a host, until the line closes). */
#include "port.h"
#include "protocol.h"
#include "text.h"
#include "weights.h"

int main(void)
{
    port_init();
    if (weights_fault() != NULL) {
        text_line(weights_fault());
    }
    protocol_boot();
    for (int byte = port_getc(); byte >= 0; byte = port_getc()) {
        protocol_feed((char)byte);
    }
    return 0;
}
