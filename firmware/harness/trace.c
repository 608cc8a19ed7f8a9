#include "trace.h"

#include "infer.h"
#include "protocol.h"
#include "text.h"
#include "ticks.h"

#if EDGEC_TRACE

static enum { TRACE_OFF, TRACE_TIME, TRACE_DUMP } mode;
static uint32_t wanted;
static uint32_t crc;
static ticks_mark last;

void edgec_trace(int step, int row, const void *bytes, size_t count)
{
    if (mode == TRACE_TIME) {
        ticks_mark now = ticks_now();
        edgec_step_ticks[step] += ticks_between(&last, &now);
        last = ticks_now();
    } else if (mode == TRACE_DUMP && (wanted == TRACE_ALL || wanted == (uint32_t)step)) {
        const uint8_t *from = bytes;
        crc = infer_crc32_more(crc, from, count);
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
    uint32_t steps = infer_model()->steps;
    uint64_t total = 0;
    infer_once(); /* the first inference of all looks at the stack too */
    for (uint32_t i = 0; i < steps; i++) {
        edgec_step_ticks[i] = 0;
    }
    for (uint32_t n = 0; n < runs; n++) {
        infer_fill();
        mode = TRACE_TIME;
        ticks_mark begin = ticks_now();
        last = begin;
        infer_run();
        ticks_mark end = ticks_now();
        mode = TRACE_OFF;
        total += ticks_between(&begin, &end);
        infer_keep();
        protocol_keep_alive();
    }
    text("m-layers-unit-[");
    text(ticks_unit());
    text_line("]");
    for (uint32_t i = 0; i < steps; i++) {
        text("m-layer-");
        text_unsigned(i);
        text("-");
        text_unsigned(edgec_step_ticks[i] / runs);
        text("\r\n");
    }
    text_number_line("m-layers-total-", total / runs, "");
}

void trace_dump(uint32_t step)
{
    wanted = step;
    crc = CRC32_START;
    mode = TRACE_DUMP;
    infer_once();
    mode = TRACE_OFF;
    text("m-dumped-[");
    text_hex(~crc, 8);
    text_line("]");
}

#else

void trace_layers(uint32_t runs) { (void)runs; }
void trace_dump(uint32_t step) { (void)step; }

#endif
