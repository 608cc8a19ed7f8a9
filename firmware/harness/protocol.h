/* The MLPerf Tiny / EEMBC serial protocol, and edgec's extras.  Bytes in, text out; see docs of the commands in protocol.c. */
#ifndef EDGEC_PROTOCOL_H
#define EDGEC_PROTOCOL_H

#include <stdbool.h>

/* Selects the first model and sends the boot lines. */
void protocol_boot(void);

/* Takes one received byte; answers when it completes a command. */
void protocol_feed(char byte);

/* Whether no load is under way; says so on the line otherwise. */
bool protocol_ready_to_infer(void);

/* To be called between inferences: an empty line every two seconds.  The official runner gives up after five seconds without
 * a line, and does not look at empty ones. */
void protocol_keep_alive(void);

/* Drops what was loaded (another model was selected). */
void protocol_forget_input(void);

#endif
