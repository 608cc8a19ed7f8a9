#include "trace.h"

#include "infer.h"
#include "port.h"
#include "text.h"

#if EDGEC_TRACE

#define STEPS_MAX 512

static enum { TRACE_OFF, TRACE_TIME, TRACE_DUMP } mode;
static uint32_t wanted;
static uint64_t last;
static uint32_t micros[STEPS_MAX];

void edgec_trace(int step, int row, const void *bytes, size_t count)
{
    if (mode == TRACE_TIME && step >= 0 && step < STEPS_MAX) {
        uint64_t now = port_micros();
        micros[step] += (uint32_t)(now - last);
        last = now;
    } else if (mode == TRACE_DUMP && (wanted == TRACE_ALL || wanted == (uint32_t)step)) {
        const uint8_t *from = bytes;
        for (size_t at = 0; at < count; at += 64u) {
            text("m-dump-");
            text_unsigned((uint64_t)step);
            text("-");
            text_unsigned((uint64_t)row);
            text("-");
            text_unsigned(at);
            text("-");
            for (size_t i = at; i < at + 64u && i < count; i++) {
                text_hex(from[i], 2);
            }
            text("\r\n");
        }
    }
}

void trace_layers(uint32_t runs)
{
    uint32_t steps = infer_model()->steps < STEPS_MAX ? infer_model()->steps : STEPS_MAX;
    for (uint32_t i = 0; i < steps; i++) {
        micros[i] = 0;
    }
    mode = TRACE_TIME;
    for (uint32_t n = 0; n < runs; n++) {
        last = port_micros();
        infer_once();
    }
    mode = TRACE_OFF;
    for (uint32_t i = 0; i < steps; i++) {
        text("m-layer-");
        text_unsigned(i);
        text("-");
        text_unsigned(micros[i] / runs);
        text("\r\n");
    }
}

void trace_dump(uint32_t step)
{
    wanted = step;
    mode = TRACE_DUMP;
    infer_once();
    mode = TRACE_OFF;
}

#else

void trace_layers(uint32_t runs) { (void)runs; }
void trace_dump(uint32_t step) { (void)step; }

#endif
