/* dsp_winograd: exact-integer Winograd F(4x4, 3x3).  Four rows by four columns of outputs come from a tile of 6x6 inputs, taken as unsigned
 * bytes d = x + 128; two channels travel in one word, so all sums are plain 32-bit additions.  The result is 576 times the convolution, modulo 2^32.
 * Source: Lavin and Gray 2015, with the filter transform scaled to integers. */

typedef struct {
    const int32_t *weight; /* [outputs / 4][36][channels / 2][4] pairs of int16, transformed */
    const int32_t *bias;   /* [outputs][2]: 576 times the bias of raw d, 2*m / 9 */
    int32_t size, out, pad, channels, outputs, zx, round, shift;
} edgec_wino_t;

/* One line of six, `step` words apart, times the input matrix, in place. */
static inline void edgec_wino_line(uint32_t *d, int step)
{
    const uint32_t d0 = d[0], d1 = d[step], d2 = d[2 * step], d3 = d[3 * step], d4 = d[4 * step], d5 = d[5 * step];
    const uint32_t a = d4 - 4 * d2, b = d3 - 4 * d1, c = d4 - d2, e = d3 - d1;
    d[0] = c + 4 * (d0 - d2);
    d[step] = a + b;
    d[2 * step] = a - b;
    d[3 * step] = c + 2 * e;
    d[4 * step] = c - 2 * e;
    d[5 * step] = d5 - d3 - 4 * e;
}

/* A tile of two channels -> 36 words at v, `stride` words apart.  A negative low half has borrowed from the high one: it is given back. */
EDGEC_SHARED void edgec_wino_input(uint32_t *d, uint32_t *v, int stride)
{
    for (int i = 0; i < 6; ++i) {
        edgec_wino_line(d + i, 6);
    }
    for (int i = 0; i < 6; ++i, d += 6) {
        edgec_wino_line(d, 1);
        for (int j = 0; j < 6; ++j, v += stride) {
            *v = d[j] + ((d[j] & 0x8000u) << 1);
        }
    }
}

/* Four outputs of a line of six, `step` words apart -> y, `gap` words apart. */
static inline void edgec_wino_sum(const uint32_t *m, int step, uint32_t *y, int gap)
{
    const uint32_t m1 = m[step], m2 = m[2 * step], m3 = m[3 * step], m4 = m[4 * step];
    const uint32_t p = m1 + m2, q = m1 - m2, r = m3 + m4, s = m3 - m4;
    y[0] = m[0] + p + r;
    y[gap] = q + 2 * s;
    y[2 * gap] = p + 4 * r;
    y[3 * gap] = q + 8 * s + 2 * m[5 * step];
}

/* Products of one tile and one output channel (36 words, 8 apart) -> `high` by `wide` int8. */
EDGEC_SHARED void edgec_wino_output(const edgec_wino_t *w, const uint32_t *m, const int32_t *bias, int8_t *out, int high, int wide)
{
    uint32_t half[24];
    const int pitch = w->out * w->outputs;
    for (int j = 0; j < 6; ++j) {
        edgec_wino_sum(m + 8 * j, 48, half + j, 6);
    }
    for (int i = 0; i < high; ++i, out += pitch) {
        uint32_t y[4];
        edgec_wino_sum(half + 6 * i, 1, y, 1);
        int8_t *at = out;
        for (int j = 0; j < wide; ++j, at += w->outputs) {
            *at = edgec_ssat8(edgec_smmla(edgec_i32(y[j] + (uint32_t)bias[0]), bias[1], w->round) >> w->shift);
        }
    }
}

/* The 36 products of two tiles with four output channels: m[36][4 channels][2 tiles] = sum over channel pairs.  v: [36][pairs][2], u: [36][pairs][4]. */
#if EDGEC_DSP_ASM
/* clang-format off */
#define EDGEC_WINO_MAC \
    "ldrd r2, r3, [r0], #8\n"   "ldrd r12, lr, [r1], #8\n" \
    "smlad r4, r12, r2, r4\n"   "smlad r5, r12, r3, r5\n"   "smlad r6, lr, r2, r6\n"    "smlad r7, lr, r3, r7\n" \
    "ldrd r12, lr, [r1], #8\n" \
    "smlad r8, r12, r2, r8\n"   "smlad r9, r12, r3, r9\n"   "smlad r10, lr, r2, r10\n"  "smlad r11, lr, r3, r11\n"

/* Frame: 0 end of the inputs of this product, 4 bytes of them, 8 m, 12 end of m, 16 entry, 20.. eight zeros. */
EDGEC_NAKED void edgec_wino_product(EDGEC_ARG const uint32_t *v, EDGEC_ARG const int32_t *u, EDGEC_ARG uint32_t *m, EDGEC_ARG int pairs)
{
    __asm__ volatile(
        "push {r4-r11, lr}\n" "sub sp, sp, #52\n"
        "lsl r5, r3, #3\n" "str r5, [sp, #4]\n" "add r5, r5, r0\n" "str r5, [sp]\n" "add r5, r2, #1152\n" "strd r2, r5, [sp, #8]\n"
        "mov r4, #0\n" "mov r5, #0\n" "strd r4, r5, [sp, #20]\n" "strd r4, r5, [sp, #28]\n" "strd r4, r5, [sp, #36]\n" "strd r4, r5, [sp, #44]\n"
        "rsb r4, r3, #0\n" "and r4, r4, #7\n" "mov r5, #44\n" "mul r4, r4, r5\n" "adr.w r5, 2f\n" "add r4, r4, r5\n" "orr r4, r4, #1\n" "str r4, [sp, #16]\n"
        "1:\n"
        "add r2, sp, #20\n" "ldm r2, {r4-r11}\n" "ldr pc, [sp, #16]\n" ".p2align 2\n"
        "2:\n"
        EDGEC_WINO_MAC EDGEC_WINO_MAC EDGEC_WINO_MAC EDGEC_WINO_MAC EDGEC_WINO_MAC EDGEC_WINO_MAC EDGEC_WINO_MAC EDGEC_WINO_MAC
        "ldr r12, [sp]\n" "cmp r0, r12\n" "bne 2b\n"
        "ldrd r2, r3, [sp, #8]\n" "stm r2!, {r4-r11}\n" "ldr r4, [sp, #4]\n" "str r2, [sp, #8]\n" "add r12, r12, r4\n" "str r12, [sp]\n"
        "cmp r2, r3\n" "bne 1b\n"
        "add sp, sp, #52\n" "pop {r4-r11, pc}\n");
}
/* clang-format on */
#else
static inline void edgec_wino_product(const uint32_t *v, const int32_t *u, uint32_t *m, int pairs)
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
#endif

/* Up to four output rows.  rows: six input rows, NULL in the padding; scratch: 36 * channels words, then 288, then 72. */
EDGEC_SHARED void edgec_wino_rows(const edgec_wino_t *w, const int8_t *const *rows, int8_t *out, uint32_t *scratch, int high)
{
    const int channels = w->channels, pairs = channels / 2;
    uint32_t *const v = scratch, *const m = v + 36 * channels, *const even = m + 288, *const odd = even + 36;
    const uint32_t padding = ((uint32_t)w->zx & 0xffu) * 0x01010101u;
    for (int ox = 0; ox < w->out; ox += 8) {
        for (int t = 0; t < 2; ++t) {
            const int left = ox + 4 * t - w->pad;
            for (int c = 0; c < channels; c += 4) {
                for (int i = 0; i < 36; ++i) {
                    const int x = left + i % 6;
                    const int8_t *const row = rows[i / 6];
                    const uint32_t word = 0x80808080u ^ (row != NULL && x >= 0 && x < w->size ? edgec_load4(row + x * channels + c) : padding);
                    even[i] = word & 0x00ff00ffu;
                    odd[i] = (word >> 8) & 0x00ff00ffu;
                }
                edgec_wino_input(even, v + c + t, channels);
                edgec_wino_input(odd, v + c + 2 + t, channels);
            }
        }
        for (int o = 0; o < w->outputs; o += 4) {
            edgec_wino_product(v, w->weight + o * 36 * pairs, m, pairs);
            for (int i = 0; i < 8; ++i) {
                const int x = ox + i % 2 * 4, c = o + i / 2;
                if (x < w->out && c < w->outputs) {
                    edgec_wino_output(w, m + i, w->bias + 2 * c, out + x * w->outputs + c, high, w->out - x < 4 ? w->out - x : 4);
                }
            }
        }
    }
}
