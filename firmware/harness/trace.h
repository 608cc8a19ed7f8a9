/* Looking at single layers: only in a trace build, where the library calls <name>_trace after every group of rows. */
#ifndef EDGEC_TRACE_H
#define EDGEC_TRACE_H

#include <stddef.h>
#include <stdint.h>

#ifndef EDGEC_TRACE
#define EDGEC_TRACE 0
#endif

#define TRACE_ALL 0xFFFFFFFFu

/* Mean ticks per step over `runs` inferences: m-layers-unit-[cycles] or [us], lines m-layer-STEP-TICKS, and m-layers-total-TICKS
 * of the whole run.  The time of a step is that since the last step that reported, without what the report itself takes. */
void trace_layers(uint32_t runs);

/* One inference that sends the bytes of one step's output (or of all): lines m-dump-STEP-ROW-OFFSET-HEX, then
 * m-dumped-[CRC-32 of all those bytes, in that order]. */
void trace_dump(uint32_t step);

/* Where <name>_trace of every model ends up. */
void edgec_trace(int step, int row, const void *bytes, size_t count);

#endif
