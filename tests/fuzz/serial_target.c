/*
 * A libFuzzer target around the firmware's serial harness (build: tests/fuzz/serial.py, `make fuzz`): bytes in, as a line would bring
 * them.  Besides what the sanitizers see it holds the protocol to its word: each `%` has one m-ready, and whatever came before, the
 * device then still knows its name.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "infer.h"
#include "port.h"
#include "protocol.h"

static const char ending[] = "m-name-dut-[edgec]\r\nm-ready\r\n";
static char latest[sizeof ending - 1]; /* the last characters sent, oldest first */
static size_t ready;

void port_init(void) {}
int port_getc(void) { return -1; }
uint32_t port_cycles(void) { return 0; }
bool port_cycles_exact(void) { return false; }
uint32_t port_clock_hz(void) { return 1000000u; }
uint32_t *port_stack_limit(void) { return NULL; }

uint64_t port_micros(void)
{
    static uint64_t now;
    return now += 100000u;
}

void port_putc(char byte)
{
    memmove(latest, latest + 1, sizeof latest - 1);
    latest[sizeof latest - 1] = byte;
    ready += (size_t)(memcmp(latest + sizeof latest - 9, "m-ready\r\n", 9) == 0);
}

static void feed(const char *bytes, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        protocol_feed(bytes[i]);
    }
}

static void insist(bool truth, const char *what)
{
    if (!truth) {
        (void)fprintf(stderr, "the harness broke its word: %s\n", what);
        abort();
    }
}

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc;
    (void)argv;
    protocol_boot();
    return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    size_t commands = 0;
    for (size_t i = 0; i < size; i++) {
        commands += (size_t)(data[i] == '%');
    }
    infer_select(0); /* every input starts from the same state, so that a finding can be played again */
    protocol_forget_input();
    ready = 0;
    feed((const char *)data, size);
    insist(ready == commands, "one m-ready a command");
    feed("%name%", 6);
    insist(ready == commands + 2u && memcmp(latest, ending, sizeof latest) == 0, "back at m-ready");
    insist(infer_guards_intact(), "nothing written around the arena");
    return 0;
}
