/* dsp_depthwise: what all 3x3 depthwise kernels share: row pairs of four channels, packed once and read by every output of the band.
 * Packed: [columns][4 channels][2] words; word 0 holds rows 0 (low half) and 1 of the band, word 1 rows 2 and 3. */

typedef struct {
    const int32_t *stream; /* per channel: bias, 2*m, then for each column k the bytes w0k, w1k, w1k, w2k (k = 0, 1, 2) */
    int32_t size, out, stride, pad, channels; /* widths in pixels */
    int32_t round, zx;
} edgec_dw3_t;

/* One call of a row function: four channels of one or two output rows.  The order is that of the assembly's registers: s3.., then s0. */
typedef struct {
    int32_t round, channels, pitch; /* pitch: bytes from the first output row to the second */
    int32_t x_back, out_back;       /* from the end of a channel to the start of the next, in bytes */
    const int32_t *stream;
    int32_t rest;        /* outputs behind the full blocks */
    const uint32_t *end; /* of the columns at which full blocks start */
    const uint32_t *x;
    int8_t *out;
} edgec_dw3_call_t;

typedef void edgec_dw3_rows(const edgec_dw3_call_t *call);

#if EDGEC_DSP_ASM
#if defined(__ARM_FP) && (__ARM_FP & 4)
/* Loop state lives in single-precision registers (two are moved at once in the time of one), or in the frame where there are none. */
#define EDGEC_GET(reg, slot) "vmov " reg ", s" #slot "\n"
#define EDGEC_GET2(reg, more, slot, next) "vmov " reg ", " more ", s" #slot ", s" #next "\n"
#define EDGEC_PUT(reg, slot) "vmov s" #slot ", " reg "\n"
#define EDGEC_DW3_ENTER "push {r4-r11, lr}\n" "vldm r0!, {s3-s9}\n" "vldr s0, [r0]\n" "ldrd r0, r1, [r0, #4]\n"
#define EDGEC_DW3_LEAVE "pop {r4-r11, pc}\n"
#define EDGEC_DW3_BIAS "vldmia r2!, {s1, s2}\n"
#else
#define EDGEC_GET(reg, slot) "ldr " reg ", [sp, #4 * " #slot "]\n"
#define EDGEC_GET2(reg, more, slot, next) "ldrd " reg ", " more ", [sp, #4 * " #slot "]\n"
#define EDGEC_PUT(reg, slot) "str " reg ", [sp, #4 * " #slot "]\n"
#define EDGEC_DW3_ENTER "push {r4-r11, lr}\n" "sub sp, sp, #48\n" "ldm r0!, {r4-r11}\n" "add r1, sp, #12\n" "stm r1, {r4-r10}\n" "str r11, [sp]\n" "ldrd r0, r1, [r0]\n"
#define EDGEC_DW3_LEAVE "add sp, sp, #48\n" "pop {r4-r11, pc}\n"
#define EDGEC_DW3_BIAS "ldm r2!, {r4, r5}\n" "strd r4, r5, [sp, #4]\n"
#endif

/* clang-format off */
/* The weights of the next channel: r8-r10 = (w0k, w1k), r11, r12, lr = (w1k, w2k); bias and multiplier to slots 1 and 2. */
#define EDGEC_DW3_WEIGHTS \
    EDGEC_GET("r2", 8) EDGEC_DW3_BIAS "ldm r2!, {r6, r7, r12}\n" EDGEC_PUT("r2", 8) \
    "sxtb16 r8, r6\n" "sxtb16 r11, r6, ror #8\n" "sxtb16 r10, r12\n" "sxtb16 lr, r12, ror #8\n" "sxtb16 r9, r7\n" "sxtb16 r12, r7, ror #8\n"

/* The next of the four channels; the packed rows are aligned to 32 bytes, so that the address tells which channel it is. */
#define EDGEC_DW3_NEXT \
    EDGEC_GET2("r2", "r3", 6, 7) "add r0, r0, r2\n" "add r1, r1, r3\n" \
    EDGEC_GET("r2", 0) "add r2, r2, #8\n" EDGEC_PUT("r2", 0) "tst r0, #31\n"

/* Two bytes of each of four channels (r5, r6) to the four words at `at`. */
#define EDGEC_DW3_PAIR(a0, a1, a2, a3) \
    "sxtb16 r7, r5\n" "sxtb16 r5, r5, ror #8\n" "sxtb16 r8, r6\n" "sxtb16 r6, r6, ror #8\n" \
    "pkhbt r9, r5, r6, lsl #16\n" "str r9, " a1 "\n" "pkhtb r9, r8, r7, asr #16\n" "str r9, " a2 "\n" \
    "pkhtb r9, r6, r5, asr #16\n" "str r9, " a3 "\n" "pkhbt r9, r7, r8, lsl #16\n" "str r9, " a0 "\n"

/* `count` >= 1 columns of two rows; step: bytes from one column of a row to the next; a channel's words lie `gap` bytes behind those of the one before;
 * an odd number starts in the middle of the loop, which makes two columns a turn. */
#define EDGEC_DW3_PACK2(name, gap) \
    EDGEC_NAKED void name(EDGEC_ARG uint32_t *at, EDGEC_ARG const int8_t *a, EDGEC_ARG const int8_t *b, EDGEC_ARG int step_a, EDGEC_ARG int step_b, \
                          EDGEC_ARG int count) \
    { \
        __asm__ volatile( \
            "push {r4-r9}\n" "ldrd r4, r12, [sp, #24]\n" "lsrs r12, r12, #1\n" "bcc 1f\n" \
            "add r0, r0, #4*" #gap "\n" "sub r1, r1, r3\n" "sub r2, r2, r4\n" "add r12, r12, #1\n" "b 2f\n" \
            "1:\n" \
            "ldr r5, [r1]\n" "ldr r6, [r2]\n" EDGEC_DW3_PAIR("[r0], #8*" #gap, "[r0, #" #gap "]", "[r0, #2*" #gap "]", "[r0, #3*" #gap "]") \
            "2:\n" \
            "ldr r5, [r1, r3]\n" "ldr r6, [r2, r4]\n" "add r1, r1, r3, lsl #1\n" "add r2, r2, r4, lsl #1\n" \
            EDGEC_DW3_PAIR("[r0, #-4*" #gap "]", "[r0, #-3*" #gap "]", "[r0, #-2*" #gap "]", "[r0, #-" #gap "]") \
            "subs r12, r12, #1\n" "bne 1b\n" \
            "pop {r4-r9}\n" "bx lr\n"); \
    }
EDGEC_DW3_PACK2(edgec_dw3_pack2, 8)

/* The same for one row: the other half of the words is never read. */
#define EDGEC_DW3_SINGLE(a0, a1, a2, a3) \
    "sxtb16 r6, r5\n" "sxtb16 r5, r5, ror #8\n" "str r5, " a1 "\n" "lsr r5, r5, #16\n" "str r5, " a3 "\n" \
    "lsr r5, r6, #16\n" "str r5, " a2 "\n" "str r6, " a0 "\n"

EDGEC_NAKED void edgec_dw3_pack1(EDGEC_ARG uint32_t *at, EDGEC_ARG const int8_t *a, EDGEC_ARG int step_a, EDGEC_ARG int count)
{
    __asm__ volatile(
        "push {r5, r6}\n" "lsrs r3, r3, #1\n" "bcc 1f\n"
        "add r0, r0, #32\n" "sub r1, r1, r2\n" "add r3, r3, #1\n" "b 2f\n"
        "1:\n"
        "ldr r5, [r1]\n" EDGEC_DW3_SINGLE("[r0], #64", "[r0, #8]", "[r0, #16]", "[r0, #24]")
        "2:\n"
        "ldr r5, [r1, r2]\n" "add r1, r1, r2, lsl #1\n" EDGEC_DW3_SINGLE("[r0, #-32]", "[r0, #-24]", "[r0, #-16]", "[r0, #-8]")
        "subs r3, r3, #1\n" "bne 1b\n"
        "pop {r5, r6}\n" "bx lr\n");
}
/* clang-format on */
#else
#define EDGEC_DW3_PACK2(name, gap) \
    static inline void name(uint32_t *at, const int8_t *a, const int8_t *b, int step_a, int step_b, int count) \
    { \
        for (; count > 0; --count, at += (gap), a += step_a, b += step_b) { \
            for (int c = 0; c < 4; ++c) { \
                at[(gap) / 4 * c] = ((uint32_t)(int32_t)a[c] & 0xffffu) | (uint32_t)(int32_t)b[c] << 16; \
            } \
        } \
    }
EDGEC_DW3_PACK2(edgec_dw3_pack2, 8)

static inline void edgec_dw3_pack1(uint32_t *at, const int8_t *a, int step_a, int count)
{
    edgec_dw3_pack2(at, a, a, step_a, step_a, count);
}

/* One, two or four output rows of four channels; words: of a channel in a column. */
static inline void edgec_dw3_plain(const edgec_dw3_call_t *call, int rows, int outputs, int stride, int words, int shift, int left)
{
    for (int c = 0; c < 4; ++c) {
        const int32_t *const s = call->stream + 5 * c;
        for (int i = 0; i < rows * outputs; ++i) {
            const int y = i / outputs, ox = i % outputs;
            int32_t acc = s[0];
            for (int k = 0; k < 3; ++k) {
                const uint32_t *const x = call->x + ((ox * stride + k) * 4 + c) * words + y / 2;
                const uint32_t above = edgec_sxtb16((uint32_t)s[2 + k]), below = edgec_sxtb16_ror8((uint32_t)s[2 + k]);
                acc = y % 2 ? edgec_smlad(x[1], below, edgec_smlabb(above, x[0] >> 16, acc)) : edgec_smlabt(x[1], below, edgec_smlad(x[0], above, acc));
            }
            acc = edgec_smmla(edgec_left(acc, left), s[1], call->round) >> shift;
            call->out[y * call->pitch + ox * call->channels + c] = edgec_ssat8(acc);
        }
    }
}
#endif

/* Columns beside the image hold the zero point. */
static inline void edgec_dw3_fill(uint32_t *x, int words, int32_t zero)
{
    for (int i = 0; i < words; ++i) {
        x[i] = ((uint32_t)zero & 0xffffu) | (uint32_t)zero << 16;
    }
}

typedef void edgec_dw3_pack(uint32_t *at, const int8_t *a, const int8_t *b, int step_a, int step_b, int count);

/* All channels of `count` output rows: one or two (words: 2, the row pairs of a channel) or four (3).  rows: pointers to the input rows,
 * NULL in the padding; scratch: 16 * words bytes for each column of the windows of a row, and 32 more; at, step: room for 2 * words rows. */
static inline void edgec_dw3_channels(const edgec_dw3_t *dw, const int8_t *const *rows, int8_t *out, void *scratch, int count, int words,
                                      const int8_t **at, int *step, edgec_dw3_pack *pack2, edgec_dw3_rows *run)
{
    uint32_t *const x = (uint32_t *)scratch + ((32u - ((uintptr_t)scratch & 31u)) & 31u) / 4u;
    const int span = (dw->out - 1) * dw->stride + 3, block = count == 1 ? 4 : 2, channels = dw->channels;
    const int inner = dw->pad + dw->size < span ? dw->size : span - dw->pad;
    const int used = dw->out * dw->stride * 32;
    const int32_t zero = dw->zx;
    const int8_t padding[4] = { (int8_t)zero, (int8_t)zero, (int8_t)zero, (int8_t)zero };
    const uint32_t *const end = x + (words == 3 ? 12 : dw->out / block * block * dw->stride * 8); /* of the channels, if unrolled by columns */
    edgec_dw3_call_t call = { dw->round, channels, dw->out * channels, 8 - used, 1 - dw->out * channels, dw->stream, dw->out % block, end, x, out };
    uint32_t *const inside = x + dw->pad * 4 * words;
    edgec_dw3_fill(x, dw->pad * 4 * words, dw->zx);
    edgec_dw3_fill(inside + inner * 4 * words, (span - dw->pad - inner) * 4 * words, dw->zx);
    for (int k = 0; k < 2 * words; ++k) {
        const int present = k < 2 + count && rows[k] != NULL;
        at[k] = present ? rows[k] : padding;
        step[k] = present ? channels : 0;
    }
    for (int c = 0;;) {
        pack2(inside, at[0], at[1], step[0], step[1], inner);
        if (count == 1) {
            edgec_dw3_pack1(inside + 1, at[2], step[2], inner);
        } else {
            pack2(inside + 1, at[2], at[3], step[2], step[3], inner);
        }
        if (words == 3) {
            pack2(inside + 2, at[4], at[5], step[4], step[5], inner);
        }
        run(&call);
        const int next = channels - 4 - c < 4 ? channels - 4 - c : 4; /* the last four may repeat some of the four before */
        if (next <= 0) {
            return;
        }
        c += next;
        call.stream += 5 * next;
        call.out += next;
        for (int k = 0; k < 2 * words; ++k) {
            at[k] += step[k] != 0 ? next : 0;
        }
    }
}

EDGEC_SHARED void edgec_dw3_band(const edgec_dw3_t *dw, const int8_t *const *rows, int8_t *out, void *scratch, int two, edgec_dw3_rows *run)
{
    const int8_t *at[4];
    int step[4];
    edgec_dw3_channels(dw, rows, out, scratch, 1 + two, 2, at, step, edgec_dw3_pack2, run);
}

/* n output rows: two at a time where the kernel has a form for two. */
EDGEC_SHARED void edgec_dw3_run(const edgec_dw3_t *dw, const int8_t *const *rows, int8_t *out, void *scratch, int n, edgec_dw3_rows *one,
                                edgec_dw3_rows *two)
{
    const int pitch = dw->out * dw->channels;
    while (n > 0) {
        const int both = two != NULL && n > 1;
        edgec_dw3_band(dw, rows, out, scratch, both, both ? two : one);
        rows += (1 + both) * dw->stride;
        out += (1 + both) * pitch;
        n -= 1 + both;
    }
}
