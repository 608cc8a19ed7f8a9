#include "extras.h"

#include <string.h>

#include "infer.h"
#include "port.h"
#include "protocol.h"
#include "text.h"
#include "trace.h"
#include "words.h"

static void extra_info(void)
{
    const edgec_model *model = infer_model();
    text("m-edgec-model-[");
    text(model->name);
    text_line("]");
    text("m-edgec-build-[");
    text(model->build_hash);
    text_line("]");
    text_number_line("m-edgec-arena-", model->arena_bytes, "");
    text_number_line("m-edgec-clock-", port_clock_hz(), "");
    text_number_line("m-edgec-steps-", model->steps, "");
    text_number_line("m-edgec-models-", edgec_model_count, "");
    text_number_line("m-edgec-wire-", model->wire_bytes, "");
    text_line(EDGEC_TRACE ? "m-edgec-trace-1" : "m-edgec-trace-0");
}

static void extra_model(const char *name)
{
    for (uint32_t i = 0; name != NULL && i < edgec_model_count; i++) {
        if (strcmp(edgec_models[i].name, name) == 0) {
            infer_select(i);
            protocol_forget_input();
            text("m-edgec-model-[");
            text(edgec_models[i].name);
            text_line("]");
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

void extras_command(char *rest)
{
    const char *word = words_next(&rest);
    if (word == NULL) {
        text_line("e-[edgec takes: info, model NAME, layers N, crc, out, stack, dump STEP|all]");
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
    } else if (strcmp(word, "layers") == 0 || strcmp(word, "dump") == 0) {
        bool layers = word[0] == 'l';
        char *argument = words_next(&rest);
        uint32_t number = layers ? 1u : TRACE_ALL;
        uint32_t most = layers ? 10000u : infer_model()->steps - 1u;
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
    } else {
        text_quoting("e-[Unknown command: edgec ", word);
    }
}
