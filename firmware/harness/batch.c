/*
 * The other main: many inferences in one run of an emulator, inputs and outputs as files (see files.h).
 * Reads records of the model's wire bytes from inputs.bin until it ends; writes the output bytes of each to outputs.bin, and in a
 * trace build (int32 step, int32 row, int32 bytes, data) to trace.bin.  At the end the bytes of stack that the first one took go to
 * stack.bin (int32, -1: unknown).
 */
#include <stdint.h>

#include "files.h"
#include "infer.h"
#include "port.h"
#include "trace.h"

static uintptr_t trace_file;

#if EDGEC_TRACE
void edgec_trace(int step, int row, const void *bytes, size_t count)
{
    const int32_t head[3] = {step, row, (int32_t)count};
    (void)file_write(trace_file, head, sizeof head);
    (void)file_write(trace_file, bytes, count);
}
#endif

int main(void)
{
    port_init();
    infer_select(0);
    const uintptr_t inputs = file_open("inputs.bin", false);
    const uintptr_t outputs = file_open("outputs.bin", true);
    const uintptr_t stack = file_open("stack.bin", true);
    if (EDGEC_TRACE) {
        trace_file = file_open("trace.bin", true);
    }
    bool sound = inputs != FILE_NONE && outputs != FILE_NONE && stack != FILE_NONE && trace_file != FILE_NONE;
    infer_use_wire(true);
    while (sound && file_read(inputs, edgec_wire, infer_model()->wire_bytes)) {
        infer_once();
        sound = infer_guards_intact() && file_write(outputs, edgec_result, infer_model()->output_bytes);
    }
    const int32_t used = infer_stack();
    sound = sound && file_write(stack, &used, sizeof used);
    file_end(sound);
}
