/*
 * Map of this file: answers - arguments - input buffer (db) - inference (infer, results) - extras (edgec ...) - dispatch.
 *
 * Commands end with '%', at most 80 characters, arguments separated by one space.  Every answer ends with m-ready.
 */
#include "protocol.h"

#include <string.h>

#include "infer.h"
#include "port.h"
#include "text.h"
#include "trace.h"

#define COMMAND_MAX 80u

static char command[COMMAND_MAX + 1u];
static uint32_t command_length;
static bool command_too_long;

static uint32_t load_expected; /* 0: no load asked for */
static uint32_t load_have;

/* ---- answers ---- */

static void lap(uint64_t micros)
{
    text("m-lap-us-");
    text_unsigned(micros);
    text("\r\n");
}

static void number_line(const char *prefix, uint64_t value, const char *suffix)
{
    text(prefix);
    text_unsigned(value);
    text_line(suffix);
}

/* Echoes what the host sent with anything unprintable made harmless. */
static void error_quoting(const char *before, const char *quoted)
{
    text(before);
    for (; *quoted != '\0'; quoted++) {
        port_putc(*quoted >= ' ' && *quoted <= '~' ? *quoted : '?');
    }
    text_line("]");
}

/* ---- arguments ---- */

/* The next word of *rest, cut off in place; NULL when there is none. */
static char *next_word(char **rest)
{
    char *word = *rest;
    while (*word == ' ') {
        word++;
    }
    if (*word == '\0') {
        return NULL;
    }
    char *end = word;
    while (*end != '\0' && *end != ' ') {
        end++;
    }
    if (*end != '\0') {
        *end++ = '\0';
    }
    *rest = end;
    return word;
}

/* A decimal number up to `most`; false for anything else. */
static bool parse_number(const char *word, uint32_t most, uint32_t *value)
{
    uint64_t sum = 0;
    if (word == NULL || *word == '\0') {
        return false;
    }
    for (; *word != '\0'; word++) {
        if (*word < '0' || *word > '9' || sum > most) {
            return false;
        }
        sum = sum * 10u + (uint32_t)(*word - '0');
    }
    *value = (uint32_t)sum;
    return sum <= most;
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    if (c >= 'a' && c <= 'f') {
        return c - 'a' + 10;
    }
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* ---- the input buffer ---- */

static void load_begin(const char *word)
{
    uint32_t bytes = 0;
    uint32_t most = infer_model()->wire_bytes;
    if (!parse_number(word, most, &bytes) || bytes == 0u) {
        number_line("e-[db load takes 1 to ", most, " bytes]");
        return;
    }
    load_expected = bytes;
    load_have = 0;
    infer_use_wire(false);
    memset(edgec_wire, 0, most);
    number_line("m-[Expecting ", bytes, " bytes]");
}

static void load_print(void)
{
    for (uint32_t i = 0; i < load_have; i++) {
        text(i % 8u == 0u ? "m-buffer-" : "-");
        text_hex(edgec_wire[i], 2);
        if (i % 8u == 7u || i + 1u == load_have) {
            text("\r\n");
        }
    }
}

/* All of the command's bytes are stored, or none. */
static void load_hex(const char *hex)
{
    uint32_t digits = (uint32_t)strlen(hex);
    if (load_expected == 0u) {
        text_line("e-[db: no db load before it]");
        return;
    }
    if (digits % 2u != 0u || digits / 2u > load_expected - load_have) {
        text_line(digits % 2u != 0u ? "e-[db: odd number of digits]" : "e-[db: more bytes than announced]");
        return;
    }
    for (uint32_t i = 0; i < digits; i++) {
        if (hex_digit(hex[i]) < 0) {
            text_line("e-[db: not hexadecimal]");
            return;
        }
    }
    for (uint32_t i = 0; i < digits; i += 2u) {
        edgec_wire[load_have++] = (uint8_t)(hex_digit(hex[i]) * 16 + hex_digit(hex[i + 1u]));
    }
    if (digits != 0u && load_have == load_expected) {
        infer_use_wire(true);
        text_line("m-load-done");
    }
}

static void command_db(char *rest)
{
    char *word = next_word(&rest);
    if (word == NULL) {
        text_line("e-[db takes: load N, print, or hexadecimal bytes]");
    } else if (strcmp(word, "load") == 0) {
        load_begin(next_word(&rest));
    } else if (strcmp(word, "print") == 0) {
        load_print();
    } else {
        load_hex(word);
    }
}

/* ---- inference ---- */

static void results(void)
{
    const edgec_model *model = infer_model();
    const uint8_t *bytes = edgec_result;
    if (!infer_has_result()) {
        text_line("e-[No result: infer first]");
        return;
    }
    text("m-results-[");
    if (model->wire == EDGEC_WIRE_FLOAT_ERROR) {
        text_milli(infer_error_milli());
    } else {
        for (uint32_t n = 0; n < model->output_count; n++) {
            for (uint32_t i = 0; i < model->outputs[n].elements; i++) {
                text(n + i == 0u ? "" : ",");
                text_milli(text_element_milli(&model->outputs[n], bytes, i));
            }
            bytes += model->outputs[n].bytes;
        }
    }
    text_line("]");
}

static bool ready_to_infer(void)
{
    if (load_expected != 0u && load_have < load_expected) {
        text_line("e-[Input incomplete: finish db]");
        return false;
    }
    return true;
}

static void guards(void)
{
    if (!infer_guards_intact()) {
        text_line("e-[Arena guard words overwritten]");
    }
}

static void command_infer(char *rest)
{
    uint32_t runs = 1;
    uint32_t warmups = 10;
    char *word = next_word(&rest);
    if (word != NULL && (!parse_number(word, 1000000u, &runs) || runs == 0u)) {
        text_line("e-[infer takes: N 1 to 1000000, W 0 to 1000000]");
        return;
    }
    word = next_word(&rest);
    if (word != NULL && !parse_number(word, 1000000u, &warmups)) {
        text_line("e-[infer takes: N 1 to 1000000, W 0 to 1000000]");
        return;
    }
    if (!ready_to_infer()) {
        return;
    }
    number_line("m-warmup-start-", warmups, "");
    for (uint32_t i = 0; i < warmups; i++) {
        infer_once();
    }
    text_line("m-warmup-done");
    number_line("m-infer-start-", runs, "");
    lap(port_micros());
    for (uint32_t i = 0; i < runs; i++) {
        infer_once();
    }
    lap(port_micros());
    text_line("m-infer-done");
    guards();
    results();
}

/* ---- extras ---- */

static void extra_info(void)
{
    const edgec_model *model = infer_model();
    text("m-edgec-model-[");
    text(model->name);
    text_line("]");
    text("m-edgec-build-[");
    text(model->build_hash);
    text_line("]");
    number_line("m-edgec-arena-", model->arena_bytes, "");
    number_line("m-edgec-clock-", EDGEC_CLOCK_HZ, "");
    number_line("m-edgec-steps-", model->steps, "");
    number_line("m-edgec-models-", edgec_model_count, "");
    number_line("m-edgec-wire-", model->wire_bytes, "");
    text_line(EDGEC_TRACE ? "m-edgec-trace-1" : "m-edgec-trace-0");
}

static void extra_model(const char *name)
{
    for (uint32_t i = 0; name != NULL && i < edgec_model_count; i++) {
        if (strcmp(edgec_models[i].name, name) == 0) {
            infer_select(i);
            load_expected = 0;
            load_have = 0;
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
        if (!ready_to_infer()) {
            return;
        }
        infer_once();
    }
    if (infer_stack() < 0) {
        text_line("e-[Stack not measurable here]");
    } else {
        number_line("m-stack-", (uint64_t)infer_stack(), "");
    }
}

static void command_edgec(char *rest)
{
    const char *word = next_word(&rest);
    if (word == NULL) {
        text_line("e-[edgec takes: info, model NAME, layers N, crc, out, stack, dump STEP|all]");
    } else if (strcmp(word, "info") == 0) {
        extra_info();
    } else if (strcmp(word, "model") == 0) {
        extra_model(next_word(&rest));
    } else if (strcmp(word, "crc") == 0) {
        extra_crc();
    } else if (strcmp(word, "out") == 0) {
        extra_output();
    } else if (strcmp(word, "stack") == 0) {
        extra_stack();
    } else if (strcmp(word, "layers") == 0 || strcmp(word, "dump") == 0) {
        bool layers = word[0] == 'l';
        char *argument = next_word(&rest);
        uint32_t number = layers ? 1u : TRACE_ALL;
        uint32_t most = layers ? 10000u : infer_model()->steps - 1u;
        bool all = !layers && argument != NULL && strcmp(argument, "all") == 0;
        bool valid = all || (layers && argument == NULL) || parse_number(argument, most, &number);
        if (!EDGEC_TRACE) {
            text_line("e-[Needs a trace build]");
        } else if (!valid || (layers && number == 0u)) {
            text_line("e-[Bad number]");
        } else if (ready_to_infer()) {
            if (layers) {
                trace_layers(number);
            } else {
                trace_dump(number);
            }
        }
    } else {
        error_quoting("e-[Unknown command: edgec ", word);
    }
}

/* ---- dispatch ---- */

static void dispatch(char *line)
{
    char *rest = line;
    bool has_name = *line != ' ';
    char *end = strchr(line, ' ');
    size_t length = end != NULL ? (size_t)(end - line) : strlen(line);
#define IS(NAME) (has_name && length == sizeof(NAME) - 1u && strncmp(line, NAME, sizeof(NAME) - 1u) == 0)
    rest += length;
    if (IS("name")) {
        text_line("m-name-dut-[edgec]");
    } else if (IS("profile")) {
        text_line("m-profile-[ULPMark for tinyML Firmware V0.0.1]");
        text("m-model-[");
        text(infer_model()->profile);
        text_line("]");
    } else if (IS("timestamp")) {
        lap(port_micros());
    } else if (IS("help")) {
        text_line("edgec firmware. Commands, each ending with a percent sign: name, profile, timestamp, help,");
        text_line("db load N, db HEX, db print, infer N W, results, edgec info|model|layers|crc|out|stack|dump");
    } else if (IS("db")) {
        command_db(rest);
    } else if (IS("infer")) {
        command_infer(rest);
    } else if (IS("results")) {
        results();
    } else if (IS("edgec")) {
        command_edgec(rest);
    } else {
        error_quoting("e-[Unknown command: ", line);
    }
#undef IS
}

void protocol_boot(void)
{
    infer_select(0);
    text_line("m-timestamp-mode-performance");
    lap(port_micros());
    text_line("m-init-done");
    text_line("m-ready");
}

void protocol_feed(char byte)
{
    if (byte == '\r' || byte == '\n') {
        return;
    }
    if (byte != '%') {
        if (command_length < COMMAND_MAX) {
            command[command_length++] = byte == '\0' ? '?' : byte;
        } else {
            command_too_long = true;
        }
        return;
    }
    command[command_length] = '\0';
    command_length = 0;
    if (command_too_long) {
        command_too_long = false;
        text_line("e-[Command longer than 80 characters]");
    } else {
        dispatch(command);
    }
    text_line("m-ready");
}
