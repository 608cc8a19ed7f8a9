#include "extras.h"

#include <string.h>

#include "infer.h"
#include "port.h"
#include "protocol.h"
#include "text.h"
#include "ticks.h"
#include "trace.h"
#include "weights.h"
#include "words.h"

#ifdef EDGEC_RUNS_MAX
#define RUNS_MAX EDGEC_RUNS_MAX
#else
#define RUNS_MAX 10000u
#endif

static void bracketed(const char *before, const char *word)
{
    text(before);
    text(word);
    text_line("]");
}

static void extra_info(void)
{
    const edgec_model *model = infer_model();
    bracketed("m-edgec-model-[", model->name);
    bracketed("m-edgec-build-[", weights_fault() == NULL ? model->build_hash : "unknown");
    text("m-edgec-code-[");
    text_hex(edgec_code, 8);
    text_line("]");
    text_number_line("m-edgec-arena-", model->arena_bytes, "");
    text_number_line("m-edgec-clock-", port_clock_hz(), "");
    text_number_line("m-edgec-steps-", model->steps, "");
    text_number_line("m-edgec-models-", edgec_model_count, "");
    text_number_line("m-edgec-wire-", model->wire_bytes, "");
    bracketed("m-edgec-counter-[", ticks_counter());
    text_line(EDGEC_TRACE ? "m-edgec-trace-1" : "m-edgec-trace-0");
}

static void extra_model(const char *name)
{
    for (uint32_t i = 0; name != NULL && i < edgec_model_count; i++) {
        if (strcmp(edgec_models[i].name, name) == 0) {
            infer_select(i);
            protocol_forget_input();
            bracketed("m-edgec-model-[", edgec_models[i].name);
            return;
        }
    }
    text_line("e-[No such model]");
}

static void extra_output(void)
{
    if (!infer_has_result()) {
        text_line("e-[No result: infer first]");
        return;
    }
    for (uint32_t i = 0; i < infer_model()->output_bytes; i++) {
        text(i % 32u == 0u ? "m-output-" : "");
        text_hex(edgec_result[i], 2);
        text(i % 32u == 31u || i + 1u == infer_model()->output_bytes ? "\r\n" : "");
    }
}

static void extra_crc(void)
{
    if (!infer_has_result()) {
        text_line("e-[No result: infer first]");
        return;
    }
    text("m-crc-[");
    text_hex(infer_crc32(), 8);
    text_line("]");
}

static void extra_input(void)
{
    text("m-input-crc-[");
    text_hex(~infer_crc32_more(CRC32_START, edgec_wire, infer_model()->wire_bytes), 8);
    text_line("]");
}

static void extra_stack(void)
{
    if (infer_stack() < 0) {
        if (!protocol_ready_to_infer()) {
            return;
        }
        infer_once();
    }
    if (infer_stack() < 0) {
        text_line("e-[Stack not measurable here]");
    } else {
        text_number_line("m-stack-", (uint64_t)infer_stack(), "");
    }
}

/* The model's run alone, without the copying of inputs and outputs: least, mean and most ticks of `runs`. */
static void extra_cycles(uint32_t runs)
{
    uint64_t least = UINT64_MAX;
    uint64_t most = 0;
    uint64_t sum = 0;
    infer_once(); /* the first inference of all looks at the stack too */
    for (uint32_t i = 0; i < runs; i++) {
        infer_fill();
        ticks_mark begin = ticks_now();
        infer_run();
        ticks_mark end = ticks_now();
        uint64_t taken = ticks_between(&begin, &end);
        least = taken < least ? taken : least;
        most = taken > most ? taken : most;
        sum += taken;
        infer_keep();
        protocol_keep_alive();
    }
    bracketed("m-cycles-unit-[", ticks_unit());
    text_number_line("m-cycles-least-", least, "");
    text_number_line("m-cycles-mean-", sum / runs, "");
    text_number_line("m-cycles-most-", most, "");
}

/* `edgec dump STEP|all`, `edgec layers N`: only where the library calls back. */
static void extra_trace(bool layers, char *argument)
{
    uint32_t number = layers ? 1u : TRACE_ALL;
    uint32_t most = layers ? RUNS_MAX : infer_model()->steps - 1u;
    bool all = !layers && argument != NULL && strcmp(argument, "all") == 0;
    bool valid = all || (layers && argument == NULL) || words_number(argument, most, &number);
    if (!EDGEC_TRACE) {
        text_line("e-[Needs a trace build]");
    } else if (!valid || (layers && number == 0u)) {
        text_line("e-[Bad number]");
    } else if (protocol_ready_to_infer()) {
        if (layers) {
            trace_layers(number);
        } else {
            trace_dump(number);
        }
    }
}

void extras_command(char *rest)
{
    const char *word = words_next(&rest);
    if (word == NULL) {
        text_line("e-[edgec takes: info, model NAME, cycles N, layers N, input, crc, out, stack, dump STEP|all]");
    } else if (strcmp(word, "info") == 0) {
        extra_info();
    } else if (strcmp(word, "model") == 0) {
        extra_model(words_next(&rest));
    } else if (strcmp(word, "crc") == 0) {
        extra_crc();
    } else if (strcmp(word, "out") == 0) {
        extra_output();
    } else if (strcmp(word, "stack") == 0) {
        extra_stack();
    } else if (strcmp(word, "input") == 0) {
        extra_input();
    } else if (strcmp(word, "cycles") == 0) {
        char *argument = words_next(&rest);
        uint32_t runs = 1;
        if (argument != NULL && (!words_number(argument, RUNS_MAX, &runs) || runs == 0u)) {
            text_line("e-[Bad number]");
        } else if (protocol_ready_to_infer()) {
            extra_cycles(runs);
        }
    } else if (strcmp(word, "layers") == 0 || strcmp(word, "dump") == 0) {
        extra_trace(word[0] == 'l', words_next(&rest));
    } else {
        text_quoting("e-[Unknown command: edgec ", word);
    }
}
