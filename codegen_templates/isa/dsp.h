/* dsp: the Armv7E-M / Armv8-M DSP instructions that the kernels use, one inline function each, and the same in C for other machines,
 * so that a kernel gives identical bytes on the host.  "pair": two int16 in one word, the first in the low half. */

#if defined(__ARM_FEATURE_DSP) && defined(__thumb2__)
#define EDGEC_DSP_ASM 1
#define EDGEC_NAKED static __attribute__((naked, noinline, unused))
#define EDGEC_ARG __attribute__((unused)) /* of a naked function: read by its registers */
#else
#define EDGEC_DSP_ASM 0
#endif

/* A function that several kernels call: one copy, and none where no kernel does. */
#if defined(__GNUC__)
#define EDGEC_SHARED static __attribute__((noinline, unused))
#else
#define EDGEC_SHARED static inline
#endif

/* Four bytes as a word, the first in the low byte; any alignment. */
static inline uint32_t edgec_load4(const int8_t *p)
{
#if EDGEC_DSP_ASM
    uint32_t word;
    __asm__("ldr %0, %1" : "=r"(word) : "m"(*(const int8_t(*)[4])p));
    return word;
#else
    return (uint32_t)(uint8_t)p[0] | (uint32_t)(uint8_t)p[1] << 8 | (uint32_t)(uint8_t)p[2] << 16 | (uint32_t)(uint8_t)p[3] << 24;
#endif
}

/* The pair (byte 0, byte 2) of a word of four int8. */
static inline uint32_t edgec_sxtb16(uint32_t x)
{
#if EDGEC_DSP_ASM
    uint32_t r;
    __asm__("sxtb16 %0, %1" : "=r"(r) : "r"(x));
    return r;
#else
    const uint32_t low = x & 0xffu, high = (x >> 16) & 0xffu;
    return (((low ^ 0x80u) - 0x80u) & 0xffffu) | ((high ^ 0x80u) - 0x80u) << 16;
#endif
}

/* The pair (byte 1, byte 3) of a word of four int8. */
static inline uint32_t edgec_sxtb16_ror8(uint32_t x)
{
#if EDGEC_DSP_ASM
    uint32_t r;
    __asm__("sxtb16 %0, %1, ror #8" : "=r"(r) : "r"(x));
    return r;
#else
    return edgec_sxtb16(x >> 8);
#endif
}

/* The pair (first of a, first of b). */
static inline uint32_t edgec_pkhbt(uint32_t a, uint32_t b)
{
#if EDGEC_DSP_ASM
    uint32_t r;
    __asm__("pkhbt %0, %1, %2, lsl #16" : "=r"(r) : "r"(a), "r"(b));
    return r;
#else
    return (a & 0xffffu) | b << 16;
#endif
}

/* The pair (second of a, second of b). */
static inline uint32_t edgec_pkhtb(uint32_t a, uint32_t b)
{
#if EDGEC_DSP_ASM
    uint32_t r;
    __asm__("pkhtb %0, %1, %2, asr #16" : "=r"(r) : "r"(b), "r"(a));
    return r;
#else
    return a >> 16 | (b & 0xffff0000u);
#endif
}

#if !EDGEC_DSP_ASM
static inline int32_t edgec_half(uint32_t pair, int which)
{
    const uint32_t h = which != 0 ? pair >> 16 : pair & 0xffffu;
    return (int32_t)(h ^ 0x8000u) - 0x8000;
}
#endif

/* acc + x.first*w.first + x.second*w.second, modulo 2^32. */
static inline int32_t edgec_smlad(uint32_t x, uint32_t w, int32_t acc)
{
#if EDGEC_DSP_ASM
    __asm__("smlad %0, %1, %2, %0" : "+r"(acc) : "r"(x), "r"(w));
    return acc;
#else
    const int64_t dot = (int64_t)edgec_half(x, 0) * edgec_half(w, 0) + (int64_t)edgec_half(x, 1) * edgec_half(w, 1);
    return edgec_i32((uint32_t)acc + (uint32_t)((uint64_t)dot & 0xffffffffu));
#endif
}

/* acc + x.first * w.first; acc + x.first * w.second. */
static inline int32_t edgec_smlabb(uint32_t x, uint32_t w, int32_t acc)
{
#if EDGEC_DSP_ASM
    __asm__("smlabb %0, %1, %2, %0" : "+r"(acc) : "r"(x), "r"(w));
    return acc;
#else
    return edgec_add_wrap(acc, edgec_half(x, 0) * edgec_half(w, 0));
#endif
}

static inline int32_t edgec_smlabt(uint32_t x, uint32_t w, int32_t acc)
{
#if EDGEC_DSP_ASM
    __asm__("smlabt %0, %1, %2, %0" : "+r"(acc) : "r"(x), "r"(w));
    return acc;
#else
    return edgec_add_wrap(acc, edgec_half(x, 0) * edgec_half(w, 1));
#endif
}

/* add + high word of acc * m2; the r form rounds the high word. */
static inline int32_t edgec_smmla(int32_t acc, int32_t m2, int32_t add)
{
#if EDGEC_DSP_ASM
    int32_t r;
    __asm__("smmla %0, %1, %2, %3" : "=r"(r) : "r"(acc), "r"(m2), "r"(add));
    return r;
#else
    return add + edgec_high(acc, m2, 0);
#endif
}

static inline int32_t edgec_smmlar(int32_t acc, int32_t m2, int32_t add)
{
#if EDGEC_DSP_ASM
    int32_t r;
    __asm__("smmlar %0, %1, %2, %3" : "=r"(r) : "r"(acc), "r"(m2), "r"(add));
    return r;
#else
    return add + edgec_high(acc, m2, (int64_t)1 << 31);
#endif
}

/* Saturates to int8. */
static inline int8_t edgec_ssat8(int32_t x)
{
#if EDGEC_DSP_ASM
    __asm__("ssat %0, #8, %0" : "+r"(x));
    return (int8_t)x;
#else
    return (int8_t)(x < -128 ? -128 : x > 127 ? 127 : x);
#endif
}

/* Clamps n bytes in place, four at a time; nothing to do for the bounds of int8. */
static inline void edgec_clamp_run(int8_t *y, int n, int lo, int hi)
{
    if (lo == -128 && hi == 127) {
        return;
    }
#if EDGEC_DSP_ASM
    const uint32_t low = (uint32_t)(uint8_t)lo * 0x01010101u, high = (uint32_t)(uint8_t)hi * 0x01010101u;
    for (; n >= 4; n -= 4, y += 4) {
        uint32_t word, spare;
        __asm__ volatile("ldr %0, [%2]\n\tssub8 %1, %0, %3\n\tsel %0, %0, %3\n\tssub8 %1, %4, %0\n\tsel %0, %0, %4\n\tstr %0, [%2]"
                         : "=&r"(word), "=&r"(spare)
                         : "r"(y), "r"(low), "r"(high)
                         : "memory", "cc");
    }
#endif
    for (; n > 0; --n, ++y) {
        *y = (int8_t)(*y < lo ? lo : *y > hi ? hi : *y);
    }
}

/* ---- matrix products with pair-packed weights ----
 * Two output channels a, b share a halfword H = 256*b + a.  SMLAD with raw H sums S = 256*dot_b + dot_a, SMLAD with SXTB16(H) sums T = dot_a;
 * (S - T) >> 8 is dot_b, exactly, while |dot_b| < 2^23.  Inputs are widened to int16 once: bytes 0..3 become the pairs (0,2) and (1,3).
 * The weight stream of a group of channels: start values of the even channels, H words in the order of the inputs, biases of the odd
 * channels, 2*m of all.  Requantization: y = ssat8((round + high(acc << left, 2m)) >> shift), shift >= 1. */

typedef struct {
    const uint32_t *end; /* of the widened inputs */
    const uint32_t *x;   /* the widened inputs; their number is a multiple of 4 (for each pixel) */
    int32_t round, shift, left;
} edgec_dot_t;

/* n bytes of one pixel -> (n + 3) / 4 * 2 words at wide; bytes beyond n read as zero. */
static inline void edgec_widen1(uint32_t *wide, const int8_t *x, int n)
{
    for (; n >= 4; n -= 4, x += 4, wide += 2) {
        const uint32_t a = edgec_load4(x);
        wide[0] = edgec_sxtb16(a);
        wide[1] = edgec_sxtb16_ror8(a);
    }
    if (n > 0) {
        uint32_t a = 0;
        for (int i = 0; i < n; ++i) {
            a |= (uint32_t)(uint8_t)x[i] << 8 * i;
        }
        wide[0] = edgec_sxtb16(a);
        wide[1] = edgec_sxtb16_ror8(a);
    }
}

/* n bytes of two pixels -> (n + 3) / 4 * 4 words, the pixels' words by turns; bytes beyond n read as zero. */
static inline void edgec_widen2(uint32_t *wide, const int8_t *x0, const int8_t *x1, int n)
{
    for (; n >= 4; n -= 4, x0 += 4, x1 += 4, wide += 4) {
        const uint32_t a = edgec_load4(x0), b = edgec_load4(x1);
        wide[0] = edgec_sxtb16(a);
        wide[1] = edgec_sxtb16(b);
        wide[2] = edgec_sxtb16_ror8(a);
        wide[3] = edgec_sxtb16_ror8(b);
    }
    if (n > 0) {
        uint32_t a = 0, b = 0;
        for (int i = 0; i < n; ++i) {
            a |= (uint32_t)(uint8_t)x0[i] << 8 * i;
            b |= (uint32_t)(uint8_t)x1[i] << 8 * i;
        }
        wide[0] = edgec_sxtb16(a);
        wide[1] = edgec_sxtb16(b);
        wide[2] = edgec_sxtb16_ror8(a);
        wide[3] = edgec_sxtb16_ror8(b);
    }
}

#if EDGEC_DSP_ASM
/* clang-format off */
#define EDGEC_MAC_2X4 \
    "ldrd r2, r3, [r0], #8\n"   "ldrd r12, lr, [r1], #8\n" \
    "smlad r4, r12, r2, r4\n"   "smlad r5, r12, r3, r5\n"   "smlad r6, lr, r2, r6\n"    "smlad r7, lr, r3, r7\n" \
    "sxtb16 r12, r12\n"         "sxtb16 lr, lr\n" \
    "smlad r8, r12, r2, r8\n"   "smlad r9, r12, r3, r9\n"   "smlad r10, lr, r2, r10\n"  "smlad r11, lr, r3, r11\n"

#define EDGEC_MAC_1X8(x) \
    "ldrd r12, lr, [r1], #8\n" \
    "smlad r4, r12, " x ", r4\n"  "smlad r5, lr, " x ", r5\n"  "sxtb16 r12, r12\n"  "sxtb16 lr, lr\n" \
    "smlad r8, r12, " x ", r8\n"  "smlad r9, lr, " x ", r9\n" \
    "ldrd r12, lr, [r1], #8\n" \
    "smlad r6, r12, " x ", r6\n"  "smlad r7, lr, " x ", r7\n"  "sxtb16 r12, r12\n"  "sxtb16 lr, lr\n" \
    "smlad r10, r12, " x ", r10\n" "smlad r11, lr, " x ", r11\n"

/* S in r4-r7 becomes 256*dot_b by subtracting T in r8-r11. */
#define EDGEC_SPLIT "sub r4, r4, r8\n" "sub r5, r5, r9\n" "sub r6, r6, r10\n" "sub r7, r7, r11\n"

#define EDGEC_LEFT \
    "ldr r2, [sp, #16]\n"  "cbz r2, 5f\n" \
    "lsl r4, r4, r2\n" "lsl r5, r5, r2\n" "lsl r6, r6, r2\n" "lsl r7, r7, r2\n" \
    "lsl r8, r8, r2\n" "lsl r9, r9, r2\n" "lsl r10, r10, r2\n" "lsl r11, r11, r2\n" \
    "5:\n" "ldrd r12, lr, [sp, #8]\n"

#define EDGEC_NARROW \
    "asr r4, r4, lr\n" "asr r5, r5, lr\n" "asr r6, r6, lr\n" "asr r7, r7, lr\n" \
    "asr r8, r8, lr\n" "asr r9, r9, lr\n" "asr r10, r10, lr\n" "asr r11, r11, lr\n" \
    "ssat r4, #8, r4\n" "ssat r5, #8, r5\n" "ssat r6, #8, r6\n" "ssat r7, #8, r7\n" \
    "ssat r8, #8, r8\n" "ssat r9, #8, r9\n" "ssat r10, #8, r10\n" "ssat r11, #8, r11\n"

/* The loop over k, eight bytes of each pixel a turn; it is entered in the middle when their number is an odd multiple of four. */
#define EDGEC_LOOP(half, middle_bit) \
    "ldr r12, [sp]\n" "sub r12, r12, r0\n" "tst r12, #" middle_bit "\n" "bne 3f\n" \
    "2:\n" half \
    "3:\n" half \
    "ldr r12, [sp]\n" "cmp r0, r12\n" "bne 2b\n"

/* Frame: 0 end, 4 x, 8 round, 12 shift, 16 left, 20 out0, 24 out1, 28 groups. */
EDGEC_NAKED void edgec_dot_2x4(EDGEC_ARG const edgec_dot_t *dot, EDGEC_ARG const int32_t *stream, EDGEC_ARG int8_t *out0,
                               EDGEC_ARG int8_t *out1, EDGEC_ARG int groups)
{
    __asm__ volatile(
        "push {r4-r11, lr}\n" "sub sp, sp, #32\n"
        "ldm r0, {r4-r8}\n" "stm sp, {r4-r8}\n" "strd r2, r3, [sp, #20]\n" "ldr r4, [sp, #68]\n" "str r4, [sp, #28]\n"
        "1:\n"
        "ldr r0, [sp, #4]\n" "ldr r4, [r1], #4\n" "ldr r6, [r1], #4\n"
        "mov r5, r4\n" "mov r8, r4\n" "mov r9, r4\n" "mov r7, r6\n" "mov r10, r6\n" "mov r11, r6\n"
        EDGEC_LOOP(EDGEC_MAC_2X4 EDGEC_MAC_2X4, "16")
        EDGEC_SPLIT
        "ldrd r2, r3, [r1], #8\n"
        "add r4, r2, r4, asr #8\n" "add r5, r2, r5, asr #8\n" "add r6, r3, r6, asr #8\n" "add r7, r3, r7, asr #8\n"
        EDGEC_LEFT
        "ldrd r2, r3, [r1], #8\n"
        "smmla r8, r8, r2, r12\n" "smmla r9, r9, r2, r12\n" "smmla r4, r4, r3, r12\n" "smmla r5, r5, r3, r12\n"
        "ldrd r2, r3, [r1], #8\n"
        "smmla r10, r10, r2, r12\n" "smmla r11, r11, r2, r12\n" "smmla r6, r6, r3, r12\n" "smmla r7, r7, r3, r12\n"
        EDGEC_NARROW
        "ldrd r2, r3, [sp, #20]\n"
        "strb r8, [r2], #1\n" "strb r4, [r2], #1\n" "strb r10, [r2], #1\n" "strb r6, [r2], #1\n"
        "strb r9, [r3], #1\n" "strb r5, [r3], #1\n" "strb r11, [r3], #1\n" "strb r7, [r3], #1\n"
        "ldr r4, [sp, #28]\n" "strd r2, r3, [sp, #20]\n" "subs r4, r4, #1\n" "str r4, [sp, #28]\n" "bne 1b\n"
        "add sp, sp, #32\n" "pop {r4-r11, pc}\n");
}

/* Frame: 0 end, 4 x, 8 round, 12 shift, 16 left, 20 out, 24 groups. */
EDGEC_NAKED void edgec_dot_1x8(EDGEC_ARG const edgec_dot_t *dot, EDGEC_ARG const int32_t *stream, EDGEC_ARG int8_t *out,
                               EDGEC_ARG int groups)
{
    __asm__ volatile(
        "push {r4-r11, lr}\n" "sub sp, sp, #32\n"
        "ldm r0, {r4-r8}\n" "stm sp, {r4-r8}\n" "strd r2, r3, [sp, #20]\n"
        "1:\n"
        "ldr r0, [sp, #4]\n" "ldm r1!, {r4-r7}\n" "mov r8, r4\n" "mov r9, r5\n" "mov r10, r6\n" "mov r11, r7\n"
        EDGEC_LOOP("ldrd r2, r3, [r0], #8\n" EDGEC_MAC_1X8("r2") EDGEC_MAC_1X8("r3"), "8")
        EDGEC_SPLIT
        "ldrd r2, r3, [r1], #8\n" "add r4, r2, r4, asr #8\n" "add r5, r3, r5, asr #8\n"
        "ldrd r2, r3, [r1], #8\n" "add r6, r2, r6, asr #8\n" "add r7, r3, r7, asr #8\n"
        EDGEC_LEFT
        "ldrd r2, r3, [r1], #8\n" "smmla r8, r8, r2, r12\n" "smmla r4, r4, r3, r12\n"
        "ldrd r2, r3, [r1], #8\n" "smmla r9, r9, r2, r12\n" "smmla r5, r5, r3, r12\n"
        "ldrd r2, r3, [r1], #8\n" "smmla r10, r10, r2, r12\n" "smmla r6, r6, r3, r12\n"
        "ldrd r2, r3, [r1], #8\n" "smmla r11, r11, r2, r12\n" "smmla r7, r7, r3, r12\n"
        EDGEC_NARROW
        "ldrd r2, r3, [sp, #20]\n"
        "strb r8, [r2], #1\n" "strb r4, [r2], #1\n" "strb r9, [r2], #1\n" "strb r5, [r2], #1\n"
        "strb r10, [r2], #1\n" "strb r6, [r2], #1\n" "strb r11, [r2], #1\n" "strb r7, [r2], #1\n"
        "subs r3, r3, #1\n" "strd r2, r3, [sp, #20]\n" "bne 1b\n"
        "add sp, sp, #32\n" "pop {r4-r11, pc}\n");
}
/* clang-format on */
#else
/* One accumulator to int8, as the code above does it. */
static inline int8_t edgec_dot_narrow(const edgec_dot_t *dot, int32_t acc, int32_t m2)
{
    return edgec_ssat8(edgec_smmla(edgec_left(acc, dot->left), m2, dot->round) >> dot->shift);
}

/* One pixel and one pair of channels: x and h advance by their steps; start: of channel a, odd: bias of channel b. */
static inline void edgec_dot_pair(const edgec_dot_t *dot, const uint32_t *x, int x_step, const int32_t *h, int h_step, int32_t start,
                                  int32_t odd, const int32_t *m2, int8_t *out)
{
    int32_t s = start, t = start;
    for (; x < dot->end; x += x_step, h += h_step) {
        const uint32_t word = (uint32_t)*h;
        s = edgec_smlad(word, *x, s);
        t = edgec_smlad(edgec_sxtb16(word), *x, t);
    }
    out[0] = edgec_dot_narrow(dot, t, m2[0]);
    out[1] = edgec_dot_narrow(dot, edgec_add_wrap(odd, edgec_i32((uint32_t)s - (uint32_t)t) >> 8), m2[1]);
}

static inline void edgec_dot_2x4(const edgec_dot_t *dot, const int32_t *stream, int8_t *out0, int8_t *out1, int groups)
{
    const int words = (int)(dot->end - dot->x);
    for (; groups > 0; --groups, out0 += 4, out1 += 4, stream += words + 8) {
        const int32_t *const tail = stream + 2 + words;
        for (int i = 0; i < 2; ++i) {
            edgec_dot_pair(dot, dot->x, 2, stream + 2 + i, 2, stream[i], tail[i], tail + 2 + 2 * i, out0 + 2 * i);
            edgec_dot_pair(dot, dot->x + 1, 2, stream + 2 + i, 2, stream[i], tail[i], tail + 2 + 2 * i, out1 + 2 * i);
        }
    }
}

static inline void edgec_dot_1x8(const edgec_dot_t *dot, const int32_t *stream, int8_t *out, int groups)
{
    const int words = 4 * (int)(dot->end - dot->x);
    for (; groups > 0; --groups, out += 8, stream += words + 16) {
        const int32_t *const tail = stream + 4 + words;
        for (int i = 0; i < 4; ++i) {
            edgec_dot_pair(dot, dot->x, 1, stream + 4 + i, 4, stream[i], tail[i], tail + 4 + 2 * i, out + 2 * i);
        }
    }
}
#endif

/* All `outputs` channels of two pixels; a last group that is not full goes through a buffer. */
static inline void edgec_dot_2x4_all(const edgec_dot_t *dot, const int32_t *stream, int group_words, int8_t *out0, int8_t *out1, int outputs)
{
    const int full = outputs / 4;
    if (full > 0) {
        edgec_dot_2x4(dot, stream, out0, out1, full);
    }
    if (outputs % 4 != 0) {
        int8_t last[8];
        edgec_dot_2x4(dot, stream + full * group_words, last, last + 4, 1);
        for (int i = 0; i < outputs % 4; ++i) {
            out0[full * 4 + i] = last[i];
            out1[full * 4 + i] = last[4 + i];
        }
    }
}

/* All `outputs` channels of one pixel. */
static inline void edgec_dot_1x8_all(const edgec_dot_t *dot, const int32_t *stream, int group_words, int8_t *out, int outputs)
{
    const int full = outputs / 8;
    if (full > 0) {
        edgec_dot_1x8(dot, stream, out, full);
    }
    if (outputs % 8 != 0) {
        int8_t last[8];
        edgec_dot_1x8(dot, stream + full * group_words, last, 1);
        for (int i = 0; i < outputs % 8; ++i) {
            out[full * 8 + i] = last[i];
        }
    }
}
