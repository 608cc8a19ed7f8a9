/* The commands beyond the official protocol, all under the name `edgec`: info, model, cycles, layers, input, crc, out, stack, dump. */
#ifndef EDGEC_EXTRAS_H
#define EDGEC_EXTRAS_H

/* `rest`: what follows the word edgec; cut into words in place. */
void extras_command(char *rest);

#endif
