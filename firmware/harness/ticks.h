/* Spans of time, as finely as the board can tell: in processor cycles, else in microseconds. */
#ifndef EDGEC_TICKS_H
#define EDGEC_TICKS_H

#include <stdint.h>

typedef struct {
    uint64_t micros;
    uint32_t cycles;
} ticks_mark;

/* What counts: "dwt" (cycles) or "timer" (microseconds), as `edgec info` says it. */
const char *ticks_counter(void);

/* "cycles" or "us". */
const char *ticks_unit(void);

ticks_mark ticks_now(void);

/* Ticks between two marks, hours apart if need be: microseconds tell how often the cycle counter has wrapped. */
uint64_t ticks_between(const ticks_mark *begin, const ticks_mark *end);

#endif
