/* ---- matrix products with pair-packed weights ----
 * Two output channels a, b share a halfword H = 256*b + a.  SMLAD with raw H sums S = 256*dot_b + dot_a, SMLAD with SXTB16(H) sums T = dot_a;
 * S - T is 256*dot_b, exactly, while |dot_b| < 2^23.  Inputs are widened to int16 once: bytes 0..3 become the pairs (0,2) and (1,3).
 * The weight stream of a group of channels holds H words in the order of the inputs between start values and multipliers. */

typedef struct {
    const uint32_t *end; /* of the widened inputs */
    const uint32_t *x;   /* the widened inputs */
    int32_t round;       /* zero point and half a unit, before the shift */
    int32_t fours;       /* inputs of a pixel / 4 */
} edgec_dot_t;

/* The last 1..3 bytes of a run as a word, zeros behind them. */
static inline uint32_t edgec_load_some(const int8_t *x, int n)
{
    uint32_t word = 0;
    for (int i = 0; i < n; ++i) {
        word |= (uint32_t)(uint8_t)x[i] << 8 * i;
    }
    return word;
}

/* n bytes of one pixel -> (n + 3) / 4 * 2 words at wide; bytes beyond n read as zero. */
static inline void edgec_widen1(uint32_t *wide, const int8_t *x, int n)
{
    for (; n > 0; n -= 4, x += 4, wide += 2) {
        const uint32_t a = n >= 4 ? edgec_load4(x) : edgec_load_some(x, n);
        wide[0] = edgec_sxtb16(a);
        wide[1] = edgec_sxtb16_ror8(a);
    }
}

/* n bytes of two pixels -> (n + 3) / 4 * 4 words, the pixels' words by turns; bytes beyond n read as zero. */
#if EDGEC_DSP_ASM
/* clang-format off */
#define EDGEC_WIDEN2 \
    "sxtb16 r4, r8\n" "sxtb16 r5, r9\n" "sxtb16 r6, r8, ror #8\n" "sxtb16 r7, r9, ror #8\n" "stm r0!, {r4-r7}\n"
#define EDGEC_WIDEN2_WORD "ldr r8, [r1], #4\n" "ldr r9, [r2], #4\n" EDGEC_WIDEN2

EDGEC_NAKED void edgec_widen2(EDGEC_ARG uint32_t *wide, EDGEC_ARG const int8_t *x0, EDGEC_ARG const int8_t *x1, EDGEC_ARG int n)
{
    __asm__ volatile(
        "push {r4-r9}\n"
        "subs r3, r3, #16\n" "blt 2f\n"
        "1:\n" EDGEC_WIDEN2_WORD EDGEC_WIDEN2_WORD EDGEC_WIDEN2_WORD EDGEC_WIDEN2_WORD "subs r3, r3, #16\n" "bge 1b\n"
        "2:\n" "adds r3, r3, #12\n" "blt 4f\n"
        "3:\n" EDGEC_WIDEN2_WORD "subs r3, r3, #4\n" "bge 3b\n"
        "4:\n" "adds r3, r3, #4\n" "beq 6f\n"
        "add r1, r1, r3\n" "add r2, r2, r3\n" "mov r8, #0\n" "mov r9, #0\n"
        "5:\n" "ldrb r4, [r1, #-1]!\n" "ldrb r5, [r2, #-1]!\n" "orr r8, r4, r8, lsl #8\n" "orr r9, r5, r9, lsl #8\n" "subs r3, r3, #1\n" "bne 5b\n"
        EDGEC_WIDEN2
        "6:\n" "pop {r4-r9}\n" "bx lr\n");
}
/* clang-format on */
#else
static inline void edgec_widen2(uint32_t *wide, const int8_t *x0, const int8_t *x1, int n)
{
    for (; n > 0; n -= 4, x0 += 4, x1 += 4, wide += 4) {
        const uint32_t a = n >= 4 ? edgec_load4(x0) : edgec_load_some(x0, n);
        const uint32_t b = n >= 4 ? edgec_load4(x1) : edgec_load_some(x1, n);
        wide[0] = edgec_sxtb16(a);
        wide[1] = edgec_sxtb16(b);
        wide[2] = edgec_sxtb16_ror8(a);
        wide[3] = edgec_sxtb16_ror8(b);
    }
}
#endif

#if EDGEC_DSP_ASM
/* clang-format off */
#define EDGEC_MAC_2X4 \
    "ldrd r2, r3, [r0], #8\n"   "ldrd r12, lr, [r1], #8\n" \
    "smlad r4, r12, r2, r4\n"   "smlad r5, r12, r3, r5\n"   "smlad r6, lr, r2, r6\n"    "smlad r7, lr, r3, r7\n" \
    "sxtb16 r12, r12\n"         "sxtb16 lr, lr\n" \
    "smlad r8, r12, r2, r8\n"   "smlad r9, r12, r3, r9\n"   "smlad r10, lr, r2, r10\n"  "smlad r11, lr, r3, r11\n"

#define EDGEC_MAC_1X4 \
    "ldr r2, [r0], #8\n"        "ldrd r12, lr, [r1], #8\n" \
    "smlad r4, r12, r2, r4\n"   "smlad r6, lr, r2, r6\n"    "sxtb16 r12, r12\n"         "sxtb16 lr, lr\n" \
    "smlad r8, r12, r2, r8\n"   "smlad r10, lr, r2, r10\n"

#define EDGEC_MAC_1X8(x) \
    "ldrd r12, lr, [r1], #8\n" \
    "smlad r4, r12, " x ", r4\n"  "smlad r5, lr, " x ", r5\n"  "sxtb16 r12, r12\n"  "sxtb16 lr, lr\n" \
    "smlad r8, r12, " x ", r8\n"  "smlad r9, lr, " x ", r9\n" \
    "ldrd r12, lr, [r1], #8\n" \
    "smlad r6, r12, " x ", r6\n"  "smlad r7, lr, " x ", r7\n"  "sxtb16 r12, r12\n"  "sxtb16 lr, lr\n" \
    "smlad r10, r12, " x ", r10\n" "smlad r11, lr, " x ", r11\n"

/* The loop over k, sixteen inputs of each pixel a turn; frame word 16 is the address at which it is entered, so that any multiple of four will do. */
#define EDGEC_DOT_LOOP(four) \
    "ldr pc, [sp, #16]\n" ".p2align 2\n" \
    "2:\n" four four four four \
    "ldr r12, [sp]\n" "cmp r0, r12\n" "bne 2b\n"

/* r4 = fours -> the address of entry, `size` bytes of code for each four inputs: as many are skipped as the last turn lacks. */
#define EDGEC_DOT_ENTRY(size) \
    "rsb r4, r4, #0\n" "and r4, r4, #3\n" "mov r5, #" size "\n" "mul r4, r4, r5\n" "adr.w r5, 2f\n" "add r4, r4, r5\n" "orr r4, r4, #1\n" "str r4, [sp, #16]\n"
/* clang-format on */
#else
/* One pixel and one pair of channels: x and h advance by their steps; start_s, start_t: of S and T. */
static inline void edgec_dot_pair(const edgec_dot_t *dot, const uint32_t *x, int x_step, const int32_t *h, int h_step, int32_t *s, int32_t *t)
{
    for (; x < dot->end; x += x_step, h += h_step) {
        const uint32_t word = (uint32_t)*h;
        *s = edgec_smlad(word, *x, *s);
        *t = edgec_smlad(edgec_sxtb16(word), *x, *t);
    }
}
#endif

typedef void edgec_dot_two(const edgec_dot_t *dot, const int32_t *stream, int8_t *out0, int8_t *out1, const int32_t *stop);
typedef void edgec_dot_one(const edgec_dot_t *dot, const int32_t *stream, int8_t *out, const int32_t *stop);

/* The same where a pixel is alone (out1 NULL) or the last group is not full: that one goes through a buffer. */
EDGEC_SHARED void edgec_dot_2x4_odd(const edgec_dot_t *dot, const int32_t *stream, int8_t *out0, int8_t *out1, int outputs,
                                    edgec_dot_two *two, edgec_dot_one *one)
{
    const int words = dot->fours * 4 + 8, full = outputs / 4;
    const int32_t *const stop = stream + full * words;
    if (full > 0) {
        if (out1 != NULL) {
            two(dot, stream, out0, out1, stop);
        } else {
            one(dot, stream, out0, stop);
        }
    }
    if (outputs % 4 != 0) {
        int8_t last[8];
        two(dot, stop, last, last + 4, stop + words);
        for (int i = full * 4; i < outputs; ++i) {
            out0[i] = last[i % 4];
            if (out1 != NULL) {
                out1[i] = last[4 + i % 4];
            }
        }
    }
}

/* All `outputs` channels of two pixels, or of the first (out1 NULL). */
static inline void edgec_dot_2x4_all(const edgec_dot_t *dot, const int32_t *stream, int8_t *out0, int8_t *out1, int outputs,
                                     edgec_dot_two *two, edgec_dot_one *one)
{
    if (out1 != NULL && outputs % 4 == 0) {
        two(dot, stream, out0, out1, stream + outputs / 4 * (dot->fours * 4 + 8));
    } else {
        edgec_dot_2x4_odd(dot, stream, out0, out1, outputs, two, one);
    }
}

/* n pixels [depth] -> [outputs], two at a time.  dot: all but the pixels themselves; wide: room for two widened ones. */
EDGEC_SHARED void edgec_dense_2x4(const edgec_dot_t *dot, uint32_t *wide, const int8_t *x, int depth, const int32_t *stream, int8_t *out,
                                  int outputs, int n, edgec_dot_two *two, edgec_dot_one *one)
{
    for (; n > 0; n -= 2, x += 2 * depth, out += 2 * outputs) {
        edgec_widen2(wide, x, n > 1 ? x + depth : x, depth);
        edgec_dot_2x4_all(dot, stream, out, n > 1 ? out + outputs : NULL, outputs, two, one);
    }
}
