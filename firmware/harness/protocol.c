/*
 * Map of this file: input buffer (db) - inference (infer, results) - dispatch.  extras.c has the `edgec ...` commands.
 *
 * Commands end with '%', at most 80 characters, arguments separated by one space.  Every answer ends with m-ready.
 */
#include "protocol.h"

#include <string.h>

#include "extras.h"
#include "infer.h"
#include "port.h"
#include "text.h"
#include "weights.h"
#include "words.h"

#define COMMAND_MAX 80u
#define SILENCE_MAX_US 2000000u
#ifndef EDGEC_RUNS_MAX /* a fuzzer has no patience */
#define EDGEC_RUNS_MAX 1000000u
#endif

static char command[COMMAND_MAX + 1u];
static uint32_t command_length;
static bool command_too_long;

static uint32_t load_expected; /* 0: no load asked for */
static uint32_t load_have;

static uint64_t spoke; /* when the last line was sent, in microseconds */

static void lap(uint64_t micros)
{
    text("m-lap-us-");
    text_unsigned(micros);
    text("\r\n");
}

/* ---- the input buffer ---- */

static void load_begin(const char *word)
{
    uint32_t bytes = 0;
    uint32_t most = infer_model()->wire_bytes;
    if (!words_number(word, most, &bytes) || bytes == 0u) {
        text_number_line("e-[db load takes 1 to ", most, " bytes]");
        return;
    }
    load_expected = bytes;
    load_have = 0;
    infer_use_wire(false);
    memset(edgec_wire, 0, most);
    text_number_line("m-[Expecting ", bytes, " bytes]");
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
        if (words_hex_digit(hex[i]) < 0) {
            text_line("e-[db: not hexadecimal]");
            return;
        }
    }
    for (uint32_t i = 0; i < digits; i += 2u) {
        edgec_wire[load_have++] = (uint8_t)(words_hex_digit(hex[i]) * 16 + words_hex_digit(hex[i + 1u]));
    }
    if (digits != 0u && load_have == load_expected) {
        infer_use_wire(true);
        text_line("m-load-done");
    }
}

static void command_db(char *rest)
{
    char *word = words_next(&rest);
    if (word == NULL) {
        text_line("e-[db takes: load N, print, or hexadecimal bytes]");
    } else if (strcmp(word, "load") == 0) {
        load_begin(words_next(&rest));
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

void protocol_forget_input(void)
{
    load_expected = 0;
    load_have = 0;
}

void protocol_keep_alive(void)
{
    if (port_micros() - spoke >= SILENCE_MAX_US) {
        text_line("");
        spoke = port_micros();
    }
}

bool protocol_ready_to_infer(void)
{
    if (load_expected != 0u && load_have < load_expected) {
        text_line("e-[Input incomplete: finish db]");
        return false;
    }
    if (weights_fault() != NULL) {
        text_line(weights_fault());
        return false;
    }
    return true;
}

static void guards(void)
{
    if (!infer_guards_intact()) {
        text_line("e-[Arena guard words overwritten, or stack overflow]");
    }
}

static void infer_many(uint32_t times)
{
    for (uint32_t i = 0; i < times; i++) {
        infer_once();
        protocol_keep_alive();
    }
}

static void command_infer(char *rest)
{
    uint32_t runs = 1;
    uint32_t warmups = 10;
    char *first = words_next(&rest);
    char *second = words_next(&rest);
    bool valid = first == NULL || (words_number(first, EDGEC_RUNS_MAX, &runs) && runs != 0u);
    if (!valid || (second != NULL && !words_number(second, EDGEC_RUNS_MAX, &warmups))) {
        text_number_line("e-[infer takes: N from 1, W from 0, at most ", EDGEC_RUNS_MAX, "]");
        return;
    }
    if (!protocol_ready_to_infer()) {
        return;
    }
    text_number_line("m-warmup-start-", warmups, "");
    infer_many(warmups);
    text_line("m-warmup-done");
    text_number_line("m-infer-start-", runs, "");
    spoke = port_micros();
    lap(spoke);
    infer_many(runs);
    lap(port_micros());
    text_line("m-infer-done");
    guards();
    results();
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
        text_line("db load N, db HEX, db print, infer N W, results,");
        text_line("edgec info|model|cycles|layers|input|crc|out|stack|dump");
    } else if (IS("db")) {
        command_db(rest);
    } else if (IS("infer")) {
        command_infer(rest);
    } else if (IS("results")) {
        results();
    } else if (IS("edgec")) {
        extras_command(rest);
    } else {
        text_quoting("e-[Unknown command: ", line);
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
    spoke = port_micros();
    if (command_too_long) {
        command_too_long = false;
        text_line("e-[Command longer than 80 characters]");
    } else {
        dispatch(command);
    }
    text_line("m-ready");
}
