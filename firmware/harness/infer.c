#include "infer.h"

#include <string.h>

#include "port.h"

#define STACK_PAINT 0xA5C3E187u
#define STACK_MARGIN 256u
#define GUARD 0x5AFE6A4Du

static uint32_t selected;
static bool wire_loaded;
static bool wire_quantized; /* edgec_ready holds what the float bytes in edgec_wire mean */
static bool has_result;
static bool counted; /* the first inference after init has been made */
static int32_t stack_bytes = -1;
static bool stack_full; /* hardly any paint was left: it may have run over */

/* Naked, so that they cost no stack and always start a translation block of their own. */
#if defined(__arm__)
__attribute__((naked, noinline)) void edgec_mark_start(void) { __asm__ volatile("bx lr"); }
__attribute__((naked, noinline)) void edgec_mark_stop(void) { __asm__ volatile("bx lr"); }
#else
__attribute__((noinline)) void edgec_mark_start(void) { __asm__ volatile(""); }
__attribute__((noinline)) void edgec_mark_stop(void) { __asm__ volatile(""); }
#endif

const edgec_model *infer_model(void) { return &edgec_models[selected]; }

void infer_use_wire(bool loaded)
{
    wire_loaded = loaded;
    wire_quantized = false;
}

int32_t infer_stack(void) { return stack_bytes; }
bool infer_has_result(void) { return has_result; }

void infer_select(uint32_t index)
{
    selected = index;
    infer_use_wire(false);
    has_result = false;
    counted = false;
    stack_bytes = -1;
    stack_full = false;
    for (uint32_t i = 0; i < edgec_guard_count * EDGEC_GUARD_WORDS; i++) {
        edgec_guards[i / EDGEC_GUARD_WORDS][i % EDGEC_GUARD_WORDS] = GUARD;
    }
    edgec_models[index].init();
}

bool infer_guards_intact(void)
{
    bool intact = !stack_full;
    for (uint32_t i = 0; i < edgec_guard_count * EDGEC_GUARD_WORDS; i++) {
        intact = intact && edgec_guards[i / EDGEC_GUARD_WORDS][i % EDGEC_GUARD_WORDS] == GUARD;
    }
    return intact;
}

/* Byte i of every input is (37*i + 11) mod 256; float element i is that byte as int8, divided by 128. */
static void fill_pattern(const edgec_tensor *input)
{
    uint8_t *out = input->get();
    uint32_t count = input->dtype == EDGEC_FLOAT32 ? input->elements : input->bytes;
    for (uint32_t i = 0; i < count; i++) {
        uint8_t byte = (uint8_t)(37u * i + 11u);
        if (input->dtype == EDGEC_FLOAT32) {
            float value = (float)(int8_t)byte / 128.0f;
            memcpy(out + 4u * i, &value, sizeof value);
        } else {
            out[i] = input->dtype == EDGEC_BOOL ? (uint8_t)(byte & 1u) : byte;
        }
    }
}

#if EDGEC_WIRE_FLOAT
/* Rounds half away from zero; clamps to int8.  NaN becomes the zero point. */
static int8_t quantize(float real, float scale, int32_t zero_point)
{
    float scaled = real / scale;
    if (!(scaled > -1000.0f && scaled < 1000.0f)) {
        scaled = scaled >= 1000.0f ? 1000.0f : (scaled <= -1000.0f ? -1000.0f : 0.0f);
    }
    int32_t q = (int32_t)(scaled + (scaled < 0.0f ? -0.5f : 0.5f)) + zero_point;
    return (int8_t)(q < -128 ? -128 : (q > 127 ? 127 : q));
}
#endif

/* Each byte less 128, which flips its highest bit: four at a time. */
static void copy_less_128(uint8_t *out, const uint8_t *from, uint32_t count)
{
    uint32_t i = 0;
    for (; i + 4u <= count; i += 4u) {
        uint32_t four;
        memcpy(&four, from + i, sizeof four);
        four ^= 0x80808080u;
        memcpy(out + i, &four, sizeof four);
    }
    for (; i < count; i++) {
        out[i] = (uint8_t)(from[i] ^ 0x80u);
    }
}

static void fill_from_wire(const edgec_model *model)
{
    const uint8_t *wire = edgec_wire;
    if (model->wire == EDGEC_WIRE_UINT8) {
        copy_less_128(model->inputs[0].get(), wire, model->inputs[0].elements);
        return;
    }
#if EDGEC_WIRE_FLOAT
    if (model->wire == EDGEC_WIRE_FLOAT_ERROR) {
        const edgec_tensor *input = &model->inputs[0];
        for (uint32_t i = 0; i < input->elements && !wire_quantized; i++) {
            float real;
            memcpy(&real, wire + 4u * i, sizeof real);
            edgec_ready[i] = quantize(real, input->scale, input->zero_point);
        }
        wire_quantized = true; /* once a load, not once an inference */
        memcpy(input->get(), edgec_ready, input->elements);
        return;
    }
#endif
    for (uint32_t n = 0; n < model->input_count; n++) {
        memcpy(model->inputs[n].get(), wire, model->inputs[n].bytes);
        wire += model->inputs[n].bytes;
    }
}

/* Paints the stack below this frame, runs, and looks how far down the paint is gone.  Nothing between the painting and
 * the call may use the stack, so all of it is one function. */
static __attribute__((noinline)) void run_counted(void (*run)(void))
{
    uint32_t *limit = port_stack_limit();
#if defined(__arm__) || defined(__aarch64__)
    uint32_t *here;
    __asm__ volatile("mov %0, sp" : "=r"(here));
#else
    uint32_t *here = limit;
#endif
    for (uint32_t *word = limit; word < here; word++) {
        *(volatile uint32_t *)word = STACK_PAINT;
    }
    edgec_mark_start();
    run();
    edgec_mark_stop();
    if (limit != NULL) {
        const uint32_t *word = limit;
        while (word < here && *(const volatile uint32_t *)word == STACK_PAINT) {
            word++;
        }
        stack_bytes = (int32_t)((uintptr_t)here - (uintptr_t)word);
        stack_full = word < limit + STACK_MARGIN / sizeof *word;
    }
}

void infer_fill(void)
{
    const edgec_model *model = infer_model();
    if (wire_loaded) {
        fill_from_wire(model);
    } else {
        for (uint32_t n = 0; n < model->input_count; n++) {
            fill_pattern(&model->inputs[n]);
        }
    }
}

void infer_run(void)
{
    if (counted) {
        infer_model()->run();
    } else {
        counted = true;
        run_counted(infer_model()->run);
    }
}

void infer_keep(void)
{
    const edgec_model *model = infer_model();
    uint8_t *out = edgec_result;
    for (uint32_t n = 0; n < model->output_count; n++) {
        memcpy(out, model->outputs[n].get(), model->outputs[n].bytes);
        out += model->outputs[n].bytes;
    }
    has_result = true;
}

void infer_once(void)
{
    infer_fill();
    infer_run();
    infer_keep();
}

uint32_t infer_crc32_more(uint32_t crc, const uint8_t *bytes, size_t count)
{
    static const uint32_t four_bits[16] = {
        0x00000000u, 0x1DB71064u, 0x3B6E20C8u, 0x26D930ACu, 0x76DC4190u, 0x6B6B51F4u, 0x4DB26158u, 0x5005713Cu,
        0xEDB88320u, 0xF00F9344u, 0xD6D6A3E8u, 0xCB61B38Cu, 0x9B64C2B0u, 0x86D3D2D4u, 0xA00AE278u, 0xBDBDF21Cu,
    };
    for (size_t i = 0; i < count; i++) {
        crc ^= bytes[i];
        crc = (crc >> 4) ^ four_bits[crc & 15u];
        crc = (crc >> 4) ^ four_bits[crc & 15u];
    }
    return crc;
}

uint32_t infer_crc32(void) { return ~infer_crc32_more(CRC32_START, edgec_result, infer_model()->output_bytes); }

int64_t infer_error_milli(void)
{
#if EDGEC_WIRE_FLOAT
    const edgec_tensor *input = &infer_model()->inputs[0];
    const edgec_tensor *output = &infer_model()->outputs[0];
    float sum = 0.0f;
    for (uint32_t i = 0; i < output->elements; i++) {
        float given;
        if (wire_loaded) {
            memcpy(&given, edgec_wire + 4u * i, sizeof given);
        } else {
            given = (float)((int32_t)(int8_t)(uint8_t)(37u * i + 11u) - input->zero_point) * input->scale;
        }
        float made = (float)((int32_t)(int8_t)edgec_result[i] - output->zero_point) * output->scale;
        sum += (given - made) * (given - made);
    }
    float milli = 1000.0f * sum / (float)output->elements;
    return milli < 1e15f ? (int64_t)(milli + 0.5f) : INT64_MAX;
#else
    return 0;
#endif
}
