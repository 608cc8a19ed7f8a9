/* dsp_winograd: what the exact-integer Winograd kernels share.  Outputs are made in tiles of `tile` by `tile`, two tiles side by side at a
 * time, from (tile + 2)^2 points of transformed inputs; two channels travel in one word.
 * Source: Lavin and Gray 2015, with the filter transform scaled to integers. */

typedef struct {
    const int32_t *weight; /* [outputs / 4][points][channels / 2][4] pairs of int16, transformed */
    const int32_t *bias;   /* [outputs][2]: the scaled bias of raw inputs, 2*m */
    int32_t size, out, pad, channels, outputs, zx, round;
} edgec_wino_t;

/* Transformed inputs of two tiles, `left` columns from the left end of the image: v[points][pairs][2].  work: words for their columns. */
typedef void edgec_wino_input(const edgec_wino_t *w, const int8_t *const *rows, int left, uint32_t *v, uint32_t *work);
/* Products of two tiles with four output channels: m[points][4 channels][2 tiles], up to `stop`. */
typedef void edgec_wino_product(const uint32_t *v, const int32_t *u, uint32_t *m, int pairs, const uint32_t *stop);
/* Products of one tile and one output channel (8 words apart) -> `high` by `wide` int8. */
typedef void edgec_wino_finish(const edgec_wino_t *w, const uint32_t *m, const int32_t *bias, int8_t *out, int high, int wide);

/* The products: m[point][4 channels][2 tiles] = sum over channel pairs.  v: [points][pairs][2], u: [points][pairs][4]. */
#if EDGEC_DSP_ASM
/* clang-format off */
#define EDGEC_WINO_MAC \
    "ldrd r2, r3, [r0], #8\n"   "ldrd r12, lr, [r1], #8\n" \
    "smlad r4, r12, r2, r4\n"   "smlad r5, r12, r3, r5\n"   "smlad r6, lr, r2, r6\n"    "smlad r7, lr, r3, r7\n" \
    "ldrd r12, lr, [r1], #8\n" \
    "smlad r8, r12, r2, r8\n"   "smlad r9, r12, r3, r9\n"   "smlad r10, lr, r2, r10\n"  "smlad r11, lr, r3, r11\n"

/* Frame: 0 end of the inputs of this product, 4 bytes of them, 8 m, 12 end of m, 16 entry, 20.. eight zeros.  Eight pairs a turn; where one
 * turn is enough, nothing is counted. */
#define EDGEC_WINO_ENTER \
    "push {r4-r11, lr}\n" "sub sp, sp, #52\n" \
    "lsl r5, r3, #3\n" "str r5, [sp, #4]\n" "add r5, r5, r0\n" "str r5, [sp]\n" "ldr r5, [sp, #88]\n" "strd r2, r5, [sp, #8]\n" \
    "mov r4, #0\n" "mov r5, #0\n" "strd r4, r5, [sp, #20]\n" "strd r4, r5, [sp, #28]\n" "strd r4, r5, [sp, #36]\n" "strd r4, r5, [sp, #44]\n" \
    "rsb r4, r3, #0\n" "and r4, r4, #7\n" "mov r5, #44\n" "mul r4, r4, r5\n" "adr.w r5, 2f\n" "add r4, r4, r5\n" "orr r4, r4, #1\n" "str r4, [sp, #16]\n"

#define EDGEC_WINO_TURN \
    "1:\n" "add r2, sp, #20\n" "ldm r2, {r4-r11}\n" "ldr pc, [sp, #16]\n" ".p2align 2\n" \
    "2:\n" EDGEC_WINO_MAC EDGEC_WINO_MAC EDGEC_WINO_MAC EDGEC_WINO_MAC EDGEC_WINO_MAC EDGEC_WINO_MAC EDGEC_WINO_MAC EDGEC_WINO_MAC

EDGEC_NAKED void edgec_wino_long(EDGEC_ARG const uint32_t *v, EDGEC_ARG const int32_t *u, EDGEC_ARG uint32_t *m, EDGEC_ARG int pairs,
                            EDGEC_ARG const uint32_t *stop)
{
    __asm__ volatile(
        EDGEC_WINO_ENTER EDGEC_WINO_TURN
        "ldr r12, [sp]\n" "cmp r0, r12\n" "bne 2b\n"
        "ldrd r2, r3, [sp, #8]\n" "stm r2!, {r4-r11}\n" "ldr r4, [sp, #4]\n" "str r2, [sp, #8]\n" "add r12, r12, r4\n" "str r12, [sp]\n"
        "cmp r2, r3\n" "bne 1b\n"
        "add sp, sp, #52\n" "pop {r4-r11, pc}\n");
}

EDGEC_NAKED void edgec_wino_short(EDGEC_ARG const uint32_t *v, EDGEC_ARG const int32_t *u, EDGEC_ARG uint32_t *m, EDGEC_ARG int pairs,
                            EDGEC_ARG const uint32_t *stop)
{
    __asm__ volatile(
        EDGEC_WINO_ENTER EDGEC_WINO_TURN
        "ldrd r2, r3, [sp, #8]\n" "stm r2!, {r4-r11}\n" "str r2, [sp, #8]\n" "cmp r2, r3\n" "bne 1b\n"
        "add sp, sp, #52\n" "pop {r4-r11, pc}\n");
}
/* clang-format on */
#else
EDGEC_SHARED void edgec_wino_long(const uint32_t *v, const int32_t *u, uint32_t *m, int pairs, const uint32_t *stop)
{
    for (; m != stop; v += 2 * pairs, u += 4 * pairs, m += 8) {
        for (int j = 0; j < 8; ++j) {
            int32_t sum = 0;
            for (int k = 0; k < pairs; ++k) {
                sum = edgec_smlad((uint32_t)u[4 * k + j / 2], v[2 * k + j % 2], sum);
            }
            m[j] = (uint32_t)sum;
        }
    }
}

#define edgec_wino_short edgec_wino_long
#endif

/* `high` <= `tile` output rows.  rows: high + 2 input rows, NULL in the padding; scratch: transformed inputs, products, `work` words for `input`,
 * then a row of input bytes. */
static inline void edgec_wino_rows(const edgec_wino_t *w, const int8_t *const *rows, int8_t *out, uint32_t *scratch, int high, int tile,
                                   int work, edgec_wino_input *input, edgec_wino_product *product, edgec_wino_finish *finish)
{
    const int channels = w->channels, pairs = channels / 2, points = (tile + 2) * (tile + 2);
    uint32_t *const v = scratch, *const m = v + points * channels, *const columns = m + 8 * points;
    int8_t *const padding = (int8_t *)(columns + work);
    const int8_t *lines[6];
    if (rows[0] == NULL || high < tile || rows[tile + 1] == NULL) { /* absent rows are the first or the last ones */
        edgec_fill(padding, w->zx, w->size * channels);
    }
    for (int i = 0; i < tile + 2; ++i) {
        lines[i] = i < high + 2 && rows[i] != NULL ? rows[i] : padding;
    }
    for (int ox = 0; ox < w->out; ox += 2 * tile) {
        const int32_t *u = w->weight;
        input(w, lines, ox - w->pad, v, columns);
        for (int o = 0; o < w->outputs; o += 4, u += 4 * points * pairs) {
            product(v, u, m, pairs, m + 8 * points);
            for (int i = 0; i < 8; ++i) {
                const int x = ox + i % 2 * tile, c = o + i / 2;
                if (x < w->out && c < w->outputs) {
                    finish(w, m + i, w->bias + 2 * c, out + x * w->outputs + c, high, w->out - x < tile ? w->out - x : tile);
                }
            }
        }
    }
}
