/* Boards and emulators whose clock runs as it is at reset. */
#include "parts.h"

uint32_t clock_start(void) { return PORT_CLOCK_HZ; }
