/* Runs the selected model: fills its inputs, measures stack and time, keeps the outputs. */
#ifndef EDGEC_INFER_H
#define EDGEC_INFER_H

#include "model.h"

/* Selects model `index`, initialises it, forgets the loaded input. */
void infer_select(uint32_t index);
const edgec_model *infer_model(void);

/* Tells whether `edgec_wire` holds an input; without one the pattern (37*i + 11) mod 256 is used. */
void infer_use_wire(bool loaded);

/* One inference: the inputs in their place, the model's run, the outputs kept.  The first run after infer_select stands
 * between the two markers and measures the stack. */
void infer_fill(void);
void infer_run(void);
void infer_keep(void);
void infer_once(void); /* all three */

/* Bytes of stack the first inference used; -1 before it, or where the port cannot tell. */
int32_t infer_stack(void);

/* False when the words around the arena were overwritten or the stack was used to its end. */
bool infer_guards_intact(void);
bool infer_has_result(void);
uint32_t infer_crc32(void);

/* CRC-32 (IEEE 802.3, reflected, as zlib's) of what `crc` stands for, followed by more bytes; it starts and ends inverted. */
#define CRC32_START 0xFFFFFFFFu
uint32_t infer_crc32_more(uint32_t crc, const uint8_t *bytes, size_t count);

/* Mean squared error of the last output against the input, in thousandths (EDGEC_WIRE_FLOAT_ERROR only). */
int64_t infer_error_milli(void);

/* Empty functions around the counted inference: an emulator watches their addresses. */
void edgec_mark_start(void);
void edgec_mark_stop(void);

#endif
