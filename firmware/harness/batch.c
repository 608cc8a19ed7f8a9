/*
 * The other main: many inferences in one boot of an emulator, inputs and outputs as files through Arm semihosting.
 * Never run on hardware without a debugger.  Reads records of the model's wire bytes from inputs.bin until it ends; writes the
 * output bytes of each to outputs.bin, and in a trace build (int32 step, int32 row, int32 bytes, data) to trace.bin.
 */
#include <stdint.h>
#include <string.h>

#include "infer.h"
#include "port.h"
#include "trace.h"

enum { SYS_OPEN = 0x01, SYS_WRITE = 0x05, SYS_READ = 0x06, SYS_EXIT = 0x18 };
enum { MODE_READ_BINARY = 1, MODE_WRITE_BINARY = 5 };

static uintptr_t trace_file;

static uintptr_t semihost(uint32_t operation, const void *arguments)
{
    register uintptr_t r0 __asm__("r0") = operation;
    register const void *r1 __asm__("r1") = arguments;
    __asm__ volatile("bkpt 0xAB" : "+r"(r0) : "r"(r1) : "memory");
    return r0;
}

static uintptr_t open_file(const char *name, uintptr_t mode)
{
    const uintptr_t arguments[3] = {(uintptr_t)name, mode, strlen(name)};
    return semihost(SYS_OPEN, arguments);
}

/* Both return the number of bytes NOT transferred. */
static uintptr_t read_file(uintptr_t file, void *to, uintptr_t count)
{
    const uintptr_t arguments[3] = {file, (uintptr_t)to, count};
    return semihost(SYS_READ, arguments);
}

static uintptr_t write_file(uintptr_t file, const void *from, uintptr_t count)
{
    const uintptr_t arguments[3] = {file, (uintptr_t)from, count};
    return semihost(SYS_WRITE, arguments);
}

#if EDGEC_TRACE
void edgec_trace(int step, int row, const void *bytes, size_t count)
{
    const int32_t head[3] = {step, row, (int32_t)count};
    (void)write_file(trace_file, head, sizeof head);
    (void)write_file(trace_file, bytes, count);
}
#endif

int main(void)
{
    port_init();
    infer_select(0);
    uintptr_t inputs = open_file("inputs.bin", MODE_READ_BINARY);
    uintptr_t outputs = open_file("outputs.bin", MODE_WRITE_BINARY);
    if (EDGEC_TRACE) {
        trace_file = open_file("trace.bin", MODE_WRITE_BINARY);
    }
    bool sound = inputs != UINTPTR_MAX && outputs != UINTPTR_MAX && trace_file != UINTPTR_MAX;
    infer_use_wire(true);
    while (sound && read_file(inputs, edgec_wire, infer_model()->wire_bytes) == 0u) {
        infer_once();
        sound = infer_guards_intact() && write_file(outputs, edgec_result, infer_model()->output_bytes) == 0u;
    }
    const uintptr_t stopped = sound ? 0x20026u : 0x20023u; /* ADP_Stopped_ApplicationExit, ..._RunTimeErrorUnknown */
    (void)semihost(SYS_EXIT, (const void *)stopped);
    for (;;) {
    }
}
