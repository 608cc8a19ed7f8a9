/* Taking commands apart. */
#ifndef EDGEC_WORDS_H
#define EDGEC_WORDS_H

#include <stdbool.h>
#include <stdint.h>

/* The next word of *rest, cut off in place; NULL when there is none. */
char *words_next(char **rest);

/* A decimal number up to `most`; false for anything else, NULL and overflow included. */
bool words_number(const char *word, uint32_t most, uint32_t *value);

/* 0 to 15, or -1. */
int words_hex_digit(char c);

#endif
