/* What the generated glue (glue.c.j2) tells the harness about the models linked into this firmware. */
#ifndef EDGEC_MODEL_H
#define EDGEC_MODEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef enum { EDGEC_INT8, EDGEC_UINT8, EDGEC_INT16, EDGEC_FLOAT32, EDGEC_INT32, EDGEC_INT64, EDGEC_BOOL } edgec_dtype;

/* How the bytes of `db` become the model's input. */
typedef enum {
    EDGEC_WIRE_RAW,        /* the input bytes themselves, inputs one after another */
    EDGEC_WIRE_UINT8,      /* uint8; the device subtracts 128 (ic01, vww01) */
    EDGEC_WIRE_FLOAT_ERROR /* float32, quantized on the device; the result is the mean squared error (ad01) */
} edgec_wire_format;

/* One input or output.  real = scale * (q - zero_point); milli_* is scale * 1000 as multiplier / 2^shift, so that
 * results print without floating point.  milli_multiplier 0: not quantized. */
typedef struct {
    const char *name;
    void *(*get)(void);
    edgec_dtype dtype;
    uint32_t elements;
    uint32_t bytes;
    float scale;
    int32_t zero_point;
    int64_t milli_multiplier;
    uint32_t milli_shift;
} edgec_tensor;

typedef struct {
    const char *name;       /* C name of the library */
    const char *profile;    /* what `profile%` answers: ic01, kws01, vww01, ad01 or the name */
    const char *build_hash; /* of the package, hexadecimal */
    edgec_wire_format wire;
    uint32_t wire_bytes;
    uint32_t arena_bytes;
    uint32_t steps;
    void (*init)(void);
    void (*run)(void);
    const edgec_tensor *inputs;
    uint32_t input_count;
    const edgec_tensor *outputs;
    uint32_t output_count;
    uint32_t output_bytes;
} edgec_model;

extern const edgec_model edgec_models[];
extern const uint32_t edgec_model_count;

/* At the start of the weights; edgec/toolchain/seal.py fills it in after linking.  `code` is the CRC-32 of everything but weights, which
 * `edgec_code` has too (taken with that word 0); `crc32` is of all that follows, in the order of the linker's list. */
#define EDGEC_SEAL_MAGIC 0x57434445u /* EDCW */
typedef struct {
    uint32_t magic;
    uint32_t code;
    uint32_t crc32;
} edgec_weights_seal;
extern const edgec_weights_seal edgec_seal;
extern const uint32_t edgec_code;

/* The harness's own copies (in no model's RAM figure). */
extern uint8_t edgec_wire[];           /* what the host loaded */
extern const uint32_t edgec_wire_size;
extern int8_t edgec_ready[];           /* float inputs from the wire as the model takes them (EDGEC_WIRE_FLOAT only) */
extern uint8_t edgec_result[];         /* outputs of the last inference, one after another */
extern uint64_t edgec_step_ticks[];    /* one for each step of the longest model (EDGEC_TRACE only) */

/* Four words before and four behind every arena (one in each memory that some model uses; all models share them). */
enum { EDGEC_GUARD_WORDS = 4 };
extern uint32_t *const edgec_guards[];
extern const uint32_t edgec_guard_count;

#endif
