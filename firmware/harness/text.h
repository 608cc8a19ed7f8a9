/* Sending text and numbers without stdio. */
#ifndef EDGEC_TEXT_H
#define EDGEC_TEXT_H

#include <stdint.h>

#include "model.h"

void text(const char *string);
void text_line(const char *string); /* with \r\n */
void text_unsigned(uint64_t value);
void text_number_line(const char *prefix, uint64_t value, const char *suffix);

/* `before`, then what the host sent with anything unprintable made harmless, then ] and \r\n. */
void text_quoting(const char *before, const char *quoted);
void text_hex(uint32_t value, int digits);
void text_milli(int64_t thousandths); /* 1234 -> 1.234 */

/* Element `index` of a tensor's bytes as a real number, in thousandths, rounded to nearest. */
int64_t text_element_milli(const edgec_tensor *tensor, const uint8_t *bytes, uint32_t index);

#endif
