/* dsp_winograd: exact-integer Winograd F(4x4, 3x3).  Four rows by four columns of outputs come from a tile of 6x6 inputs, taken as unsigned
 * bytes d = x + 128; two channels travel in one word, so all sums are plain 32-bit additions.  The result is 576 times the convolution, modulo 2^32.
 * Source: Lavin and Gray 2015, with the filter transform scaled to integers. */

typedef struct {
    const int32_t *weight; /* [outputs / 4][36][channels / 2][4] pairs of int16, transformed */
    const int32_t *bias;   /* [outputs][2]: 576 times the bias of raw d, 2*m / 9 */
    int32_t size, out, pad, channels, outputs, zx, round;
} edgec_wino_t;

/* A line of six times the input matrix: d becomes its product. */
#define EDGEC_WINO_LINE(d0, d1, d2, d3, d4, d5)                                     \
    do {                                                                            \
        const uint32_t c_ = (d4) - (d2), e_ = (d3) - (d1);                          \
        const uint32_t a_ = (d4) - 4 * (d2), b_ = (d3) - 4 * (d1);                  \
        (d0) = c_ + 4 * ((d0) - (d2));                                              \
        (d5) = (d5) - (d3) - 4 * e_;                                                \
        (d1) = a_ + b_;                                                             \
        (d2) = a_ - b_;                                                             \
        (d3) = c_ + 2 * e_;                                                         \
        (d4) = c_ - 2 * e_;                                                         \
    } while (0)

/* One column of a tile of four channels: six words of raw bytes -> lines of the channel pairs (0, 2) and (1, 3). */
static inline void edgec_wino_column(uint32_t x0, uint32_t x1, uint32_t x2, uint32_t x3, uint32_t x4, uint32_t x5, uint32_t *even, uint32_t *odd)
{
    const uint32_t flip = 0x80808080u;
    x0 ^= flip, x1 ^= flip, x2 ^= flip, x3 ^= flip, x4 ^= flip, x5 ^= flip;
    uint32_t a0 = edgec_uxtb16(x0), a1 = edgec_uxtb16(x1), a2 = edgec_uxtb16(x2), a3 = edgec_uxtb16(x3), a4 = edgec_uxtb16(x4),
             a5 = edgec_uxtb16(x5);
    EDGEC_WINO_LINE(a0, a1, a2, a3, a4, a5);
    even[0] = a0, even[6] = a1, even[12] = a2, even[18] = a3, even[24] = a4, even[30] = a5;
    a0 = edgec_uxtb16_ror8(x0), a1 = edgec_uxtb16_ror8(x1), a2 = edgec_uxtb16_ror8(x2), a3 = edgec_uxtb16_ror8(x3);
    a4 = edgec_uxtb16_ror8(x4), a5 = edgec_uxtb16_ror8(x5);
    EDGEC_WINO_LINE(a0, a1, a2, a3, a4, a5);
    odd[0] = a0, odd[6] = a1, odd[12] = a2, odd[18] = a3, odd[24] = a4, odd[30] = a5;
}

/* The lines of two channels -> 36 words at v, `stride` words apart.  A negative low half has borrowed from the high one: it is given back. */
#define EDGEC_WINO_MEND(x) ((x) + (((x) & 0x8000u) << 1))

EDGEC_SHARED void edgec_wino_lines(const uint32_t *d, uint32_t *v, int stride)
{
    for (const uint32_t *const stop = d + 36; d != stop; d += 6, v += stride) {
        uint32_t d0 = d[0], d1 = d[1], d2 = d[2], d3 = d[3], d4 = d[4], d5 = d[5];
        EDGEC_WINO_LINE(d0, d1, d2, d3, d4, d5);
        *v = EDGEC_WINO_MEND(d0), v += stride;
        *v = EDGEC_WINO_MEND(d1), v += stride;
        *v = EDGEC_WINO_MEND(d2), v += stride;
        *v = EDGEC_WINO_MEND(d3), v += stride;
        *v = EDGEC_WINO_MEND(d4), v += stride;
        *v = EDGEC_WINO_MEND(d5);
    }
}

/* The same of one tile, `left` columns from the left end of the image: four channels from `first` on. */
EDGEC_SHARED void edgec_wino_input(const edgec_wino_t *w, const int8_t *const *rows, int left, int first, uint32_t *even, uint32_t *odd)
{
    const uint32_t zero = ((uint32_t)w->zx & 0xffu) * 0x01010101u;
    const int channels = w->channels, size = w->size;
    for (int at = left * channels + first, x = left; x < left + 6; ++x, at += channels) {
        if (x >= 0 && x < size) {
            edgec_wino_column(edgec_load4(rows[0] + at), edgec_load4(rows[1] + at), edgec_load4(rows[2] + at), edgec_load4(rows[3] + at),
                              edgec_load4(rows[4] + at), edgec_load4(rows[5] + at), even++, odd++);
        } else {
            edgec_wino_column(zero, zero, zero, zero, zero, zero, even++, odd++);
        }
    }
}

/* Four outputs of a line of six: m becomes y in its first four. */
#define EDGEC_WINO_SUM(m0, m1, m2, m3, m4, m5)                                      \
    do {                                                                            \
        const uint32_t p_ = (m1) + (m2), q_ = (m1) - (m2), r_ = (m3) + (m4), s_ = (m3) - (m4); \
        (m0) = (m0) + p_ + r_;                                                      \
        (m1) = q_ + 2 * s_;                                                         \
        (m2) = p_ + 4 * r_;                                                         \
        (m3) = q_ + 8 * s_ + 2 * (m5);                                              \
    } while (0)

typedef void edgec_wino_finish(const edgec_wino_t *w, const uint32_t *m, const int32_t *bias, int8_t *out, int high, int wide);

/* The 36 products of two tiles with four output channels: m[36][4 channels][2 tiles] = sum over channel pairs.  v: [36][pairs][2], u: [36][pairs][4]. */
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
    "lsl r5, r3, #3\n" "str r5, [sp, #4]\n" "add r5, r5, r0\n" "str r5, [sp]\n" "add r5, r2, #1152\n" "strd r2, r5, [sp, #8]\n" \
    "mov r4, #0\n" "mov r5, #0\n" "strd r4, r5, [sp, #20]\n" "strd r4, r5, [sp, #28]\n" "strd r4, r5, [sp, #36]\n" "strd r4, r5, [sp, #44]\n" \
    "rsb r4, r3, #0\n" "and r4, r4, #7\n" "mov r5, #44\n" "mul r4, r4, r5\n" "adr.w r5, 2f\n" "add r4, r4, r5\n" "orr r4, r4, #1\n" "str r4, [sp, #16]\n"

#define EDGEC_WINO_TURN \
    "1:\n" "add r2, sp, #20\n" "ldm r2, {r4-r11}\n" "ldr pc, [sp, #16]\n" ".p2align 2\n" \
    "2:\n" EDGEC_WINO_MAC EDGEC_WINO_MAC EDGEC_WINO_MAC EDGEC_WINO_MAC EDGEC_WINO_MAC EDGEC_WINO_MAC EDGEC_WINO_MAC EDGEC_WINO_MAC

EDGEC_NAKED void edgec_wino_product(EDGEC_ARG const uint32_t *v, EDGEC_ARG const int32_t *u, EDGEC_ARG uint32_t *m, EDGEC_ARG int pairs)
{
    __asm__ volatile(
        EDGEC_WINO_ENTER EDGEC_WINO_TURN
        "ldr r12, [sp]\n" "cmp r0, r12\n" "bne 2b\n"
        "ldrd r2, r3, [sp, #8]\n" "stm r2!, {r4-r11}\n" "ldr r4, [sp, #4]\n" "str r2, [sp, #8]\n" "add r12, r12, r4\n" "str r12, [sp]\n"
        "cmp r2, r3\n" "bne 1b\n"
        "add sp, sp, #52\n" "pop {r4-r11, pc}\n");
}

EDGEC_NAKED void edgec_wino_product_short(EDGEC_ARG const uint32_t *v, EDGEC_ARG const int32_t *u, EDGEC_ARG uint32_t *m, EDGEC_ARG int pairs)
{
    __asm__ volatile(
        EDGEC_WINO_ENTER EDGEC_WINO_TURN
        "ldrd r2, r3, [sp, #8]\n" "stm r2!, {r4-r11}\n" "str r2, [sp, #8]\n" "cmp r2, r3\n" "bne 1b\n"
        "add sp, sp, #52\n" "pop {r4-r11, pc}\n");
}
/* clang-format on */
#else
static void edgec_wino_product(const uint32_t *v, const int32_t *u, uint32_t *m, int pairs)
{
    for (int i = 0; i < 36; ++i, v += 2 * pairs, u += 4 * pairs, m += 8) {
        for (int j = 0; j < 8; ++j) {
            int32_t sum = 0;
            for (int k = 0; k < pairs; ++k) {
                sum = edgec_smlad((uint32_t)u[4 * k + j / 2], v[2 * k + j % 2], sum);
            }
            m[j] = (uint32_t)sum;
        }
    }
}

#define edgec_wino_product_short edgec_wino_product
#endif

/* `high` <= 4 output rows.  rows: high + 2 input rows, NULL in the padding; scratch: 36 * channels words, then 288, then 72, then a row of input bytes. */
EDGEC_SHARED void edgec_wino_rows(const edgec_wino_t *w, const int8_t *const *rows, int8_t *out, uint32_t *scratch, int high,
                                  edgec_wino_finish *finish)
{
    const int channels = w->channels, pairs = channels / 2;
    uint32_t *const v = scratch, *const m = v + 36 * channels, *const even = m + 288, *const odd = even + 36;
    int8_t *const padding = (int8_t *)(odd + 36);
    void (*const product)(const uint32_t *, const int32_t *, uint32_t *, int) = pairs <= 8 ? edgec_wino_product_short : edgec_wino_product;
    const int8_t *lines[6];
    if (rows[0] == NULL || high < 4 || rows[5] == NULL) { /* absent rows are the first or the last ones */
        edgec_fill(padding, w->zx, w->size * channels);
    }
    for (int i = 0; i < 6; ++i) {
        lines[i] = i < high + 2 && rows[i] != NULL ? rows[i] : padding;
    }
    for (int ox = 0; ox < w->out; ox += 8) {
        for (int t = 0; t < 2; ++t) {
            const int left = ox + 4 * t - w->pad;
            for (int c = 0; c < channels; c += 4) {
                edgec_wino_input(w, lines, left, c, even, odd);
                edgec_wino_lines(even, v + c + t, channels);
                edgec_wino_lines(odd, v + c + 2 + t, channels);
            }
        }
        for (int o = 0; o < w->outputs; o += 4) {
            product(v, w->weight + o * 36 * pairs, m, pairs);
            for (int i = 0; i < 8; ++i) {
                const int x = ox + i % 2 * 4, c = o + i / 2;
                if (x < w->out && c < w->outputs) {
                    finish(w, m + i, w->bias + 2 * c, out + x * w->outputs + c, high, w->out - x < 4 ? w->out - x : 4);
                }
            }
        }
    }
}
